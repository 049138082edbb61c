package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/google/uuid"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
	"github.com/candor-gateway/candor/store/storetest"
)

// renamed calls the log something else until the answered function is called: meanwhile no record can be stored.
func renamed(t *testing.T, s *Store) (back func()) {
	t.Helper()
	name, err := dsn(s.path, url.Values{})
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", name)
	if err != nil {
		t.Fatal(err)
	}
	rename := func(from, to string) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), `ALTER TABLE `+from+` RENAME TO `+to); err != nil {
			t.Fatal(err)
		}
	}
	for _, table := range []string{"log", "log_runs"} {
		rename(table, table+"_elsewhere")
	}
	return func() {
		t.Helper()
		for _, table := range []string{"log", "log_runs"} {
			rename(table+"_elsewhere", table)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Records that the queue still holds when the store is closed are stored as well, however many failed commits have left behind.
func TestClosedBehind(t *testing.T) {
	const most = 64
	s := fresh(t, Options{MaxLinger: time.Hour, QueueRecords: most})
	back := renamed(t, s)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	var n uint64
	fill := func() {
		t.Helper()
		for {
			err := s.Enqueue(ended, storetest.Accept(uuid.New()))
			if errors.Is(err, context.Canceled) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
	}
	// Each job takes what is queued along, which then is kept for another try.
	for range 10 {
		fill()
		if err := s.write(t.Context(), "nothing", func(*tx) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	fill()
	back()
	err := s.Close(t.Context())
	if st := s.Stats(); err != nil || st.Committed != n || st.Lost != 0 || st.Queued != 0 {
		t.Errorf("closed with %+v, %v; %d were taken", st, err, n)
	}
}

// What can't be stored is counted whole, also what the writer had no room for.
func TestLostBehindIsCounted(t *testing.T) {
	const most = 64
	s := fresh(t, Options{MaxLinger: time.Hour, QueueRecords: most})
	back := renamed(t, s)
	defer back()
	var n uint64
	for range 4 {
		for range most {
			if err := s.Enqueue(t.Context(), storetest.Accept(uuid.New())); err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n < 4*most {
			if err := s.write(t.Context(), "nothing", func(*tx) error { return nil }); err != nil {
				t.Fatal(err)
			}
		}
	}
	err := s.Close(t.Context())
	if st := s.Stats(); err == nil || st.Lost != n || st.Queued != 0 {
		t.Errorf("closed with %+v, %v; %d were taken", st, err, n)
	}
}

// A decision that is stored again, because the commit that it shared failed, keeps nothing of the first time: its item doesn't wait for one
// that was never stored.
func TestJoinedInACommitThatFailed(t *testing.T) {
	s := fresh(t, Options{})
	key := []byte("0123456789abcdef")
	twin := func() (*candorv1.Record, []review.Item) {
		rec, items := storetest.Deferral(s.Now(), "q", 1)
		items[0].Sequences, items[0].Join = nil, &review.Join{Key: key, Since: items[0].Created.Add(-time.Hour), Max: 10}
		return rec, items
	}
	release := hold(t, s)
	first, second, third := make(chan error, 1), make(chan error, 1), make(chan error, 1)
	goes := func(to chan<- error, f func() error) {
		t.Helper()
		before := len(s.writer.jobs)
		go func() { to <- f() }()
		eventually(t, "a job to wait", func() bool { return len(s.writer.jobs) == before+1 })
	}
	errFirst := errors.New("the first can't be stored by itself")
	_, items := twin()
	a, err := review.NewFresh(items[0])
	if err != nil {
		t.Fatal(err)
	}
	tries := 0
	goes(first, func() error {
		return s.write(t.Context(), "store an item", func(t *tx) error {
			if tries++; tries > 1 {
				return errFirst
			}
			n := a
			return t.add(&n)
		})
	})
	rec, items := twin()
	goes(second, func() error { return s.Record(t.Context(), rec, items) })
	spoils := 0
	goes(third, func() error {
		return s.write(t.Context(), "spoil the commit", func(t *tx) error {
			if spoils++; spoils > 1 {
				return nil
			}
			if _, err := t.exec(`PRAGMA defer_foreign_keys = ON`); err != nil {
				return err
			}
			_, err := t.exec(`INSERT INTO review_exclusions (item_id, reviewer, until_us) VALUES (?, 'x', 0)`, uuid.NewString())
			return err
		})
	})
	release()
	if err := <-first; !errors.Is(err, errFirst) {
		t.Fatalf("the first: %v", err)
	}
	if err := errors.Join(<-second, <-third); err != nil || spoils != 2 {
		t.Fatalf("the others: %v, in %d tries", err, spoils)
	}
	it, err := s.Get(t.Context(), items[0].ID)
	if err != nil || it.JoinedTo != "" || it.Payload == nil {
		t.Errorf("the item has joined %q, its payload is there: %t (%v)", it.JoinedTo, it.Payload != nil, err)
	}
}

// Whoever waits for room in the queue when the store is closed is told so, and holds up nobody else.
func TestClosedWhileOneWaits(t *testing.T) {
	s := fresh(t, Options{MaxLinger: time.Hour, QueueRecords: 1})
	release := hold(t, s)
	if err := s.Enqueue(t.Context(), storetest.Accept(uuid.New())); err != nil {
		t.Fatal(err)
	}
	waits := make(chan error, 1)
	go func() { waits <- s.Enqueue(context.Background(), storetest.Accept(uuid.New())) }()
	eventually(t, "somebody to wait for room", func() bool {
		s.writer.queue.mu.Lock()
		defer s.writer.queue.mu.Unlock()
		return s.writer.queue.room != nil
	})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Close(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("Close gave up with %v", err)
	}
	select {
	case err := <-waits:
		if !errors.Is(err, ErrClosed) {
			t.Errorf("who waited is told %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("somebody waits for room in a store that is being closed")
	}
	release()
	if err := s.Close(t.Context()); err != nil || s.Stats().Committed != 1 {
		t.Errorf("closed: %v, %+v", err, s.Stats())
	}
}
