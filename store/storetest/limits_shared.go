package storetest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/candor-gateway/candor/limits"
)

// asks is a request for permits of a limit of 16 in an hour, for a second.
func asks(count int64) limits.LeaseRequest {
	from := time.Unix(1, 0).UTC()
	return limits.LeaseRequest{
		Lease: limits.Lease{Limit: "a", Count: count, From: from, Until: from.Add(time.Second)}, Need: 1, Max: 16, Window: time.Hour,
	}
}

func grant(t *testing.T, d Driver, r limits.LeaseRequest) limits.Grant {
	t.Helper()
	g, err := d.Lease(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// testSharedLeases: the store decides, by its own clock.
func testSharedLeases(t *testing.T, d Driver) {
	if all, err := d.Load(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("an empty store: %v, %v", all, err)
	}
	one := grant(t, d, asks(64))
	if one.Count != 2 || one.Used != 2 || one.Pending != 0 || one.Until.Sub(one.From) != time.Second || !one.From.Equal(one.Seen.Now) {
		t.Errorf("the first lease of a limit of 16: %+v; want an eighth, for the second that was asked for, from now", one)
	}
	exact := asks(3)
	exact.Need = 3
	two := grant(t, d, exact)
	if two.Count != 3 || two.Used != 5 || two.ID <= one.ID || two.Seen.Now.Before(one.Seen.Now) {
		t.Errorf("3 that are needed: %+v after %+v", two, one)
	}
	if diff := diff([]limits.Lease{one.Lease, two.Lease}, load(t, d, "a").Leases); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}

	used := one.Lease
	used.Count, used.Until = 1, one.From.Add(time.Millisecond)
	settling := asks(0)
	settling.Settled = &used
	for range 2 { // the answer may have been lost
		if g := grant(t, d, settling); g.Count != 0 || g.Used != 4 {
			t.Errorf("a settlement: %+v, want 4 used", g)
		}
	}
	d = d.Reopen(t)
	if diff := diff([]limits.Lease{used, two.Lease}, load(t, d, "a").Leases); diff != "" {
		t.Errorf("settled, after a restart (-want +got):\n%s", diff)
	}
	gone := limits.Lease{Limit: "a", ID: 99, Count: 7}
	unknown := asks(0)
	unknown.Settled = &gone
	if g := grant(t, d, unknown); g.Used != 4 {
		t.Errorf("settling what isn't there: %+v", g)
	}

	rest := asks(12)
	rest.Need = 12
	three := grant(t, d, rest)
	if three.Count != 12 || three.Used != 16 {
		t.Errorf("all that is left: %+v", three)
	}
	full := grant(t, d, asks(1))
	if full.Count != 0 || full.Used != 16 || full.Pending < 12 || full.Retry <= 0 || full.Retry > 2*time.Second {
		t.Errorf("a full window: %+v, want 12 or 15 of 16 that may come back within two seconds", full)
	}
	all := three.Lease
	settling.Settled = &all
	grant(t, d, settling)
	none := two.Lease
	none.Count = 0
	settling.Settled = &none
	if g := grant(t, d, settling); g.Used != 13 {
		t.Errorf("3 given back: %+v, want 13 used", g)
	}

	narrow := asks(1)
	narrow.Window = time.Microsecond
	for {
		// Whoever asks about a shorter window than others counts less, and takes nothing from them.
		if g := grant(t, d, narrow); g.Used <= 13 && g.Count == 1 {
			break
		}
	}
	if g := grant(t, d, asks(0)); g.Used < 14 {
		t.Errorf("the longer window after that: %+v, want all that was leased", g)
	}
	if st := load(t, d, "a"); st.Used < 14 {
		t.Errorf("%d used are told, want what was leased", st.Used)
	}
	refuseLeases(t, d)
}

// testLeaseRace: of many who lease at once together no more than the limit is granted, and then nothing.
func testLeaseRace(t *testing.T, d Driver) {
	if !d.Shared() {
		return // its one gateway decides
	}
	var granted atomic.Int64
	ids := sync.Map{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				g, err := d.Lease(t.Context(), asks(64))
				if err != nil {
					t.Errorf("lease: %v", err)
					return
				}
				if g.Count == 0 {
					return
				}
				if _, twice := ids.LoadOrStore(g.ID, true); twice {
					t.Errorf("two leases have the id %d", g.ID)
				}
				granted.Add(g.Count)
			}
		})
	}
	wg.Wait()
	if granted.Load() != 16 {
		t.Errorf("%d granted, the limit is 16", granted.Load())
	}
}

// testLatches: what is asked every second has latches and resets, and no leases; a latch stops a shared store's leases.
func testLatches(t *testing.T, d Driver) {
	r := asks(1)
	r.ID = 1
	grant(t, d, r)
	tr := trip(d, "a")
	dry := trip(d, "b")
	dry.DryRun = true
	for _, one := range []limits.Trip{tr, dry} {
		if _, err := d.Trip(t.Context(), one); err != nil {
			t.Fatal(err)
		}
	}
	states, err := d.Latched(t.Context())
	if err != nil || !states["a"].Tripped || diff(tr, states["a"].Trip) != "" || len(states["a"].Leases) != 0 || !states["b"].Tripped {
		t.Errorf("latches %+v, %v", states, err)
	}
	if !d.Shared() {
		return
	}
	if states["a"].Used != 1 {
		t.Errorf("%d used are told, want 1", states["a"].Used)
	}
	if g := grant(t, d, asks(1)); g.Count != 0 || !g.Tripped || diff(tr, g.Trip) != "" || g.Used != 1 {
		t.Errorf("a lease of a limit that has tripped: %+v; want none, and the trip", g)
	}
	b := asks(1)
	b.Limit = "b"
	if g := grant(t, d, b); g.Count != 1 || g.Tripped {
		t.Errorf("a lease of a limit whose dry run has tripped: %+v; want one", g)
	}
	if err := d.Reset(t.Context(), limits.Reset{Limit: "a", By: "olga", Reason: "why", RequestID: "r", At: d.Now()}); err != nil {
		t.Fatal(err)
	}
	if states, err := d.Latched(t.Context()); err != nil || states["a"].Tripped || states["a"].LastReset.By != "olga" {
		t.Errorf("latches after the reset: %+v, %v", states["a"], err)
	}
	if g := grant(t, d, asks(1)); g.Count != 1 || g.Tripped {
		t.Errorf("a lease after the reset: %+v", g)
	}
}
