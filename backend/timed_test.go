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
func TestTimedEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x timed
		x.begin(t.Context(), time.Now(), 4999*time.Millisecond, errTimeUp)
		defer x.stop()
		if d, ok := x.Deadline(); !ok || time.Until(d) != 5*time.Second {
			t.Errorf("told %v", time.Until(d))
		}
		child, stop := context.WithCancel(&x)
		defer stop()
		start := time.Now()
		<-child.Done()
		if took := time.Since(start); took != 4999*time.Millisecond || child.Err() != context.DeadlineExceeded || x.ender() != errTimeUp {
			t.Errorf("ended after %v: %v, %v", took, child.Err(), x.ender())
		}
		if x.Err() != context.DeadlineExceeded {
			t.Errorf("its error is %v", x.Err())
		}
	})
}

// What has gone of an attempt's time when its context begins is not given twice.
func TestTimedBeginsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x timed
		start := time.Now()
		time.Sleep(300 * time.Millisecond)
		x.begin(t.Context(), start, time.Second, errTimeUp)
		defer x.stop()
		<-x.Done()
		if took := time.Since(start); took != time.Second {
			t.Errorf("ended %v after the attempt began", took)
		}
	})
}

// It ends with the context above, for the reason of that, whether somebody waits for it directly or below.
func TestTimedEndsWithItsParent(t *testing.T) {
	parent, cancel := context.WithCancelCause(t.Context())
	var x timed
	x.begin(parent, time.Now(), time.Hour, errTimeUp)
	defer x.stop()
	first, stopFirst := context.WithCancel(&x)
	defer stopFirst()
	second, stopSecond := context.WithTimeout(&x, time.Hour)
	defer stopSecond()
	renounced := false
	if stop := x.AfterFunc(func() { renounced = true }); !stop() || stop() {
		t.Error("it was told to leave somebody alone, twice")
	}
	if x.Err() != nil || x.ender() != nil {
		t.Errorf("ended before its time: %v, %v", x.Err(), x.ender())
	}
	cancel(errLost)
	if x.ender() != errLost {
		t.Errorf("the parent has ended, and its end is %v", x.ender())
	}
	for _, ctx := range []context.Context{&x, first, second} {
		<-ctx.Done()
		if ctx.Err() != context.Canceled || x.ender() != errLost {
			t.Errorf("ended by %v, %v", ctx.Err(), x.ender())
		}
	}
	if renounced {
		t.Error("told who didn't want to be")
	}
	late := make(chan struct{})
	if stop := x.AfterFunc(func() { close(late) }); stop() {
		t.Error("one who comes late was not told")
	}
	<-late
}

// Below a context that has ended it has ended when it begins, and its own end changes nothing.
func TestTimedBelowAnEnd(t *testing.T) {
	parent, cancel := context.WithCancelCause(t.Context())
	cancel(errLost)
	var x timed
	x.begin(parent, time.Now(), time.Hour, errTimeUp)
	<-x.Done()
	x.stop()
	if x.Err() != context.Canceled || x.ender() != errLost {
		t.Errorf("ended by %v, %v", x.Err(), x.ender())
	}
	var y timed
	y.begin(t.Context(), time.Now(), time.Hour, errTimeUp)
	child, stop := context.WithCancel(&y)
	defer stop()
	y.stop()
	if <-child.Done(); y.Err() != context.Canceled {
		t.Errorf("stopped: %v", y.Err())
	}
}
