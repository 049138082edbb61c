package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/store/sqlite"
	"github.com/candor-gateway/candor/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Driver { return open(t, initialised(t), sqlite.Options{}) })
}

// identity of every test's store.
const identity = "test"

// fresh is the file of a store that Init has just made. Tests begin with copies of it, since Init takes longer than most of them do.
var fresh = sync.OnceValues(func() (_ []byte, err error) {
	folder, err := os.MkdirTemp("", "candor-sqlite-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	path := filepath.Join(folder, "candor.db")
	if err := sqlite.Init(context.Background(), path, identity); err != nil {
		return nil, err
	}
	if left, err := filepath.Glob(path + "-*"); err != nil || len(left) > 0 {
		return nil, fmt.Errorf("Init has left %v beside the store (%w)", left, err)
	}
	return os.ReadFile(path)
})

// initialised makes a store in a folder of the test's own.
func initialised(t testing.TB) string {
	t.Helper()
	data, err := fresh()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "candor.db")
	if err := os.WriteFile(path, data, 0o600); err != nil {
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

func (d driver) Records(t testing.TB) []*candorv1.Record {
	t.Helper()
	scan, err := d.Scan(t.Context(), time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	var out []*candorv1.Record
	for rec, err := range scan.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, rec)
	}
	return out
}

func (d driver) Reopen(t testing.TB) storetest.Driver {
	t.Helper()
	if err := d.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return open(t, d.path, d.opts)
}
