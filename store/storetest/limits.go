package storetest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/candor-gateway/candor/limits"
)

var limitTests = []test{
	{"leases are kept, settled and forgotten", testLeases},
	{"many who lease at once never get more than the limit", testLeaseRace},
	{"latches are told without leases", testLatches},
	{"a trip latches, once", testTrip},
	{"one trip of many is the first", testTripRace},
	{"a reset releases, once", testReset},
}

func load(t *testing.T, d Driver, limit string) limits.State {
	t.Helper()
	all, err := d.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all[limit]
}

func testLeases(t *testing.T, d Driver) {
	if d.Shared() {
		testSharedLeases(t, d)
		return
	}
	now := d.Now()
	if all, err := d.Load(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("an empty store: %v, %v", all, err)
	}
	one := limits.Lease{Limit: "a", ID: 10, Count: 5, From: now, Until: now.Add(time.Second)}
	two := limits.Lease{Limit: "a", ID: 11, Count: 3, From: now.Add(time.Second), Until: now.Add(2 * time.Second)}
	other := limits.Lease{Limit: "b", ID: 10, Count: 1, From: now, Until: now.Add(time.Second)}
	put := func(l limits.Lease, settled *limits.Lease) {
		t.Helper()
		if g, err := d.Lease(t.Context(), limits.LeaseRequest{Lease: l, Settled: settled}); err != nil || diff(l, g.Lease) != "" {
			t.Fatalf("lease %+v: granted %+v, %v", l, g.Lease, err)
		}
	}
	want := func(what, limit string, leases ...limits.Lease) {
		t.Helper()
		if diff := diff(leases, load(t, d, limit).Leases); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	forget := func(l limits.Lease, until time.Time) {
		t.Helper()
		if _, err := d.Lease(t.Context(), limits.LeaseRequest{Lease: l, Forget: until}); err != nil {
			t.Fatal(err)
		}
	}
	put(one, nil)
	put(other, nil)
	want("leased", "a", one)
	settled := one
	settled.Count, settled.Until = 2, now.Add(time.Millisecond)
	put(two, &settled)
	want("settled", "a", settled, two)
	d = d.Reopen(t)
	want("after a restart", "a", settled, two)
	want("another limit", "b", other)
	if d.Shared() {
		// It was moved into a store that many gateways share: what it held counts there, and nobody settles it.
		if g := grant(t, d, asks(1)); g.Count != 1 || g.Used != 6 || g.ID <= two.ID {
			t.Errorf("a lease after leases of 2 and 3 were moved: %+v; want the sixth permit, with an id above %d", g, two.ID)
		}
		return
	}
	unused := two
	unused.Count = 0
	put(limits.Lease{Limit: "a", ID: 12}, &unused)
	want("settled without use, by a lease of nothing", "a", settled)
	gone := limits.Lease{Limit: "a", ID: 99, Count: 1}
	three := limits.Lease{Limit: "a", ID: 13, Count: 1, From: now, Until: now.Add(time.Hour)}
	put(three, &gone)
	want("settling what isn't there", "a", settled, three)
	four := limits.Lease{Limit: "a", ID: 14, Count: 1, From: now, Until: now.Add(time.Hour)}
	forget(four, settled.Until.Add(-time.Microsecond))
	want("nothing to forget", "a", settled, three, four)
	forget(limits.Lease{Limit: "a", ID: 15}, settled.Until)
	want("forgotten", "a", three, four)
	want("the other limit's stays", "b", other)
	if _, err := d.Lease(t.Context(), limits.LeaseRequest{Lease: three}); err == nil {
		t.Error("one lease was stored twice")
	}
	refuseLeases(t, d)
	want("at last", "a", three, four)
}

// refuseLeases tries requests that no store may take.
func refuseLeases(t *testing.T, d Driver) {
	t.Helper()
	for _, bad := range []limits.LeaseRequest{
		{Lease: limits.Lease{ID: 1, Count: 1}},
		{Lease: limits.Lease{Limit: "a", ID: 20, Count: -1}},
		{Lease: limits.Lease{Limit: "a", ID: 21, Count: 1}, Settled: &limits.Lease{Limit: "a", ID: 1, Count: -1}},
		{Lease: limits.Lease{Limit: "a", ID: 22, Count: 1}, Settled: &limits.Lease{Limit: "b", ID: 1, Count: 1}},
	} {
		if _, err := d.Lease(t.Context(), bad); err == nil {
			t.Errorf("accepted %+v", bad)
		}
	}
}

func trip(d Driver, limit string) limits.Trip {
	return limits.Trip{
		ID: uuid.NewString(), Limit: limit, Action: "decline", Model: "digits", Consumer: "shop", PredictionID: uuid.NewString(),
		At: d.Now(), Count: 100, MaxCount: 100, Window: 10*time.Minute + 1,
	}
}

func testTrip(t *testing.T, d Driver) {
	first := trip(d, "a")
	if ok, err := d.Trip(t.Context(), first); err != nil || !ok {
		t.Fatalf("the first trip: %t, %v", ok, err)
	}
	for range 2 {
		if ok, err := d.Trip(t.Context(), trip(d, "a")); err != nil || ok {
			t.Errorf("a second trip: %t, %v; want false", ok, err)
		}
		if ok, err := d.Trip(t.Context(), first); err != nil || ok {
			t.Errorf("the same trip again: %t, %v; want false", ok, err)
		}
		st := load(t, d, "a")
		if !st.Tripped || diff(first, st.Trip) != "" {
			t.Errorf("stored: tripped %t (-want +got):\n%s", st.Tripped, diff(first, st.Trip))
		}
		alerts, err := d.OpenAlerts(t.Context())
		if err != nil || diff([]limits.Alert{{Trip: first, Latched: true}}, alerts) != "" {
			t.Errorf("alerts: %v, %v; want the first trip", alerts, err)
		}
		d = d.Reopen(t)
	}
	dry := trip(d, "b")
	dry.DryRun, dry.PredictionID = true, ""
	if ok, err := d.Trip(t.Context(), dry); err != nil || !ok {
		t.Errorf("a dry run: %t, %v", ok, err)
	}
	if st := load(t, d, "b"); !st.Tripped || !st.Trip.DryRun {
		t.Errorf("a dry run is stored as %+v", st)
	}
	for _, bad := range []limits.Trip{{ID: "x"}, {Limit: "x"}} {
		if _, err := d.Trip(t.Context(), bad); err == nil {
			t.Errorf("accepted %+v", bad)
		}
	}
}

func testTripRace(t *testing.T, d Driver) {
	var firsts atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			ok, err := d.Trip(t.Context(), trip(d, "a"))
			if err != nil {
				t.Errorf("trip: %v", err)
			}
			if ok {
				firsts.Add(1)
			}
		})
	}
	wg.Wait()
	alerts, err := d.OpenAlerts(t.Context())
	if err != nil || len(alerts) != 1 || firsts.Load() != 1 {
		t.Errorf("%d first trips, %d alerts (%v); want 1 and 1", firsts.Load(), len(alerts), err)
	}
}

