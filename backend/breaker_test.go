package backend

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

const (
	closed   = candorv1.BreakerState_BREAKER_STATE_CLOSED
	halfOpen = candorv1.BreakerState_BREAKER_STATE_HALF_OPEN
	open     = candorv1.BreakerState_BREAKER_STATE_OPEN
)

// testBreaker opens at half of at least 4 calls within 30 s, and waits 5 s. It runs in a synctest bubble.
func testBreaker(probes uint32, onChange func(from, to candorv1.BreakerState)) *breaker {
	return newBreaker("b", breakerSettings{
		failureRatio: 0.5, minCalls: 4, window: 30 * time.Second, openFor: 5 * time.Second, probes: probes,
	}, time.Second, onChange)
}

// calls reports the same outcome n times; it fails when the breaker refuses.
func calls(t *testing.T, b *breaker, n int, o outcome) {
	t.Helper()
	for i := range n {
		p := b.allow(time.Second)
		if p == nil {
			t.Fatalf("call %d of %d was refused; the breaker is %v", i, n, b.state())
		}
		p.report(o)
	}
}

func wantState(t *testing.T, b *breaker, want candorv1.BreakerState) {
	t.Helper()
	if got := b.state(); got != want {
		t.Fatalf("the breaker is %v, want %v", got, want)
	}
}

func TestBreakerOpensAtItsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := testBreaker(1, nil)
		calls(t, b, 3, failed)
		wantState(t, b, closed) // fewer than min_calls
		calls(t, b, 1, failed)
		wantState(t, b, open)
		if b.allow(time.Second) != nil {
			t.Error("an open breaker let a call through")
		}

		b = testBreaker(1, nil)
		calls(t, b, 6, succeeded)
		calls(t, b, 5, failed)
		wantState(t, b, closed)
		calls(t, b, 1, failed)
		wantState(t, b, open)
	})
}

// A model server that dies while it is busy: thousands of successes in the window don't keep its breaker closed. Anything that comes
// back in between does.
func TestBreakerOpensAfterFailuresInARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := testBreaker(1, nil)
		calls(t, b, 1000, succeeded)
		for _, between := range []outcome{succeeded, alive} {
			calls(t, b, 7, failed)
			calls(t, b, 1, between)
		}
		calls(t, b, 7, failed)
		calls(t, b, 5, ignored)
		wantState(t, b, closed)
		calls(t, b, 1, failed)
		wantState(t, b, open)
		time.Sleep(5*time.Second + 1)
		calls(t, b, 1, succeeded)
		wantState(t, b, closed)
		calls(t, b, 1, failed)
		wantState(t, b, closed)
	})
}

func TestBreakerCountsEndedCallsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := testBreaker(1, nil)
		var waiting []*permit
		for range 20 {
			waiting = append(waiting, b.allow(time.Second))
		}
		calls(t, b, 4, failed) // 4 of 4 that ended, 4 of 24 that began
		wantState(t, b, open)
		for _, p := range waiting {
			p.report(succeeded)
		}
		wantState(t, b, open)
	})
}

func TestBreakerForgetsSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := testBreaker(1, nil)
		calls(t, b, 3, failed)
		time.Sleep(20 * time.Second)
		calls(t, b, 1, failed) // within the window
		wantState(t, b, open)

		b = testBreaker(1, nil)
		calls(t, b, 3, failed)
		time.Sleep(31 * time.Second)
		calls(t, b, 1, failed) // the first three are gone
		wantState(t, b, closed)
	})
}

func TestBreakerHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []change
		b := testBreaker(2, func(from, to candorv1.BreakerState) { seen = append(seen, change{from, to}) })
		calls(t, b, 4, failed)
		time.Sleep(5*time.Second + 1)
		wantState(t, b, halfOpen)
		calls(t, b, 1, failed)
		wantState(t, b, open)
		time.Sleep(5*time.Second + 1)
		calls(t, b, 1, succeeded)
		wantState(t, b, halfOpen)
		calls(t, b, 1, succeeded)
		wantState(t, b, closed)
		want := []change{{closed, open}, {open, halfOpen}, {halfOpen, open}, {open, halfOpen}, {halfOpen, closed}}
		if d := cmp.Diff(want, seen, cmp.AllowUnexported(change{})); d != "" {
			t.Error(d)
		}
		if b.opened.Load() != 1 || b.closed.Load() != 1 {
			t.Errorf("opened %d, closed %d; one outage is one of each", b.opened.Load(), b.closed.Load())
		}
	})
}

// Who is refused learns when the breaker lets calls through again; where that is now, and only its probes are taken, a little later.
func TestBreakerTellsWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := testBreaker(1, nil)
		calls(t, b, 4, failed)
		for _, want := range []time.Duration{5 * time.Second, 3 * time.Second, time.Second, retrySoonest} {
			if got := b.left(); got != want {
				t.Errorf("%v are left, want %v", got, want)
			}
			time.Sleep(2 * time.Second)
		}
		probe := b.allow(time.Second)
		if got := b.left(); probe == nil || got != retrySoonest {
			t.Errorf("%v are left beside a probe (%v), want %v", got, probe, retrySoonest)
		}
		probe.report(failed)
		if got := b.left(); got != 5*time.Second {
			t.Errorf("%v are left after a probe that failed", got)
		}
	})
}

func TestBreakerAliveAndIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := testBreaker(1, nil)
		calls(t, b, 1000, ignored)
		calls(t, b, 1000, alive)
		wantState(t, b, closed)
		calls(t, b, 4, failed) // not outvoted by what was alive
		wantState(t, b, open)

		time.Sleep(5*time.Second + 1)
		calls(t, b, 10, ignored) // each gives the probe's place back
		wantState(t, b, halfOpen)
		calls(t, b, 1, alive)
		wantState(t, b, closed)
	})
}

func TestBreakerWatchdogFreesAWedgedProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := testBreaker(1, nil)
		calls(t, b, 4, failed)
		time.Sleep(5*time.Second + 1)
		wedged := b.allow(time.Second)
		if wedged == nil || b.allow(time.Second) != nil {
			t.Fatal("half-open lets exactly one probe through")
		}
		time.Sleep(2*time.Second + 1) // its second, and as much grace
		wantState(t, b, open)
		time.Sleep(5*time.Second + 1)
		calls(t, b, 1, succeeded)
		wantState(t, b, closed)
		wedged.report(failed) // too late, and told already
		wantState(t, b, closed)
		if n := b.cb.Counts().TotalFailures; n != 0 {
			t.Errorf("the wedged probe was counted again: %d failures", n)
		}
	})
}

func TestBreakerWatchdogSparesAnAnsweredCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := testBreaker(1, nil)
		calls(t, b, 4, failed)
		time.Sleep(5*time.Second + 1)
		p := b.allow(time.Second)
		p.answered.Store(true)
		time.Sleep(time.Minute)
		wantState(t, b, halfOpen)
		calls(t, b, 1, succeeded)
		wantState(t, b, closed)
	})
}

func TestBreakerReportsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := testBreaker(1, nil)
		p := b.allow(time.Second)
		for range 10 {
			p.report(failed)
		}
		if n := b.cb.Counts().TotalFailures; n != 1 {
			t.Errorf("%d failures of one call", n)
		}
	})
}
