package gateway

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc/codes"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

func TestMemoryShedsByPriority(t *testing.T) {
	const low, normal, high = candorv1.Priority_PRIORITY_LOW, candorv1.Priority_PRIORITY_NORMAL, candorv1.Priority_PRIORITY_HIGH
	m := &memory{limit: 800}
	for _, step := range []struct {
		size     int64
		priority candorv1.Priority
		admitted bool
	}{
		{5000, low, true}, // alone
		{1, high, false},
		{-5000, low, true},
		{600, low, true}, {1, low, false}, {100, normal, true}, {1, normal, false}, {1, candorv1.Priority_PRIORITY_UNSPECIFIED, false},
		{100, high, true}, {1, high, false},
	} {
		if step.size < 0 {
			m.release(-step.size)
			continue
		}
		err := m.take(step.size, step.priority)
		if (err == nil) != step.admitted {
			t.Errorf("%d bytes of %v: %v", step.size, step.priority, err)
		}
		var e *Error
		if err != nil && (!errors.As(err, &e) || e.Code != codes.ResourceExhausted || e.RetryAfter <= 0 || e.Reason != candorv1.ErrorReason_ERROR_REASON_OVERLOADED) {
			t.Errorf("%#v", err)
		}
	}
	if n := m.used.Load(); n != 800 || m.refused[low].Load() != 1 || m.refused[high].Load() != 2 {
		t.Errorf("%d bytes in use", n)
	}
}

// 200 goroutines never hold more than the limit, and give all of it back.
func TestMemoryIsExact(t *testing.T) {
	m := &memory{limit: 1000}
	var held, top atomic.Int64
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			for range 100 {
				if m.take(90, candorv1.Priority_PRIORITY_HIGH) != nil {
					continue
				}
				n := held.Add(90)
				for old := top.Load(); n > old && !top.CompareAndSwap(old, n); old = top.Load() {
				}
				held.Add(-90)
				m.release(90)
			}
		})
	}
	all.Wait()
	if top.Load() > 1000 || m.used.Load() != 0 {
		t.Errorf("%d bytes at once, %d left over", top.Load(), m.used.Load())
	}
}
