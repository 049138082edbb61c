package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/candor-gateway/candor/audit"
	"github.com/candor-gateway/candor/limits"
	"github.com/candor-gateway/candor/review"
	"github.com/candor-gateway/candor/store/postgres"
	"github.com/candor-gateway/candor/store/postgres/pgtest"
	"github.com/candor-gateway/candor/store/storetest"
)

// told is what callers were told while connections broke.
type told struct {
	mu               sync.Mutex
	stored, refused  []string // predictions
	finished, failed map[string]string
	leased, unleased []string
	errors           int
}

// load works on a store until stop, and notes what it is told. An error is an answer, too: nothing of it may be stored.
func (l *told) load(t *testing.T, s *postgres.Store, stop <-chan struct{}) *sync.WaitGroup {
	var wg sync.WaitGroup
	running := func() bool {
		select {
		case <-stop:
			return false
		default:
			return true
		}
	}
	note := func(f func()) {
		l.mu.Lock()
		defer l.mu.Unlock()
		f()
	}
	ctx := context.Background()
	for range 3 {
		wg.Go(func() {
			for running() {
				rec, items := storetest.Deferral(s.Now(), "q", 2)
				err := s.Record(ctx, rec, items)
				if errors.Is(err, postgres.ErrUnknown) {
					t.Errorf("record: %v", err)
				}
				note(func() {
					if err != nil {
						l.errors++
						l.refused = append(l.refused, items[0].PredictionID)
						return
					}
					l.stored = append(l.stored, items[0].PredictionID)
				})
			}
		})
	}
	for c := range 3 {
		holder := fmt.Sprint("reviewer-", c, "-", uuid.NewString()[:8])
		wg.Go(func() {
			for running() {
				it, err := claim(ctx, s, holder)
				if err != nil {
					continue
				}
				err = finish(ctx, s, it, holder)
				note(func() {
					if err == nil {
						l.finished[it.ID] = holder
					} else {
						l.errors++
						l.failed[it.ID] = holder
					}
				})
			}
		})
	}
	wg.Go(func() {
		for running() {
			name := "limit-" + uuid.NewString()
			_, err := s.Lease(ctx, limits.LeaseRequest{Lease: limits.Lease{Limit: name, Count: 5}, Max: 40, Window: time.Hour})
			note(func() {
				if err != nil {
					l.errors++
					l.unleased = append(l.unleased, name)
					return
				}
				l.leased = append(l.leased, name)
			})
		}
	})
	return &wg
}

// enough says whether so much was done that something can be seen.
func (l *told) enough() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.stored) >= 20 && len(l.finished) >= 10
}

// check holds what was told against what is stored.
func (l *told) check(t *testing.T, s *postgres.Store) {
	t.Helper()
	for _, id := range l.stored {
		page, err := s.List(t.Context(), review.Filter{PredictionID: id, Limit: 10})
		if _, ferr := s.Find(t.Context(), id); ferr != nil || err != nil || len(page.Items) != 2 {
			t.Errorf("an acknowledged decision is lost: %v, %d items, %v", ferr, len(page.Items), err)
		}
	}
	for _, id := range l.refused {
		page, err := s.List(t.Context(), review.Filter{PredictionID: id, Limit: 10})
		if _, ferr := s.Find(t.Context(), id); !errors.Is(ferr, audit.ErrNotFound) || err != nil || len(page.Items) != 0 {
			t.Errorf("a refused decision is stored: %v, %d items, %v", ferr, len(page.Items), err)
		}
	}
	counts := map[string]int{}
	for _, f := range finals(t, s) {
		counts[f.Item.ID]++
		if counts[f.Item.ID] > 1 {
			t.Errorf("item %s has two final answers", f.Item.ID)
		}
	}
	for id, holder := range l.finished {
		if it, err := s.Get(t.Context(), id); err != nil || counts[id] != 1 || it.Verdict.GetLabel() != holder {
			t.Errorf("item %s: %d final answers, %v (%v); acknowledged was one by %s", id, counts[id], it.Verdict, err, holder)
		}
	}
	for id := range l.failed {
		if counts[id] != 0 {
			t.Errorf("item %s: its answer failed, and is in the feed", id)
		}
	}
	states, err := s.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range l.leased {
		if len(states[name].Leases) != 1 {
			t.Errorf("%s: an acknowledged lease is lost", name)
		}
	}
	for _, name := range l.unleased {
		if len(states[name].Leases) != 0 {
			t.Errorf("%s: a lease that failed is stored", name)
		}
	}
	verified(t, s)
}

func newTold() *told { return &told{finished: map[string]string{}, failed: map[string]string{}} }

// Connections are cut again and again, in the middle of whatever: an error means that nothing was stored, nil that all of it was.
func TestConnectionsBreak(t *testing.T) {
	url := initialised(t)
	cuts := 60
	if long() {
		cuts = 400
	}
	conn := connect(t, url)
	l, stop := newTold(), make(chan struct{})
	one, two := open(t, url, postgres.Options{}), open(t, url, postgres.Options{})
	waits := []*sync.WaitGroup{l.load(t, one, stop), l.load(t, two, stop)}
	var cut atomic.Int64
	for i := 0; i < cuts || !l.enough(); i++ {
		var n int64
		if err := conn.QueryRow(t.Context(), `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
			WHERE datname = current_database() AND application_name = 'candor' AND random() < 0.5`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		cut.Add(n)
		time.Sleep(25 * time.Millisecond) // the load goes on meanwhile
	}
	close(stop)
	for _, wg := range waits {
		wg.Wait()
	}
	t.Logf("%d connections cut: %d decisions stored, %d answers, %d leases, %d errors", cut.Load(), len(l.stored), len(l.finished), len(l.leased), l.errors)
	if cut.Load() < int64(cuts) {
		t.Error("this shows too little")
	}
	l.check(t, one)
}

// The server is killed with everything that it has in hand, and started again: nothing acknowledged is lost, nothing is applied twice.
// The stores go on by themselves.
func TestServerKilled(t *testing.T) {
	pgtest.Skip(t)
	server, err := pgtest.Start(true)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	}()
	url := server.URL("postgres")
	if err := postgres.Init(t.Context(), url, identity); err != nil {
		t.Fatal(err)
	}
	rounds := 3
	if long() {
		rounds = 8
	}
	s, err := postgres.Open(t.Context(), url, identity, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	l := newTold()
	for round := range rounds {
		stop, before := make(chan struct{}), len(l.finished)
		wg := l.load(t, s, stop)
		for enough := false; !enough; time.Sleep(time.Millisecond) {
			l.mu.Lock()
			enough = len(l.finished) >= before+20+round
			l.mu.Unlock()
		}
		if err := server.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := server.Restart(); err != nil {
			t.Fatal(err)
		}
		close(stop)
		wg.Wait()
	}
	// After the last round it still works.
	if err := s.Record(t.Context(), storetest.Accept(uuid.New()), nil); err != nil {
		t.Errorf("after the crash: %v", err)
	}
	t.Logf("%d decisions stored, %d answers, %d leases, %d errors", len(l.stored), len(l.finished), len(l.leased), l.errors)
	l.check(t, s)
}
