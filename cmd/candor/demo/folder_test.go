package demo

import (
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/examples/digits"
	"github.com/candor-gateway/candor/store/sqlite"
)

// A folder of somebody else is left as it was: no token, no log, no configuration.
func TestForeignFolderIsLeftAlone(t *testing.T) {
	store := func(name, identity string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := sqlite.Init(t.Context(), filepath.Join(dir, name), identity); err != nil {
				t.Fatal(err)
			}
		}
	}
	file := func(name, text string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, tc := range []struct {
		name string
		fill func(*testing.T, string)
		args []string
		want string
	}{
		{"another gateway's store", store(storeName, "payments-1"), nil, "candor.db: the store belongs to another gateway; nothing was written; name"},
		{"no store at all", file(storeName, "a letter"), nil, "candor.db: the file is no Candor store"},
		{"a store of another name", store("payments.db", "payments-1"), nil, "payments.db is no demo's store; "},
		{"a configuration of another store", file(configName, string(digits.Configuration())), nil, `its store.sqlite.path is "candor-data/digits.db"`},
		{"an address for everybody", file("letter.txt", "a letter"), []string{"--grpc", "0.0.0.0:0"}, "no loopback address"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			tc.fill(t, dir)
			before := contents(t, dir)
			err := execute(t.Context(), io.Discard, io.Discard, append(tc.args, "--headless", "--data-dir", dir)...)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("error %v, want %q", err, tc.want)
			}
			if tc.args == nil && (!strings.Contains(err.Error(), "--data-dir") || cli.Report(io.Discard, err) != cli.StatusFailed) {
				t.Errorf("error %v, status %d: want the remedy and %d", err, cli.Report(io.Discard, err), cli.StatusFailed)
			}
			if after := contents(t, dir); !maps.Equal(before, after) {
				t.Errorf("the folder had %d files, and has %q; or one has changed", len(before), slices.Sorted(maps.Keys(after)))
			}
		})
	}
}

// What an earlier demo left may lack its configuration: it is written when the gateway listens.
func TestInterruptedFolderIsContinued(t *testing.T) {
	path := t.TempDir()
	if err := sqlite.Init(t.Context(), filepath.Join(path, storeName), "digits-demo"); err != nil {
		t.Fatal(err)
	}
	dir, err := openDataDir(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := dir.refuseForeign(t.Context()); err != nil {
		t.Error(err)
	}
}

// contents are the files of a folder, by name, but for those that SQLite puts beside a database that is read.
func contents(t *testing.T, dir string) map[string]string {
	files := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || name == storeName+"-shm" || name == storeName+"-wal" {
			return err
		}
		text, err := os.ReadFile(filepath.Join(dir, name))
		files[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
