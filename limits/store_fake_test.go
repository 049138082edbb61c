package limits

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"
)

var errStore = errors.New("disk on fire")

// outcome is what a scripted call to the store comes to.
type outcome int

const (
	works outcome = iota
	// fails: nothing happened, and an error is returned.
	fails
	// lost: it happened, and an error is returned.
	lost
	// hangs until the call's context ends; nothing happened.
	hangs
)

// memStore is a Store in memory that follows the contract, keeps whole microseconds as real ones do, and fails where its
// script says so. It outlives a Gate, as a database outlives a process.
type memStore struct {
	t testing.TB

	mu     sync.Mutex
	states map[string]*State
	resets map[string]bool // request ids
	asks   map[string]bool
	// reports has the Seq of the last report of each By.
	reports map[string]int64
	trips   []Trip
	counts  map[string]string
	calls   int
	// accounts by limit; not nil: the store is shared.
	accounts map[string]*memAccount
	// born counts the accounts that were made.
	born int
	// serverClock is how far a shared store's clock is ahead of the process's.
	serverClock time.Duration
	// script answers what the n-th call (from 1) comes to; nil: it works.
	script func(n int, op, limit string) outcome
}

func newMemStore(t testing.TB) *memStore {
	return &memStore{t: t, states: map[string]*State{}, resets: map[string]bool{}, asks: map[string]bool{}, reports: map[string]int64{}, counts: map[string]string{}}
}

// do runs one scripted call.
func (m *memStore) do(ctx context.Context, op, limit string, effect func(*State) error) error {
	m.mu.Lock()
	m.calls++
	result := works
	if m.script != nil {
		result = m.script(m.calls, op, limit)
	}
	if result == hangs {
		m.mu.Unlock()
		<-ctx.Done()
		return ctx.Err()
	}
	defer m.mu.Unlock()
	if result == fails {
		return errStore
	}
	st := m.states[limit]
	if st == nil {
		st = &State{}
		m.states[limit] = st
	}
	if err := effect(st); err != nil {
		return err
	}
	if result == lost {
		return errStore
	}
	return nil
}

func (m *memStore) setScript(script func(n int, op, limit string) outcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.script = script
}

func (m *memStore) Load(ctx context.Context) (map[string]State, error) {
	all := map[string]State{}
	err := m.do(ctx, "load", "", func(*State) error {
		for name, st := range m.states {
			if name == "" {
				continue
			}
			c := *st
			c.Leases, c.Tallies = slices.Clone(st.Leases), slices.Clone(st.Tallies)
			slices.Reverse(c.Leases) // the contract promises no order
			all[name] = c
		}
		return nil
	})
	return all, err
}

// Declared isn't scripted either.
func (m *memStore) Declared(context.Context) (map[string]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.counts), nil
}

// Declare isn't scripted: nothing is released before it works.
func (m *memStore) Declare(_ context.Context, counts map[string]string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := SameCounts(counts, m.counts); err != nil {
		return err
	}
	maps.Copy(m.counts, counts)
	return nil
}

func (m *memStore) Shared() bool { return m.accounts != nil }

func (m *memStore) Latched(ctx context.Context) (map[string]State, error) { return m.Load(ctx) }

func (m *memStore) Lease(ctx context.Context, r LeaseRequest) (g Grant, err error) {
	for _, at := range []time.Time{r.From, r.Until} {
		if !at.Equal(at.Truncate(time.Microsecond)) {
			m.t.Errorf("lease %d of %s: %v isn't a whole microsecond", r.ID, r.Limit, at)
		}
	}
	if err := r.Check(); err != nil {
		m.t.Error(err)
	}
	err = m.do(ctx, "lease", r.Limit, func(st *State) (err error) {
		if m.Shared() {
			g, err = m.decide(st, r)
			return err
		}
		if settled := r.Settled; settled != nil {
			for i, old := range st.Leases {
				if old.ID == settled.ID {
					if settled.Count > old.Count || settled.Until.After(old.Until) {
						m.t.Errorf("lease %+v settled as %+v: more than was granted", old, *settled)
					}
					st.Leases[i].Count, st.Leases[i].Until = settled.Count, settled.Until
				}
			}
		}
		st.Leases = slices.DeleteFunc(st.Leases, func(old Lease) bool {
			return old.Count == 0 || !old.Until.After(r.Forget)
		})
		for _, old := range st.Leases {
			if r.ID <= old.ID {
				m.t.Errorf("lease id %d doesn't rise above %d", r.ID, old.ID)
			}
		}
		m.collect(st, r)
		if g.Lease = r.Lease; r.Count > 0 {
			st.Leases = append(st.Leases, r.Lease)
		}
		return nil
	})
	if err != nil {
		return Grant{}, err
	}
	return g, nil
}

func (m *memStore) Trip(ctx context.Context, t Trip) (first bool, err error) {
	err = m.do(ctx, "trip", t.Limit, func(st *State) error {
		if first = !st.Tripped && !m.known(t.ID); first {
			st.Tripped, st.Trip = true, t
			m.trips = append(m.trips, t)
		}
		return nil
	})
	return first, err
}

func (m *memStore) Reset(ctx context.Context, r Reset) error {
	return m.do(ctx, "reset", r.Limit, func(st *State) error {
		switch {
		case m.resets[r.RequestID]:
			return nil
		case !st.Tripped:
			return ErrNotTripped
		}
		m.resets[r.RequestID] = true
		m.release(st, r)
		return nil
	})
}

func (m *memStore) callCount() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls
}

// epoch is where tests begin; not a whole microsecond, so that rounding shows.
var epoch = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)

func declines(max int64, window time.Duration) Definition {
	return Definition{Name: "declines", Action: "decline", MaxCount: max, Window: window}
}

func newGate(t testing.TB, st Store, now time.Time, opts Options, defs ...Definition) *Gate {
	t.Helper()
	if opts.Clock == nil {
		opts.Clock = time.Now
	}
	g, err := New(context.Background(), defs, st, now, opts)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return g
}

func statusOf(t testing.TB, g *Gate, now time.Time, name string) Status {
	t.Helper()
	for _, s := range g.States(now) {
		if s.Definition.Name == name {
			return s
		}
	}
	t.Fatalf("States has no %q", name)
	return Status{}
}

// excess answers the end and size of a window that holds more than max of the releases, found by trying every one; ok is
// false when there is none.
func excess(releases []int64, window time.Duration, max int64) (end, count int64, ok bool) {
	for _, end := range releases {
		var n int64
		for _, r := range releases {
			if r > end-int64(window) && r <= end {
				n++
			}
		}
		if n > max {
			return end, n, true
		}
	}
	return 0, 0, false
}

func wantNoExcess(t *testing.T, releases []int64, window time.Duration, max int64) {
	t.Helper()
	if end, n, bad := excess(releases, window, max); bad {
		t.Errorf("the window of %v that ends at %v holds %d releases, limit %d", window, time.Unix(0, end).UTC(), n, max)
	}
}
