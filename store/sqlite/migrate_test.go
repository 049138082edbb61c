package sqlite

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// A store of the first schema is brought to the newest one when it is opened.
func TestOldStoreIsMigrated(t *testing.T) {
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "candor.db")
	// SQLite starts from an empty file, and we never let it make one.
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := connectWriter(path)
	if err != nil {
		t.Fatal(err)
	}
	m, err := migrator(db)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.UpTo(ctx, 1); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		fmt.Sprintf(`PRAGMA application_id = %d`, applicationID),
		`INSERT INTO store (one, identity, store_id, created_us) VALUES (1, 'old', 'id', 1)`,
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(ctx, path, "old", Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	a := &candorv1.Artefact{
		Name: "x", Scope: &candorv1.ArtefactScope{}, Data: &candorv1.DataSet{}, Body: &candorv1.Artefact_Platt{Platt: &candorv1.Platt{A: 1}},
	}
	if got, err := s.PutArtefact(ctx, a); err != nil || got.GetVersion() != 1 {
		t.Errorf("%v, %v", got, err)
	}
}
