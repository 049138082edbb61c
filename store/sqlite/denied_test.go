package sqlite_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/candor-gateway/candor/store/sqlite"
)

// What the file system refuses is said with the remedy, and not in SQLite's words alone, which speak of a read-only database.
func TestDenied(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may do everything; run it as another user")
	}
	folder := t.TempDir()
	path := filepath.Join(folder, "candor.db")
	if err := sqlite.Init(t.Context(), path, "test"); err != nil {
		t.Fatal(err)
	}
	chmod := func(name string, mode os.FileMode) {
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { chmod(folder, 0o700) })
	wantDenied := func(what string, err error) {
		t.Helper()
		var open *sqlite.OpenError
		if !errors.As(err, &open) || !errors.Is(err, sqlite.ErrDenied) || !strings.Contains(open.Remedy, "as the user of the gateway") {
			t.Errorf("%s: %v", what, err)
		}
	}
	chmod(folder, 0o500)
	_, err := sqlite.OpenReadOnly(t.Context(), path)
	wantDenied("read in a folder that can't be written", err)
	_, err = sqlite.Open(t.Context(), path, "test", sqlite.Options{})
	wantDenied("serve in a folder that can't be written", err)
	wantDenied("make one there", sqlite.Init(t.Context(), filepath.Join(folder, "another.db"), "test"))
	wantDenied("make one below it", sqlite.Init(t.Context(), filepath.Join(folder, "below", "another.db"), "test"))
	chmod(folder, 0o700)
	chmod(path, 0)
	_, err = sqlite.OpenReadOnly(t.Context(), path)
	wantDenied("read a file that can't be read", err)
}
