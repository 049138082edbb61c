package limits

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

func TestNewRefusesDefinitions(t *testing.T) {
	good := declines(5, time.Minute)
	with := func(change func(*Definition)) Definition {
		d := good
		change(&d)
		return d
	}
	for name, c := range map[string]struct {
		defs []Definition
		want []string
	}{
		"no name":        {[]Definition{with(func(d *Definition) { d.Name = "" })}, []string{"without a name"}},
		"no action":      {[]Definition{with(func(d *Definition) { d.Action = "" })}, []string{"declines", "action"}},
		"zero count":     {[]Definition{with(func(d *Definition) { d.MaxCount = 0 })}, []string{"declines", "max_count is 0"}},
		"negative count": {[]Definition{with(func(d *Definition) { d.MaxCount = -1 })}, []string{"declines", "max_count is -1"}},
		"huge count":     {[]Definition{with(func(d *Definition) { d.MaxCount = 1 << 60 })}, []string{"max_count", "1000000"}},
		"no window":      {[]Definition{with(func(d *Definition) { d.Window = 0 })}, []string{"declines", "window"}},
		"two of a name":  {[]Definition{good, good}, []string{"declines", "twice"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(context.Background(), c.defs, newMemStore(t), epoch, Options{})
			if err == nil {
				t.Fatal("New took it")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q doesn't say %q", err, want)
				}
			}
		})
	}
}

func TestNewFailsWithoutStoredState(t *testing.T) {
	st := newMemStore(t)
	st.setScript(func(int, string, string) outcome { return fails })
	if _, err := New(context.Background(), nil, st, epoch, Options{}); !errors.Is(err, errStore) {
		t.Errorf("New = %v, want the store's error: starting without the latches would free them", err)
	}
}

func TestScope(t *testing.T) {
	g := newGate(t, newMemStore(t), epoch, Options{},
		Definition{Name: "one", Action: "decline", Model: "fraud", MaxCount: 1, Window: time.Minute},
		Definition{Name: "two", Action: "decline", Consumer: "shop", MaxCount: 1, Window: time.Minute},
		Definition{Name: "three", Action: "page", MaxCount: 1, Window: time.Minute})
	for _, c := range []struct {
		action, model, consumer string
		want                    bool
	}{
		{"decline", "fraud", "bank", true},
		{"decline", "spam", "shop", true},
		{"decline", "spam", "bank", false},
		{"page", "any", "any", true},
		{"approve", "fraud", "shop", false},
		{"", "fraud", "shop", false},
	} {
		if got := g.Covers(c.action, c.model, c.consumer); got != c.want {
			t.Errorf("Covers(%q, %q, %q) = %v, want %v", c.action, c.model, c.consumer, got, c.want)
		}
	}
	for range 3 {
		v := g.Acquire(context.Background(), epoch, Answer{Action: "decline", Model: "spam", Consumer: "bank"})
		if !v.Released {
			t.Fatalf("an answer that no limit covers: %+v", v)
		}
		g.Refund(v.Permit) // of nothing: does nothing
	}
}

func TestTripWithholdsAndTells(t *testing.T) {
	st := newMemStore(t)
	var told []Trip
	var denied []string
	opts := Options{
		OnTrip:   func(trip Trip) { told = append(told, trip) },
		OnDenied: func(limit string, a Answer) { denied = append(denied, limit+"/"+a.PredictionID) },
	}
	def := declines(2, time.Minute)
	def.OnTrip = candorv1.OnTrip_ON_TRIP_REJECT
	g := newGate(t, st, epoch, opts, def)

	answer := Answer{Action: "decline", Model: "fraud", Consumer: "shop"}
	rows := []Answer{answer, answer, answer, answer}
	for i := range rows {
		rows[i].PredictionID = string(rune('a' + i))
	}
	verdicts := g.AcquireAll(context.Background(), epoch, rows)
	for i, v := range verdicts {
		if want := i < 2; v.Released != want {
			t.Errorf("row %d: released %v, want %v", i, v.Released, want)
		}
	}
	if v := verdicts[2]; v.Limit != "declines" || v.OnTrip != candorv1.OnTrip_ON_TRIP_REJECT || v.Unavailable || v.Err != nil {
		t.Errorf("verdict of the answer that tripped: %+v", v)
	}
	if len(told) != 1 || len(st.trips) != 1 || told[0] != st.trips[0] {
		t.Fatalf("told of %+v, stored %+v: want one and the same trip", told, st.trips)
	}
	want := Trip{
		ID: told[0].ID, Limit: "declines", Action: "decline", Model: "fraud", Consumer: "shop", PredictionID: "c",
		At: epoch.Truncate(time.Microsecond), Count: 2, MaxCount: 2, Window: time.Minute,
	}
	if told[0] != want || want.ID == "" {
		t.Errorf("trip %+v, want %+v", told[0], want)
	}
	if want := []string{"declines/c", "declines/d"}; !slices.Equal(denied, want) {
		t.Errorf("denied %q, want %q", denied, want)
	}
	s := statusOf(t, g, epoch, "declines")
	if !s.Tripped || !s.Durable || !s.Configured || s.Used != 2 || s.Withheld != 2 || s.Trip != want {
		t.Errorf("status %+v", s)
	}
	// The latch outlives the window.
	if v := g.Acquire(context.Background(), epoch.Add(24*time.Hour), answer); v.Released {
		t.Error("time released the latch")
	}
}

