package sqlite

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/audit"
	"github.com/candor-gateway/candor/store/storetest"
)

// fresh is an open store of the test's own; its path is s.path.
func fresh(t testing.TB, opts Options) *Store {
	t.Helper()
	path := filepath.Join(t.TempDir(), "candor.db")
	if err := Init(t.Context(), path, "test"); err != nil {
		t.Fatal(err)
	}
	return reopen(t, path, opts)
}

func reopen(t testing.TB, path string, opts Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), path, "test", opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	return s
}

// hold keeps the writer busy until the answered function is called.
func hold(t *testing.T, s *Store) (release func()) {
	t.Helper()
	busy, free := make(chan struct{}), make(chan struct{})
	done := make(chan error)
	go func() {
		done <- s.write(context.Background(), "hold", func(*tx) error {
			close(busy)
			<-free
			return nil
		})
	}()
	<-busy
	return func() {
		close(free)
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// eventually polls for what another goroutine will have done soon, and gives up after a time that only a fault takes.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestQueueIsBounded(t *testing.T) {
	const room = 4
	s := fresh(t, Options{QueueRecords: room})
	release := hold(t, s)
	ids := make([]uuid.UUID, room+1)
	for i := range ids {
		ids[i] = uuid.Must(uuid.NewV7())
	}
	for _, id := range ids[:room] {
		if err := s.Enqueue(t.Context(), storetest.Accept(id)); err != nil {
			t.Fatal(err)
		}
	}
	if st := s.Stats(); st.Queued != room {
		t.Errorf("%d queued, want %d", st.Queued, room)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := s.Enqueue(ctx, storetest.Accept(uuid.New())); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a full queue: %v; want the context's error", err)
	}
	waits := make(chan error)
	go func() { waits <- s.Enqueue(context.Background(), storetest.Accept(ids[room])) }()
	release()
	if err := <-waits; err != nil {
		t.Errorf("once there was room: %v", err)
	}
	for _, id := range ids {
		if _, err := s.Find(t.Context(), id.String()); err != nil {
			t.Error(err)
		}
	}
	if st := s.Stats(); st.Committed != room+1 || st.Queued != 0 || st.Lost != 0 {
		t.Errorf("stats %+v; want %d committed", st, room+1)
	}
}

func TestGroupCommit(t *testing.T) {
	s := fresh(t, Options{MaxLinger: time.Hour})
	before := s.Stats().Batches
	const n = 100
	for range n {
		if err := s.Enqueue(t.Context(), storetest.Accept(uuid.Must(uuid.NewV7()))); err != nil {
			t.Fatal(err)
		}
	}
	if st := s.Stats(); st.Committed != 0 {
		t.Errorf("%d committed before their linger was over", st.Committed)
	}
	// One that can't wait takes all the others along.
	if err := s.Record(t.Context(), storetest.Accept(uuid.Must(uuid.NewV7())), nil); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Committed != n+1 || st.Batches != before+1 {
		t.Errorf("%d records in %d commits; want %d in one", st.Committed, st.Batches-before, n+1)
	}
	// A queue that is long enough doesn't wait for its linger either.
	for range maxBatch {
		if err := s.Enqueue(t.Context(), storetest.Accept(uuid.Must(uuid.NewV7()))); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "a full batch to be committed", func() bool { return s.Stats().Committed > n+1 })
}

func TestLingerEnds(t *testing.T) {
	s := fresh(t, Options{MaxLinger: time.Millisecond})
	if err := s.Enqueue(t.Context(), storetest.Accept(uuid.Must(uuid.NewV7()))); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a queued record to be committed", func() bool { return s.Stats().Committed == 1 })
}

// setPages bounds the file as a full disk would; 0 lifts it.
func setPages(t *testing.T, s *Store, full bool) {
	t.Helper()
	err := s.write(t.Context(), "bound the file", func(tx *tx) error {
		var pages int64
		if err := tx.queryRow(`PRAGMA page_count`, nil, &pages); err != nil {
			return err
		}
		if full {
			return tx.queryRow(`PRAGMA max_page_count = 1`, nil, &pages) // SQLite takes the present size at least
		}
		return tx.queryRow(`PRAGMA max_page_count = 1000000`, nil, &pages)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestDiskFull(t *testing.T) {
	var logged bytes.Buffer
	s := fresh(t, Options{Logger: slog.New(slog.NewTextHandler(&logged, nil)), QueueRecords: 64})
	setPages(t, s, true)

	// Larger than what is free in the last pages.
	big, items := storetest.Deferral(s.Now(), "q", 1)
	items[0].Payload.Tensors[0].Texts = [][]byte{bytes.Repeat([]byte("x"), 1<<20)}
	var all []uuid.UUID
	enqueue := func(n int) {
		t.Helper()
		for range n {
			id := uuid.Must(uuid.NewV7())
			all = append(all, id)
			if err := s.Enqueue(t.Context(), storetest.Accept(id)); err != nil {
				t.Fatal(err)
			}
		}
	}
	enqueue(60)
	if err := s.Record(t.Context(), big, items); err == nil || !strings.Contains(err.Error(), "full") {
		t.Fatalf("Record on a full disk: %v; want an error that says so", err)
	}
	if _, err := s.find(t.Context(), all[0]); !errors.Is(err, audit.ErrNotFound) {
		t.Fatalf("60 records fit on a full disk (%v); the test shows nothing", err)
	}
	// Record was answered before the group was tried alone.
	eventually(t, "the queued records to be kept", func() bool { return s.Stats().Queued == 60 })
	enqueue(10)
	setPages(t, s, false)
	for _, id := range all {
		if _, err := s.Find(t.Context(), id.String()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Find(t.Context(), items[0].PredictionID); !errors.Is(err, audit.ErrNotFound) {
		t.Errorf("the record whose caller was refused: %v; want ErrNotFound", err)
	}
	if err := s.Record(t.Context(), big, items); err != nil {
		t.Errorf("the refused record again: %v", err)
	}
	if st := s.Stats(); st.Lost != 0 || st.Queued != 0 || st.Committed != uint64(len(all))+1 {
		t.Errorf("stats %+v; want %d committed", st, len(all)+1)
	}
	if report, err := s.VerifyLog(t.Context()); err != nil || report.Fault() != nil {
		t.Errorf("the log: %v, %v", report.Fault(), err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if !strings.Contains(logged.String(), "trying again") {
		t.Errorf("nothing was said: %q", logged.String())
	}
}

func TestLostRecordsAreCounted(t *testing.T) {
	s := fresh(t, Options{MaxLinger: time.Hour})
	setPages(t, s, true)
	const n = 500
	for range n {
		if err := s.Enqueue(t.Context(), storetest.Accept(uuid.Must(uuid.NewV7()))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(t.Context()); err == nil || !strings.Contains(err.Error(), "500 records") {
		t.Errorf("Close: %v; want an error that counts what is lost", err)
	}
	if st := s.Stats(); st.Lost != n || st.Queued != 0 {
		t.Errorf("stats %+v; want %d lost", st, n)
	}
}

// One who needs too much room must not fail those who share the commit.
func TestMatesOfAFailure(t *testing.T) {
	s := fresh(t, Options{})
	setPages(t, s, true)
	defer setPages(t, s, false)
	release := hold(t, s)
	big, items := storetest.Deferral(s.Now(), "q", 1)
	items[0].Payload.Tensors[0].Texts = [][]byte{bytes.Repeat([]byte("x"), 1<<20)}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Record(t.Context(), big, items); err == nil {
			t.Error("a megabyte fits on a full disk")
		}
	})
	wg.Go(func() {
		if err := s.write(t.Context(), "a small change", func(t *tx) error {
			_, err := t.exec(`UPDATE clock SET high_water_us = high_water_us + 1`)
			return err
		}); err != nil {
			t.Errorf("a job that shared the commit: %v", err)
		}
	})
	eventually(t, "both to wait for the writer", func() bool { return len(s.writer.jobs) == 2 })
	release()
	wg.Wait()
}

// What the writer has in hand is queued until it is stored, also to the one who gives up waiting for that.
func TestClosedInTheMiddle(t *testing.T) {
	s := fresh(t, Options{MaxLinger: time.Hour})
	enqueue := func(n int) {
		t.Helper()
		for range n {
			if err := s.Enqueue(t.Context(), storetest.Accept(uuid.Must(uuid.NewV7()))); err != nil {
				t.Fatal(err)
			}
		}
	}
	enqueue(5)
	release := hold(t, s) // with the five in its transaction
	enqueue(2)
	if n := s.Stats().Queued; n != 7 {
		t.Errorf("%d queued; want 5 that the writer has and 2 that wait", n)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Close(ended); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), ": 7 records still queued") {
		t.Errorf("Close gave up with %v; want 7 records still queued", err)
	}
	release()
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if st := s.Stats(); st.Queued != 0 || st.Committed != 7 || st.Lost != 0 {
		t.Errorf("closed with %+v; want 7 committed", st)
	}
}

func TestCloseFlushes(t *testing.T) {
	s := fresh(t, Options{MaxLinger: time.Hour, Writer: "w"})
	var ids []uuid.UUID
	for range 300 {
		id := uuid.Must(uuid.NewV7())
		ids = append(ids, id)
		if err := s.Enqueue(t.Context(), storetest.Accept(id)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	s = reopen(t, s.path, Options{Writer: "w"})
	for i, id := range ids {
		if found, err := s.Find(t.Context(), id.String()); err != nil || found.Writer != "w" || found.Seq != uint64(i+1) {
			t.Fatalf("record %d: %s %d, %v", i, found.Writer, found.Seq, err)
		}
	}
	// A known writer goes on with its chain.
	rec := storetest.Accept(uuid.Must(uuid.NewV7()))
	if err := s.Record(t.Context(), proto.CloneOf(rec), nil); err != nil {
		t.Fatal(err)
	}
	if report, err := s.VerifyLog(t.Context()); err != nil || report.Fault() != nil || report.Writers[0].Entries != 301 {
		t.Errorf("the log: %+v, %v", report, err)
	}
}

// Close doesn't wait beyond its context, and what is left goes on being stored.
func TestCloseWithContext(t *testing.T) {
	s := fresh(t, Options{MaxLinger: time.Hour})
	release := hold(t, s)
	id := uuid.Must(uuid.NewV7())
	if err := s.Enqueue(t.Context(), storetest.Accept(id)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Close while the writer is busy: %v; want the context's error", err)
	}
	release()
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	s = reopen(t, s.path, Options{})
	if _, err := s.Find(t.Context(), id.String()); err != nil {
		t.Error(err)
	}
}

func TestClockKeepsItsHighWaterMark(t *testing.T) {
	wall := time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)
	opts := Options{wall: func() time.Time { return wall }}
	s := fresh(t, opts)
	first := s.Now()
	if first.Before(wall) || first.After(wall.Add(time.Hour)) {
		t.Fatalf("the clock starts at %v, the wall clock says %v", first, wall)
	}
	if err := s.Record(t.Context(), storetest.Accept(uuid.Must(uuid.NewV7())), nil); err != nil {
		t.Fatal(err)
	}
	last := s.Now()
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	db, err := connectReaders(s.path, "ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if c, err := readClock(t.Context(), db, opts.wall); err != nil || c.base.Before(last) {
		t.Errorf("the mark of a clean stop is %v (%v), before %v", c.base, err, last)
	}
	wall = wall.Add(-5 * time.Minute)
	s = reopen(t, s.path, opts)
	if now := s.Now(); now.Before(last) {
		t.Errorf("the wall clock was set back: the clock went from %v back to %v", last, now)
	}
	s.Close(t.Context())
	wall = wall.Add(time.Hour)
	s = reopen(t, s.path, opts)
	if now := s.Now(); now.Before(wall) {
		t.Errorf("the wall clock went on to %v: the clock says %v", wall, now)
	}
}

// A kind that was numbered in a part that is undone has no number, also for the next in the same transaction.
func TestKindsOfAFailure(t *testing.T) {
	s := fresh(t, Options{})
	taken, takenItems := storetest.Deferral(s.Now(), "q", 1)
	if err := s.Record(t.Context(), taken, takenItems); err != nil {
		t.Fatal(err)
	}
	bad, items := storetest.Deferral(s.Now(), "q", 1)
	bad.GetPrediction().Model = "new"
	good := proto.CloneOf(bad)
	items[0].ID = takenItems[0].ID
	release := hold(t, s)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Record(t.Context(), bad, items); err == nil {
			t.Error("a taken id was accepted")
		}
	})
	eventually(t, "the first to wait", func() bool { return len(s.writer.jobs) == 1 })
	wg.Go(func() {
		if err := s.Record(t.Context(), good, nil); err != nil {
			t.Error(err)
		}
	})
	eventually(t, "both to wait", func() bool { return len(s.writer.jobs) == 2 })
	release()
	wg.Wait()
	now := s.Now()
	sum, err := s.Summarize(t.Context(), audit.Query{Since: now.Add(-time.Hour), Until: now.Add(time.Hour), Model: "new"})
	if err != nil || sum.Total != 1 {
		t.Errorf("%d decisions of the new model are counted (%v), want 1", sum.Total, err)
	}
}
