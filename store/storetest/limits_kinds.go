package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/candor-gateway/candor/limits"
)

var limitKindTests = []test{
	{"units of a sum are leased, settled and given back", testSumLeases},
	{"the amount that didn't fit is kept", testTripAmount},
	{"keys are limits of their own", testKeyedLeases},
	{"many keys are kept, and followed without their leases", testManyKeys},
	{"a key that is retired leaves nothing", testRetire},
	{"what a limit counts stays", testCounts},
	{"of two who say it counts something else one is first", testCountsRace},
}

// cents asks for units of a limit of 1e15 in an hour.
func cents(d Driver, limit string, id, need, count int64) limits.LeaseRequest {
	now := d.Now()
	return limits.LeaseRequest{
		Lease: limits.Lease{Limit: limit, ID: id, Count: count, From: now, Until: now.Add(time.Second)}, Need: need,
		Max: 1_000_000_000_000_000, Window: time.Hour,
	}
}

func testSumLeases(t *testing.T, d Driver) {
	const most = 1_000_000_000_000_000
	one := grant(t, d, cents(d, "spend", 1, 3*most/4, 3*most/4))
	if one.Count != 3*most/4 {
		t.Fatalf("granted %+v", one)
	}
	used := one.Lease
	used.Count = most/4 + 1
	two := cents(d, "spend", 2, most/2, most/2)
	two.Settled = &used
	if g := grant(t, d, two); g.Count != most/2 || d.Shared() && g.Used != 3*most/4+1 {
		t.Errorf("half of the sum beside a quarter and a cent: %+v", g)
	}
	d = d.Reopen(t)
	var sum int64
	for _, l := range load(t, d, "spend").Leases {
		sum += l.Count
	}
	if sum != 3*most/4+1 {
		t.Errorf("%d are stored, want three quarters and a cent", sum)
	}
	if !d.Shared() {
		return // its gateway decides what fits
	}
	// The window has a quarter less one; half of it may come back.
	if g := grant(t, d, cents(d, "spend", 3, most/4, most/4)); g.Count != 0 || g.Used != 3*most/4+1 {
		t.Errorf("a cent more than is left: %+v; want nothing", g)
	}
	if g := grant(t, d, cents(d, "spend", 4, most+1, most+1)); g.Count != 0 || g.Pending != 0 {
		t.Errorf("more than the limit: %+v; want nothing, and nothing to wait for", g)
	}
	if g := grant(t, d, cents(d, "spend", 5, most/4-1, most)); g.Count != most/4-1 || g.Used != most {
		t.Errorf("all that is left: %+v", g)
	}
}

func testTripAmount(t *testing.T, d Driver) {
	tr := trip(d, limits.KeyName("spend", "a b"))
	tr.Amount, tr.Count, tr.MaxCount = 123_456_789_012_345, 999_999_999_999_999, 1_000_000_000_000_000
	tr.Unit, tr.Denominator = "EUR cents", 999_999_999_998
	if _, err := d.Trip(t.Context(), tr); err != nil {
		t.Fatal(err)
	}
	d = d.Reopen(t)
	if st := latched(t, d, tr.Limit); diff(tr, st.Trip) != "" {
		t.Errorf("the trip (-want +got):\n%s", diff(tr, st.Trip))
	}
	events, err := d.LimitEvents(t.Context(), tr.Limit, 0, 1)
	if err != nil || len(events) != 1 || events[0].Amount != tr.Amount || events[0].Unit != tr.Unit || events[0].Denominator != tr.Denominator {
		t.Errorf("history %+v, %v; want the amount, its unit and the denominator", events, err)
	}
	alerts, err := d.OpenAlerts(t.Context())
	if err != nil || len(alerts) != 1 || alerts[0].Trip.Amount != tr.Amount || diff(tr, alerts[0].Trip) != "" {
		t.Errorf("alerts %+v, %v; want the trip", alerts, err)
	}
}

func testKeyedLeases(t *testing.T, d Driver) {
	names := []string{"spend", limits.KeyName("spend", "a"), limits.KeyName("spend", "a/b"), limits.KeyName("spend", ""), limits.OtherKeys("spend")}
	for i, name := range names {
		if g := grant(t, d, cents(d, name, int64(100+i), int64(10+i), int64(10+i))); g.Count != int64(10+i) || d.Shared() && g.Used != g.Count {
			t.Errorf("%s: granted %+v", name, g)
		}
		tr := trip(d, name)
		if first, err := d.Trip(t.Context(), tr); err != nil || !first {
			t.Errorf("%s: a trip: %t, %v", name, first, err)
		}
	}
	d = d.Reopen(t)
	all, err := d.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		if st := all[name]; len(st.Leases) != 1 || st.Leases[0].Count != int64(10+i) || !st.Tripped || st.Trip.Limit != name {
			t.Errorf("%s: stored %+v", name, st)
		}
	}
	r := limits.Reset{Limit: names[1], By: "olga", Reason: "why", RequestID: "r", At: d.Now()}
	if err := d.Reset(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	states, err := d.Latched(t.Context())
	if err != nil || states[names[1]].Tripped || states[names[1]].LastReset.By != "olga" || !states[names[0]].Tripped || !states[names[2]].Tripped {
		t.Errorf("after the reset of one key: %+v, %v", states, err)
	}
}

func testManyKeys(t *testing.T, d Driver) {
	const callers, each = 8, 50
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range each {
				name := limits.KeyName("spend", fmt.Sprint(c, "-", i))
				if _, err := d.Lease(t.Context(), cents(d, name, 1, 5, 5)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
	wg.Wait()
	hot := limits.KeyName("spend", "0-7")
	if _, err := d.Trip(t.Context(), trip(d, hot)); err != nil {
		t.Fatal(err)
	}
	states, err := d.Latched(t.Context())
	if err != nil || len(states) != 1 || !states[hot].Tripped {
		t.Errorf("%d states are told to who follows (%v), want the one that is latched", len(states), err)
	}
	d = d.Reopen(t)
	all, err := d.Load(t.Context())
	if err != nil || len(all) != callers*each {
		t.Errorf("%d keys are stored (%v), want %d", len(all), err, callers*each)
	}
}

func testRetire(t *testing.T, d Driver) {
	name := limits.KeyName("spend", "a")
	one := grant(t, d, cents(d, name, 1, 5, 5))
	counts := cents(d, name, 2, 0, 0)
	counts.Until, counts.Retire = counts.From, true
	grant(t, d, counts)
	if st := load(t, d, name); len(st.Leases) != 1 {
		t.Fatalf("a key that counts was retired: %+v", st)
	}
	unused := one.Lease
	unused.Count = 0
	counts.ID, counts.Settled = 3, &unused
	for range 2 { // the answer may have been lost
		grant(t, d, counts)
		if all, err := d.Load(t.Context()); err != nil || len(all) != 0 {
			t.Errorf("a retired key left %+v, %v", all, err)
		}
	}
	again := grant(t, d, cents(d, name, one.ID+1, 5, 5))
	if again.Count != 5 || again.ID <= one.ID {
		t.Errorf("the key again: %+v after %+v", again, one)
	}
	if d.Shared() && again.Seen.Born.Equal(one.Seen.Born) {
		t.Error("the key's account is taken for the one before")
	}
}