func TestWindowSlidesToTheNanosecond(t *testing.T) {
	g := newGate(t, newMemStore(t), epoch, Options{}, declines(1, time.Minute))
	a := Answer{Action: "decline"}
	if v := g.Acquire(context.Background(), epoch, a); !v.Released {
		t.Fatalf("first: %+v", v)
	}
	if v := g.Acquire(context.Background(), epoch.Add(time.Minute), a); !v.Released {
		t.Errorf("a window later: %+v", v)
	}
	if v := g.Acquire(context.Background(), epoch.Add(2*time.Minute-1), a); v.Released {
		t.Error("a nanosecond short of a window later: released")
	}
}

func TestAllLimitsGrantOrNoneIsDeducted(t *testing.T) {
	st := newMemStore(t)
	g := newGate(t, st, epoch, Options{},
		Definition{Name: "a-wide", Action: "decline", MaxCount: 10, Window: time.Minute},
		Definition{Name: "b-narrow", Action: "decline", Model: "fraud", MaxCount: 1, Window: time.Minute},
		Definition{Name: "c-dry", Action: "decline", MaxCount: 10, Window: time.Minute, DryRun: true})
	fraud := Answer{Action: "decline", Model: "fraud"}
	released := 0
	for range 5 {
		if g.Acquire(context.Background(), epoch, fraud).Released {
			released++
		}
	}
	if released != 1 {
		t.Fatalf("%d released, want 1", released)
	}
	for _, name := range []string{"a-wide", "c-dry"} {
		if s := statusOf(t, g, epoch, name); s.Used-s.Leased != 1 || s.Tripped {
			t.Errorf("%s counts %d, tripped %v; want the 1 that was released", name, s.Used-s.Leased, s.Tripped)
		}
	}
	if v := g.Acquire(context.Background(), epoch, Answer{Action: "decline", Model: "spam"}); !v.Released {
		t.Errorf("an answer outside of the tripped limit: %+v", v)
	}
}

func TestDryRunCountsTripsAndWithholdsNothing(t *testing.T) {
	st := newMemStore(t)
	var told []Trip
	def := declines(3, time.Minute)
	def.DryRun = true
	opts := Options{OnTrip: func(trip Trip) { told = append(told, trip) }}
	g := newGate(t, st, epoch, opts, def)
	for i := range 10 {
		v := g.Acquire(context.Background(), epoch, Answer{Action: "decline"})
		if !v.Released || v.Limit != "" || v.Err != nil {
			t.Fatalf("answer %d: %+v", i, v)
		}
		if over := len(v.DryRunLimits) == 1; over != (i >= 3) {
			t.Errorf("answer %d: dry-run limits %q", i, v.DryRunLimits)
		}
	}
	if len(told) != 1 || !told[0].DryRun {
		t.Errorf("told of %+v, want one dry-run trip", told)
	}
	if s := statusOf(t, g, epoch, "declines"); !s.Tripped || s.Withheld != 7 || s.Used != 3 {
		t.Errorf("status %+v", s)
	}

	// Once the limit holds, its dry-run trip is no latch; the next excess is a trip of its own.
	def.DryRun = false
	later := epoch.Add(2 * time.Minute)
	g = newGate(t, st, later, opts, def)
	for i := range 4 {
		if v := g.Acquire(context.Background(), later, Answer{Action: "decline"}); v.Released != (i < 3) {
			t.Errorf("answer %d after the dry run: %+v", i, v)
		}
	}
	if len(told) != 2 || told[1].DryRun {
		t.Errorf("told of %+v, want a second trip that isn't a dry run", told)
	}
}

func TestDryRunSurvivesItsStore(t *testing.T) {
	st := newMemStore(t)
	def := declines(2, time.Minute)
	def.DryRun = true
	failures := 0
	g := newGate(t, st, epoch, Options{OnStoreError: func(string, error) { failures++ }}, def)
	st.setScript(func(int, string, string) outcome { return fails })
	for i := range 4 {
		v := g.Acquire(context.Background(), epoch, Answer{Action: "decline"})
		if over := len(v.DryRunLimits) == 1; !v.Released || over != (i >= 2) {
			t.Errorf("answer %d: %+v", i, v)
		}
	}
	if failures != 4 {
		t.Errorf("told of %d store errors, want 4", failures)
	}
}

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

func (panicStore) Lease(context.Context, Lease, *Lease) error { panic("nil map") }

func TestRefundGivesBack(t *testing.T) {
	st := newMemStore(t)
	g := newGate(t, st, epoch, Options{},
		declines(2, time.Minute),
		Definition{Name: "all", Action: "decline", MaxCount: 2, Window: time.Hour})
	a := Answer{Action: "decline"}
	first := g.Acquire(context.Background(), epoch, a)
	g.Refund(first.Permit)
	g.Refund(first.Permit)
	released := 0
	for range 5 {
		if g.Acquire(context.Background(), epoch.Add(time.Second), a).Released {
			released++
		}
	}
	if released != 2 {
		t.Errorf("%d released after a refund, want 2", released)
	}
}

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
			for _, l := range st.states["declines"].Leases {
				if l.ID < last {
					t.Fatalf("lease id %d after %d", l.ID, last)
				}
				last = l.ID
			}
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
