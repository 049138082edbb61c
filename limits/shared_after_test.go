package limits

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestProbationIsShared: after a reset at one gateway, which the others follow, all of them together release the share, and no more.
func TestProbationIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newSharedStore(t)
		def := declines(100, time.Minute)
		def.After = Aftermath{SharePPM: 500_000, For: time.Hour}
		all := gates(t, st, 3, Options{}, def)
		release := func() (n int) {
			for i := range 300 {
				if ask(all[i%len(all)]).Released {
					n++
				}
				for _, g := range all {
					if err := g.Settle(context.Background(), time.Now()); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Millisecond)
			}
			return n
		}
		follow := func() {
			for _, g := range all {
				if err := g.Follow(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
		}
		if n := release(); n != 100 {
			t.Fatalf("%d released, want 100", n)
		}
		follow()
		if err := all[0].Reset(context.Background(), resetBy("r1", time.Now())); err != nil {
			t.Fatal(err)
		}
		follow()
		if n := release(); n != 0 {
			t.Errorf("%d released in a window that holds more than the share", n)
		}
		time.Sleep(2 * time.Minute)
		follow()
		if err := all[1].Reset(context.Background(), resetBy("r2", time.Now())); err != nil {
			t.Fatal(err)
		}
		follow()
		if n := release(); n != 50 {
			t.Errorf("%d released in probation, want 50", n)
		}
		if s := statusOf(t, all[2], time.Now(), "declines"); !s.Tripped || s.Bound != 50 || s.Trip.MaxCount != 50 {
			t.Errorf("the trip in probation: %+v", s)
		}
	})
}
