package gateway

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent, cancel := context.WithTimeout(t.Context(), time.Hour)
		b := &bounded{Context: parent, until: time.Now().Add(time.Second)}
		if d, ok := b.Deadline(); !ok || !d.Equal(b.until) {
			t.Errorf("deadline %v", d)
		}
		if b.Err() != nil || b.waited != nil {
			t.Errorf("fresh: %v, with a timer: %v", b.Err(), b.waited != nil)
		}
		child, stop := context.WithCancel(b.timed())
		defer stop()
		<-b.Done()
		synctest.Wait() // a context's end is told to those below it one after the other
		if !errors.Is(b.Err(), context.DeadlineExceeded) || !errors.Is(context.Cause(child), context.DeadlineExceeded) || time.Now().Before(b.until) {
			t.Errorf("at its time: %v, child %v", b.Err(), child.Err())
		}
		b.stop()

		idle := &bounded{Context: parent, until: time.Now().Add(time.Second)}
		idle.stop()
		time.Sleep(2 * time.Second)
		if !errors.Is(idle.Err(), context.DeadlineExceeded) {
			t.Errorf("without a timer: %v", idle.Err())
		}

		late := &bounded{Context: parent, until: time.Now().Add(2 * time.Hour)}
		if d, _ := late.Deadline(); !d.Before(late.until) {
			t.Errorf("the parent's earlier deadline is lost: %v", d)
		}
		cancel()
		if !errors.Is(late.Err(), context.Canceled) || !errors.Is(context.Cause(late), context.Canceled) {
			t.Errorf("the parent's end: %v, %v", late.Err(), context.Cause(late))
		}
	})
}
