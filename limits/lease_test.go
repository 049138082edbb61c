package limits

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"
)

func TestStoreFailureWithholdsWithoutLatching(t *testing.T) {
	for _, result := range []outcome{fails, lost} {
		st := newMemStore(t)
		g := newGate(t, st, epoch, Options{}, declines(8, time.Minute))
		st.setScript(func(int, string, string) outcome { return result })
		v := g.Acquire(context.Background(), epoch, Answer{Action: "decline"})
		if v.Released || !v.Unavailable || v.Limit != "declines" || !errors.Is(v.Err, errStore) {
			t.Errorf("outcome %d: %+v, want withheld as unavailable", result, v)
		}
		st.setScript(nil)
		for i := range 8 {
			if v := g.Acquire(context.Background(), epoch, Answer{Action: "decline"}); !v.Released {
				t.Errorf("outcome %d: answer %d after the store came back: %+v", result, i, v)
			}
		}
		if s := statusOf(t, g, epoch, "declines"); s.Tripped {
			t.Errorf("outcome %d: the store's failure latched the limit", result)
		}
	}
}

func TestPanickingStoreWithholds(t *testing.T) {
	st := newMemStore(t)
	g := newGate(t, st, epoch, Options{}, declines(8, time.Minute))
	g.store = panicStore{st}
	v := g.Acquire(context.Background(), epoch, Answer{Action: "decline"})
	if v.Released || !v.Unavailable || v.Err == nil {
		t.Errorf("%+v, want withheld as unavailable", v)
	}
}

type panicStore struct{ Store }

func (panicStore) Lease(context.Context, LeaseRequest) (Grant, error) { panic("nil map") }

func TestLeasesShrinkNearTheLimit(t *testing.T) {
	st := newMemStore(t)
	g := newGate(t, st, epoch, Options{MaxLease: 10}, declines(100, time.Hour))
	var sizes []int64
	seen := map[int64]bool{}
	for i := range 100 {
		if v := g.Acquire(context.Background(), epoch, Answer{Action: "decline"}); !v.Released {
			t.Fatalf("answer %d: %+v", i, v)
		}
		for _, l := range st.states["declines"].Leases {
			if !seen[l.ID] {
				seen[l.ID] = true
				sizes = append(sizes, l.Count)
			}
		}
	}
	if sizes[0] != 10 || sizes[len(sizes)-1] != 1 || !slices.IsSortedFunc(sizes, func(a, b int64) int { return int(b - a) }) {
		t.Errorf("lease sizes %v: want 10 at first, 1 at last, never rising", sizes)
	}
	if len(sizes) > 40 {
		t.Errorf("%d leases for 100 answers", len(sizes))
	}
}

// TestLeasesAreSmallWhileTheStoreFails: each failed call may have left a lease that a restart would count.
func TestLeasesAreSmallWhileTheStoreFails(t *testing.T) {
	st := newMemStore(t)
	g := newGate(t, st, epoch, Options{}, declines(100, time.Hour))
	st.setScript(func(int, string, string) outcome { return lost })
	for range 5 {
		g.Acquire(context.Background(), epoch, Answer{Action: "decline"})
	}
	var stored int64
	for _, l := range st.states["declines"].Leases {
		stored += l.Count
	}
	if stored != 12+4 {
		t.Errorf("five failed calls left %d permits in the store, want 12 of the first and 1 each of the others", stored)
	}
}

