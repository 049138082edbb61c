package sqlite_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/candor-gateway/candor/store/sqlite"
	"github.com/candor-gateway/candor/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Driver { return open(t, initialised(t), sqlite.Options{}) })
}

// identity of every test's store.
const identity = "test"

// initialised makes a store in a folder of the test's own.
func initialised(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "candor.db")
	if err := sqlite.Init(t.Context(), path, identity); err != nil {
		t.Fatal(err)
	}
	return path
}

// driver is a store that can be opened again.
type driver struct {
	*sqlite.Store
	path string
	opts sqlite.Options
}

// open opens a store until the test's end.
func open(t testing.TB, path string, opts sqlite.Options) driver {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path, identity, opts)
	if err != nil {
		t.Fatal(err)
	}
	// The test's context has ended by then.
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return driver{s, path, opts}
}

func (d driver) Reopen(t testing.TB) storetest.Driver {
	t.Helper()
	if err := d.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return open(t, d.path, d.opts)
}
