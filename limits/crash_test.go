package limits

import (
	"context"
	"testing"
	"time"
)

// TestCrashAtEveryStoreCall runs the same traffic again and again. At each call to the store in turn the process dies, with
// the call's effect or without, or lives on without knowing; a new one goes on over the same store. No window is ever
// exceeded, and a latch that anybody was told of is there.
func TestCrashAtEveryStoreCall(t *testing.T) {
	const steps = 60
	def := declines(12, 3*time.Second)
	opts := Options{MaxLease: 4, LeaseFor: 400 * time.Millisecond}
	play := func(t *testing.T, at int, result outcome, dies bool) (calls int) {
		st := newMemStore(t)
		now := epoch
		g := newGate(t, st, now, opts, def)
		st.calls = 0
		hit, inDoubt := false, false
		st.setScript(func(n int, _, _ string) outcome {
			if n == at {
				hit = true
				return result
			}
			return works
		})
		var released []int64
		for range steps {
			now = now.Add(90 * time.Millisecond)
			v := g.Acquire(context.Background(), now, Answer{Action: "decline"})
			if hit && dies {
				// Nothing that this process decided has left, and nothing more will.
				hit, inDoubt = false, false
				g = newGate(t, st, now, opts, def)
				continue
			}
			if v.Released {
				released = append(released, v.Permit.p.at)
			} else if !v.Unavailable {
				if v.Err == nil && !inDoubt && !st.states[def.Name].Tripped {
					t.Errorf("call %d, outcome %d: withheld by a latch that isn't stored", at, result)
				}
				// After the scripted failure the latch stays until the next try.
				inDoubt = g.Reset(context.Background(), resetBy(now.String(), now)) != nil
			}
		}
		if end, n, bad := excess(released, def.Window, def.MaxCount); bad {
			t.Errorf("call %d, outcome %d, dies %v: the window that ends at %v holds %d of at most %d", at, result, dies,
				time.Unix(0, end).UTC(), n, def.MaxCount)
		}
		if len(released) < int(def.MaxCount) {
			t.Errorf("call %d, outcome %d, dies %v: only %d released", at, result, dies, len(released))
		}
		return st.callCount()
	}
	calls := play(t, -1, works, false)
	if calls < 20 {
		t.Fatalf("the traffic makes only %d calls to the store", calls)
	}
	for at := 1; at <= calls; at++ {
		for _, result := range []outcome{works, fails, lost} {
			play(t, at, result, true)
			if result != works {
				play(t, at, result, false)
			}
		}
	}
}

// TestUnsettledLeaseCountsWholeAtItsEnd: what a crash leaves in doubt counts as used, at the last moment at which it may
// have been.
func TestUnsettledLeaseCountsWholeAtItsEnd(t *testing.T) {
	st := newMemStore(t)
	def := declines(16, 10*time.Second)
	g := newGate(t, st, epoch, Options{}, def) // leases of 2 permits for 1s
	g.Acquire(context.Background(), epoch, Answer{Action: "decline"})
	g.Acquire(context.Background(), epoch.Add(900*time.Millisecond), Answer{Action: "decline"})

	restart := epoch.Add(950 * time.Millisecond)
	g = newGate(t, st, restart, Options{}, def)
	for _, c := range []struct {
		after time.Duration
		want  int64
	}{
		{950 * time.Millisecond, 2},
		{10*time.Second + 950*time.Millisecond, 2}, // the second permit was used at 900ms, and could have been at 1s
		{11*time.Second + time.Microsecond, 0},
	} {
		if s := statusOf(t, g, epoch.Add(c.after), "declines"); s.Used != c.want {
			t.Errorf("after %v: %d used, want %d", c.after, s.Used, c.want)
		}
	}
}

// TestClockThatStartsBehind: a restart with a clock behind what the store proves counts from there.
func TestClockThatStartsBehind(t *testing.T) {
	st := newMemStore(t)
	def := declines(8, time.Minute)
	g := newGate(t, st, epoch, Options{LeaseFor: time.Millisecond}, def)
	var released []int64
	for i := range 4 {
		v := g.Acquire(context.Background(), epoch.Add(time.Duration(i)*time.Second), Answer{Action: "decline"})
		released = append(released, v.Permit.p.at)
	}
	behind := epoch.Add(-5 * time.Minute)
	g = newGate(t, st, behind, Options{}, def)
	for i := range 4 {
		v := g.Acquire(context.Background(), behind.Add(time.Duration(i)*time.Second), Answer{Action: "decline"})
		if v.Released {
			released = append(released, v.Permit.p.at)
		}
	}
	if len(released) != 8 {
		t.Errorf("%d released, want 8", len(released))
	}
	wantNoExcess(t, released, def.Window, def.MaxCount)
	// Set right again, it frees nothing of what was released meanwhile.
	if v := g.Acquire(context.Background(), epoch.Add(10*time.Second), Answer{Action: "decline"}); v.Released {
		t.Error("released a ninth within a minute because the clock had stepped back and forth")
	}
}
