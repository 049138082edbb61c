package sqlite

import (
	"errors"
	"testing"
)

func TestVersions(t *testing.T) {
	path := ofSchema(t, 1)
	stored, wanted, err := Versions(t.Context(), path, "test")
	if err != nil || stored != 1 || wanted <= 1 {
		t.Fatalf("version %d, wanted %d, %v; want 1 and a later one", stored, wanted, err)
	}
	if _, err := OpenExport(t.Context(), path); !errors.Is(err, ErrOlder) {
		t.Errorf("export: %v, want %v", err, ErrOlder)
	}
	if _, _, err := Migrate(t.Context(), path, "other"); !errors.Is(err, ErrForeign) {
		t.Errorf("another's: %v, want %v", err, ErrForeign)
	}
	if from, to, err := Migrate(t.Context(), path, "test"); err != nil || from != 1 || to != wanted {
		t.Errorf("migrated from %d to %d, %v; want from 1 to %d", from, to, err, wanted)
	}
	if from, to, err := Migrate(t.Context(), path, "test"); err != nil || from != wanted || to != wanted {
		t.Errorf("again: from %d to %d, %v; want %d and %d", from, to, err, wanted, wanted)
	}
	s, err := Open(t.Context(), path, "test", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Migrate(t.Context(), path, "test"); !errors.Is(err, ErrLocked) {
		t.Errorf("while it is served from: %v, want %v", err, ErrLocked)
	}
	if stored, _, err := Versions(t.Context(), path, "test"); err != nil || stored != wanted {
		t.Errorf("while it is served from: version %d, %v; want %d", stored, err, wanted)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}
