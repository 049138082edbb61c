package limits

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func follows(t *testing.T, all []*Gate) {
	t.Helper()
	for _, g := range all {
		if err := g.Follow(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRatioOfManyGates: approvals at two gates, declines at a third, which learns of them by what the store was told, once.
func TestRatioOfManyGates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newSharedStore(t)
		all := gates(t, st, 3, Options{}, declinesOf(250_000, 4, time.Minute, "decline", "approve"))
		approve := func(n int) {
			for i := range n {
				if v := meets(all[i%2], time.Now(), "approve"); !v.Released {
					t.Fatalf("%+v", v)
				}
				time.Sleep(time.Millisecond)
			}
		}
		report := func() (err error) {
			time.Sleep(reportEvery)
			for _, g := range all {
				if e := g.Settle(context.Background(), time.Now()); e != nil {
					err = e
				}
			}
			return err
		}
		approve(30)
		if v := meets(all[2], time.Now(), "decline"); !v.Released {
			t.Errorf("the first of a minimum of one: %+v", v)
		}
		st.setScript(func(int, string, string) outcome { return lost })
		if report() == nil {
			t.Error("the store failed, and Settle didn't")
		}
		st.setScript(nil)
		for range 2 {
			if err := report(); err != nil {
				t.Fatal(err)
			}
		}
		declined := 1
		for {
			v := meets(all[2], time.Now(), "decline")
			if v.Unavailable {
				t.Fatalf("%+v", v)
			}
			if !v.Released {
				break
			}
			declined++
		}
		if declined != 10 {
			t.Errorf("%d declines beside 30 approvals, want 10", declined)
		}
		if s := statusOf(t, all[2], time.Now(), "declines"); s.Trip.Count != 10 || s.Trip.MaxCount != 10 || s.Denominator != 40 || s.Bound != 10 {
			t.Errorf("the trip: %+v", s)
		}
		follows(t, all)
		if s := statusOf(t, all[0], time.Now(), "declines"); !s.Tripped {
			t.Errorf("elsewhere: %+v", s)
		}
		approve(2) // a latched ratio goes on counting
		// What is taken back is taken back where it was told.
		permits := []Permit{meets(all[0], time.Now(), "approve").Permit, meets(all[0], time.Now(), "approve").Permit}
		if err := report(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			all[0].Refund(permits[0])
		}
		if err := report(); err != nil {
			t.Fatal(err)
		}
		if others, _ := st.accounts["declines"].Tallied(time.Time{}); others != 33 {
			t.Errorf("the store has %d approvals, want 33", others)
		}
		// A minute later none of it counts.
		time.Sleep(2 * time.Minute)
		if err := all[1].Reset(context.Background(), resetBy("r", time.Now())); err != nil {
			t.Fatal(err)
		}
		follows(t, all)
		if meets(all[0], time.Now(), "decline"); !statusOf(t, all[0], time.Now(), "declines").Trip.At.IsZero() {
			t.Error("one of a minimum of one tripped")
		}
		if v := meets(all[0], time.Now(), "decline"); v.Released {
			t.Error("approvals of two minutes ago count")
		}
	})
}

// TestRatioLeaseEndsWithItsDenominator: a lease is granted for what is in the window at its end, so none of its permits is used when that
// has left.
func TestRatioLeaseEndsWithItsDenominator(t *testing.T) {
	for after, want := range map[time.Duration]int64{
		5900 * time.Millisecond: 100, // a lease of 4 s is over before the approvals leave
		6100 * time.Millisecond: 1,   // it isn't, so the minimum is what counts
	} {
		synctest.Test(t, func(t *testing.T) {
			st := newSharedStore(t)
			g := newGate(t, st, time.Now(), Options{LeaseFor: 4 * time.Second}, declinesOf(500_000, 2, 10*time.Second, "decline", "approve"))
			for range 100 {
				meets(g, time.Now(), "approve")
			}
			time.Sleep(after)
			if v := meets(g, time.Now(), "decline"); !v.Released {
				t.Fatalf("%+v", v)
			}
			if s := statusOf(t, g, time.Now(), "declines"); s.Bound != want {
				t.Errorf("after %v at most %d, want %d", after, s.Bound, want)
			}
			time.Sleep(10*time.Second - after)
			if v := meets(g, time.Now(), "decline"); v.Released || v.Unavailable {
				t.Errorf("when the approvals have left: %+v, want a trip", v)
			}
		})
	}
}

// TestRatioProbationIsShared: after a reset all gates together release half the share.
func TestRatioProbationIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newSharedStore(t)
		def := declinesOf(500_000, 2, time.Minute, "approve")
		def.After = Aftermath{SharePPM: 500_000, For: time.Hour}
		all := gates(t, st, 3, Options{}, def)
		declines := func() (n int) {
			for i := range 60 {
				meets(all[i%3], time.Now(), "approve")
			}
			time.Sleep(2 * reportEvery)
			for range 2 {
				for _, g := range all {
					if err := g.Settle(context.Background(), time.Now()); err != nil {
						t.Fatal(err)
					}
				}
			}
			for i := range 60 {
				if meets(all[i%3], time.Now(), "decline").Released {
					n++
				}
				for _, g := range all {
					_ = g.Settle(context.Background(), time.Now())
				}
			}
			return n
		}
		if n := declines(); n != 30 {
			t.Errorf("%d declines beside 60 approvals, want 30", n)
		}
		time.Sleep(2 * time.Minute)
		follows(t, all)
		if err := all[0].Reset(context.Background(), resetBy("r", time.Now())); err != nil {
			t.Fatal(err)
		}
		follows(t, all)
		if n := declines(); n != 15 {
			t.Errorf("%d declines beside 60 approvals in probation, want 15", n)
		}
	})
}
