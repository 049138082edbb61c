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
	conn := connect(t, url)
	// Only who listens asks for the ends of the histories last.
	for listens := 0; listens == 0; {
		if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'idle' AND query LIKE '%limit_events%'`).Scan(&listens); err != nil {
			t.Fatal(err)
		}
	}
	exec(t, conn, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
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

// An entry of the history that is committed after a later one is noticed, too, when no notification comes.
func TestLateEntry(t *testing.T) {
	url := initialised(t)
	s := open(t, url, postgres.Options{})
	items, err := put(t.Context(), s, 1)
	if err != nil {
		t.Fatal(err)
	}
	const entry = `INSERT INTO candor.review_events (item_id, kind, at_us, actor, note, queue, epoch) VALUES ($1, 1, 1, 'a', '', 'q', 0)`
	early, late := connect(t, url), connect(t, url)
	told := func(what string, moved <-chan struct{}) {
		t.Helper()
		select {
		case <-moved:
		case <-time.After(patience):
			t.Fatalf("nobody is told of %s", what)
		}
	}
	exec(t, early, `BEGIN`)
	exec(t, early, entry, items[0].ID)
	moved := s.Moved()
	exec(t, late, entry, items[0].ID)
	told("the later entry", moved)
	// What the store has told itself of its own item may have been heard before.
	for end := time.After(3 * time.Second); ; {
		moved = s.Moved()
		select {
		case <-moved:
			continue
		case <-end:
		}
		break
	}
	exec(t, early, `COMMIT`)
	told("the entry that was committed later", moved)
}

// Tokens that gathered while no gateway ran are removed a bounded number at a time; those that somebody may still ask for stay.
func TestTokensAreRemoved(t *testing.T) {
	conn := connect(t, initialised(t))
	exec(t, conn, `SET search_path = candor`)
	exec(t, conn, `INSERT INTO commit_tokens (token, created_at) SELECT gen_random_uuid(), clock_timestamp() - interval '2 days' FROM generate_series(1, 12000)`)
	exec(t, conn, `INSERT INTO commit_tokens (token) VALUES (gen_random_uuid())`)
	exec(t, conn, `CREATE FUNCTION few() RETURNS trigger LANGUAGE plpgsql AS
		'BEGIN IF (SELECT count(*) FROM gone) > 5000 THEN RAISE EXCEPTION ''too many at once''; END IF; RETURN NULL; END'`)
	exec(t, conn, `CREATE TRIGGER few AFTER DELETE ON commit_tokens REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION few()`)
	left := 12001
	for left > 1 {
		if err := postgres.SweepTokens(t.Context(), conn); err != nil {
			t.Fatal(err)
		}
		before := left
		if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM commit_tokens`).Scan(&left); err != nil || left == before {
			t.Fatalf("%d tokens are left (%v)", left, err)
		}
	}
	if left != 1 {
		t.Error("the token of a commit of now is gone")
	}
}
