package postgres_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/candor-gateway/candor/store/postgres"
)

// touchy is a log that panics when it is first told that the connection that listens broke.
type touchy struct {
	slog.Handler
	told *atomic.Int64
}

func (touchy) Enabled(context.Context, slog.Level) bool { return true }

func (h touchy) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "postgres: the connection that listens broke; connecting again" && h.told.Add(1) == 1 {
		panic("a defect of the log")
	}
	return nil
}

// A defect in listening to other gateways is counted, and the store listens again.
func TestPanicOfAListener(t *testing.T) {
	url := initialised(t)
	var told, panics atomic.Int64
	s := open(t, url, postgres.Options{Logger: slog.New(touchy{slog.DiscardHandler, &told}), Panicked: func() { panics.Add(1) }})
	exec(t, connect(t, url), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
	other := open(t, url, postgres.Options{})
	moved := s.Moved()
	if _, err := put(t.Context(), other, 1); err != nil {
		t.Fatal(err)
	}
	select {
	case <-moved:
	case <-time.After(30 * time.Second):
		t.Fatal("nobody is told of a new item")
	}
	// The writer has lost its connection, too, and makes another.
	if _, err := put(t.Context(), s, 1); err != nil {
		t.Error(err)
	}
	if panics.Load() != 1 || told.Load() != 1 {
		t.Errorf("%d panics, told %d times", panics.Load(), told.Load())
	}
}