func TestSettleAndCloseForfeitNothing(t *testing.T) {
	st := newMemStore(t)
	def := declines(80, time.Hour)
	g := newGate(t, st, epoch, Options{}, def)
	g.Acquire(context.Background(), epoch, Answer{Action: "decline"})
	stored := func() (n int64) {
		for _, l := range st.states["declines"].Leases {
			n += l.Count
		}
		return n
	}
	if got := stored(); got != 10 {
		t.Fatalf("the store counts %d after one answer, want the lease of 10", got)
	}
	if err := g.Settle(context.Background(), epoch.Add(time.Millisecond)); err != nil || stored() != 10 {
		t.Errorf("Settle = %v, store counts %d; want an open lease left alone", err, stored())
	}
	if err := g.Settle(context.Background(), epoch.Add(3*time.Second)); err != nil || stored() != 1 {
		t.Errorf("Settle = %v, store counts %d; want the 1 that was released", err, stored())
	}
	calls := st.callCount()
	if err := g.Settle(context.Background(), epoch.Add(4*time.Second)); err != nil || st.callCount() != calls {
		t.Errorf("Settle with nothing to settle: %v, %d calls", err, st.callCount()-calls)
	}

	now := epoch.Add(5 * time.Second)
	g.Acquire(context.Background(), now, Answer{Action: "decline"})
	if err := g.Close(context.Background(), now); err != nil || stored() != 2 {
		t.Errorf("Close = %v, store counts %d, want 2", err, stored())
	}
	v := g.Acquire(context.Background(), now, Answer{Action: "decline"})
	if v.Released || !v.Unavailable || !errors.Is(v.Err, ErrClosed) {
		t.Errorf("a closed gate: %+v", v)
	}
	if s := statusOf(t, newGate(t, st, now, Options{}, def), now, "declines"); s.Used != 2 {
		t.Errorf("%d used after a clean restart, want 2", s.Used)
	}
}

// TestLeaseIDsRiseOverForgottenLeases: what the store has let go no longer says which ids were used; the clock does.
func TestLeaseIDsRiseOverForgottenLeases(t *testing.T) {
	var last int64
	for i := range 3 {
		st := newMemStore(t) // knows nothing of the leases before
		now := epoch.Add(time.Duration(i) * time.Minute)
		g := newGate(t, st, now, Options{}, declines(9, time.Second))
		for range 9 {
			g.Acquire(context.Background(), now, Answer{Action: "decline"})
		}
		before := last
		for _, l := range st.states["declines"].Leases {
			if l.ID <= before {
				t.Fatalf("lease id %d after %d", l.ID, before)
			}
			last = max(last, l.ID)
		}
	}
}

func TestLoweredLimitTrips(t *testing.T) {
	st := newMemStore(t)
	g := newGate(t, st, epoch, Options{}, declines(50, time.Hour))
	for range 20 {
		g.Acquire(context.Background(), epoch, Answer{Action: "decline"})
	}
	g = newGate(t, st, epoch, Options{}, declines(10, time.Hour))
	if v := g.Acquire(context.Background(), epoch, Answer{Action: "decline"}); v.Released || v.Limit != "declines" {
		t.Errorf("20 released before the limit became 10: %+v", v)
	}
	// What has left the window no longer counts, although more than the new bound was stored.
	g = newGate(t, st, epoch.Add(time.Hour+time.Minute), Options{}, Definition{
		Name: "declines", Action: "decline", MaxCount: 10, Window: time.Hour})
	if s := statusOf(t, g, epoch.Add(time.Hour+time.Minute), "declines"); s.Used != 0 || !s.Tripped {
		t.Errorf("an hour later: %+v", s)
	}
}

func TestCorruptLeasesAreHarmless(t *testing.T) {
	st := newMemStore(t)
	st.states["declines"] = &State{Leases: []Lease{
		{Limit: "declines", ID: 1, Count: -5, From: epoch, Until: epoch},
		{Limit: "declines", ID: 2, Count: 1 << 62, From: epoch, Until: epoch},
		{Limit: "declines", ID: 3},
	}}
	g := newGate(t, st, epoch, Options{}, declines(10, time.Minute))
	if s := statusOf(t, g, epoch, "declines"); s.Used != 10 {
		t.Errorf("%d used, want the limit", s.Used)
	}
	if v := g.Acquire(context.Background(), epoch.Add(2*time.Minute), Answer{Action: "decline"}); !v.Released {
		t.Errorf("after the window: %+v", v)
	}
}

// TestLeaseEndsByTheFasterClock: the server's clock may show more of a span than the process's, so a lease is over a little earlier.
func TestLeaseEndsByTheFasterClock(t *testing.T) {
	began := time.Now()
	s := leases{open: &openLease{Lease: Lease{ID: 1, Count: 1, From: tick(0)}, until: tick(1).UnixNano(), began: began}}
	for early, want := range map[time.Duration]bool{2 * time.Millisecond: true, 500 * time.Microsecond: false} {
		if m := (moment{process: began.Add(time.Second - early)}); s.ready(m, 1) != want {
			t.Errorf("%v before the end of a lease of a second: in hand %t", early, !want)
		}
	}
}
