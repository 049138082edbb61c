package limits

import (
	"testing"
	"time"
)

// memAccount is a limit in a shared memStore, whose server has a wall clock that can be set.
type memAccount struct {
	Account
	store  *memStore
	leases []memLease
	memTallies
}

type memLease struct {
	Lease
	settled bool
}

func newSharedStore(t testing.TB) *memStore {
	m := newMemStore(t)
	m.accounts = map[string]*memAccount{}
	return m
}

// decide is one transaction. The server's clock is the process's, off by serverClock.
func (m *memStore) decide(st *State, r LeaseRequest) (Grant, error) {
	a := m.accounts[r.Limit]
	if a == nil {
		if r.Retire {
			return Grant{}, nil
		}
		m.born++
		a = &memAccount{store: m, Account: Account{Born: tick(m.born), LastID: int64(m.born) * 1_000_000}}
		m.accounts[r.Limit] = a
	}
	latched := st.Tripped && !st.Trip.DryRun
	raw := time.Now().Round(0).Add(m.serverClock).Truncate(time.Microsecond)
	at := r.Read(raw, r.Clock(), r.Clock())
	born := a.Born
	now := a.Tick(at, r.Seen)
	others, err := a.Weigh(a, &r, now, at.After)
	if err != nil {
		return Grant{}, err
	}
	g, err := a.Decide(a, r, now, latched)
	g.Max, g.Others, g.Seen, g.Voided = r.Max, others, a.Sight(at, now), !a.Born.Equal(born)
	if latched {
		g.Tripped, g.Trip = true, st.Trip
	}
	st.Used = g.Used
	if g.Stays = r.Retire && !a.Over(r, latched, others); r.Retire && !g.Stays {
		delete(m.accounts, r.Limit)
	}
	st.Leases = nil
	for _, l := range a.leases {
		st.Leases = append(st.Leases, l.Lease)
	}
	return g, err
}

func (a *memAccount) Settle(l Lease) (before int64, err error) {
	for i, old := range a.leases {
		if old.ID != l.ID {
			continue
		}
		if a.store != nil && (l.Count > old.Count || l.Until.After(old.Until)) {
			a.store.t.Errorf("lease %+v settled as %+v: more than was granted", old, l)
		}
		a.leases[i].Count, a.leases[i].Until, a.leases[i].settled = l.Count, l.Until, true
		before = old.Count
	}
	return before, nil
}

func (a *memAccount) Forget(t time.Time) (permits int64, err error) {
	kept := a.leases[:0]
	for _, l := range a.leases {
		if l.Until.After(t) {
			kept = append(kept, l)
		} else {
			permits += l.Count
		}
	}
	a.leases = kept
	return permits, nil
}

func (a *memAccount) After(t time.Time) (permits int64, err error) {
	for _, l := range a.leases {
		if l.Until.After(t) {
			permits += l.Count
		}
	}
	return permits, nil
}

func (a *memAccount) Pending(now time.Time) (permits int64, first time.Time, err error) {
	for _, l := range a.leases {
		end := l.Until.Add(l.Until.Sub(l.From))
		if l.settled || !end.After(now) {
			continue
		}
		permits += l.Count
		if first.IsZero() || end.Before(first) {
			first = end
		}
	}
	return permits, first, nil
}

func (a *memAccount) Add(l Lease) error {
	a.leases = append(a.leases, memLease{Lease: l})
	return nil
}
