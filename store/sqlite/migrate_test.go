package sqlite

import (
	"os"
	"path/filepath"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// A store of the first schema is served from after its migration, with what is in it.
func TestMigrateFirstSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "candor.db")
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
	if _, err := m.UpTo(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		`PRAGMA application_id = 1129202770`,
		`INSERT INTO store (one, identity, store_id, created_us) VALUES (1, 'test', 'an id', 1)`,
		`INSERT INTO review_items (id, queue, state, release_state, prediction_id, prediction_row, model, backend, model_version, consumer,
			expected_loss, created_us, deadline_us, on_expire, default_label, unit, body, traceparent, sampling_probability)
			VALUES ('an item', 'q', 1, 1, 'a prediction', 0, 'm', 'b', '1', 'c', 0, 1, 2, 1, '', '', x'', '', 1)`,
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s := reopen(t, path, Options{})
	it, err := s.Get(t.Context(), "an item")
	if err != nil || it.Kind != candorv1.ReviewKind_REVIEW_KIND_DEFERRED || it.Queue != "q" || len(it.Sequences) != 0 {
		t.Errorf("the item: %+v, %v", it, err)
	}
	a := &candorv1.Artefact{
		Name: "x", Scope: &candorv1.ArtefactScope{}, Data: &candorv1.DataSet{}, Body: &candorv1.Artefact_Platt{Platt: &candorv1.Platt{A: 1}},
	}
	if got, err := s.PutArtefact(t.Context(), a); err != nil || got.GetVersion() != 1 {
		t.Errorf("an artefact after the migration: %v, %v", got, err)
	}
}
