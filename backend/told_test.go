package backend

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestTwoDigits(t *testing.T) {
	for d, want := range map[time.Duration]time.Duration{
		-time.Second: 1, 0: 1, 7: 7, 99: 99, 100: 100, 101: 110, 5 * time.Second: 5 * time.Second,
		499_873_211: 500 * time.Millisecond, 4_999_998_000: 5 * time.Second, 1234 * time.Millisecond: 1300 * time.Millisecond,
		time.Hour: 3600 * time.Second,
	} {
		if got := twoDigits(d); got != want {
			t.Errorf("%v becomes %v, want %v", d, got, want)
		}
	}
	for d := time.Duration(1); d < 10*time.Hour; d = d*7/3 + 1 {
		if got := twoDigits(d); got < d || float64(got) > 1.1*float64(d)+1 {
			t.Errorf("%v becomes %v", d, got)
		}
	}
}

// What is told is more than what is kept: the attempt ends by its own timer, and what is below it with it.
func TestToldEndsWithItsParent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		timed, cancel := context.WithDeadlineCause(t.Context(), time.Now().Add(4999*time.Millisecond), errTimeUp)
		defer cancel()
		ctx := tell(timed, 4999*time.Millisecond)
		if d, ok := ctx.Deadline(); !ok || time.Until(d) != 5*time.Second {
			t.Errorf("told %v", time.Until(d))
		}
		child, stop := context.WithCancel(ctx)
		defer stop()
		start := time.Now()
		<-child.Done()
		if took := time.Since(start); took != 4999*time.Millisecond || context.Cause(child) != errTimeUp {
			t.Errorf("ended after %v: %v", took, context.Cause(child))
		}
	})
}