func testReset(t *testing.T, d Driver) {
	reset := limits.Reset{Limit: "a", By: "olga", Reason: "checked with the desk", RequestID: "r1", At: d.Now()}
	wantError(t, "a reset of nothing", d.Reset(t.Context(), reset), limits.ErrNotTripped)
	first := trip(d, "a")
	if _, err := d.Trip(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*limits.Reset){
		"no limit":   func(r *limits.Reset) { r.Limit = "" },
		"nobody":     func(r *limits.Reset) { r.By = "" },
		"no reason":  func(r *limits.Reset) { r.Reason = "" },
		"no request": func(r *limits.Reset) { r.RequestID = "" },
	} {
		r := reset
		if spoil(&r); d.Reset(t.Context(), r) == nil {
			t.Errorf("a reset with %s was accepted", name)
		}
	}
	if st := load(t, d, "a"); !st.Tripped {
		t.Fatal("a refused reset released the latch")
	}
	for range 2 {
		if err := d.Reset(t.Context(), reset); err != nil {
			t.Fatal(err)
		}
	}
	released := reset
	released.TripID = first.ID
	if st := load(t, d, "a"); st.Tripped || diff(released, st.LastReset) != "" {
		t.Errorf("after the reset: tripped %t, last %+v", st.Tripped, st.LastReset)
	}
	if ok, err := d.Trip(t.Context(), first); err != nil || ok || load(t, d, "a").Tripped {
		t.Errorf("a late copy of the trip that was reset: %t, %v; it must not latch again", ok, err)
	}
	second := trip(d, "a")
	if ok, err := d.Trip(t.Context(), second); err != nil || !ok {
		t.Fatalf("a trip after the reset: %t, %v", ok, err)
	}
	d = d.Reopen(t)
	if err := d.Reset(t.Context(), reset); err != nil {
		t.Errorf("the first reset, replayed: %v", err)
	}
	if st := load(t, d, "a"); !st.Tripped || st.Trip.ID != second.ID {
		t.Error("a replayed reset released a later trip")
	}
	wantError(t, "another limit's reset", d.Reset(t.Context(), limits.Reset{Limit: "b", By: "olga", Reason: "why", RequestID: "r1", At: d.Now()}),
		limits.ErrNotTripped)
	next := limits.Reset{Limit: "a", By: "omar", Reason: "checked again", RequestID: "r2", At: d.Now()}
	if err := d.Reset(t.Context(), next); err != nil || load(t, d, "a").LastReset.By != "omar" {
		t.Errorf("the second reset: %v, last by %q", err, load(t, d, "a").LastReset.By)
	}
}
