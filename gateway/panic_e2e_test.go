package gateway_test

import (
	"sync/atomic"
	"testing"

	"github.com/candor-gateway/candor/gateway"
	"github.com/candor-gateway/candor/limits"
)

// brokenLatches are limits of which nobody can hear while they are broken.
type brokenLatches struct {
	limits.Store
	broken *atomic.Bool
	asked  atomic.Int64
}

func (s *brokenLatches) LatchesChanged() <-chan struct{} {
	if s.broken.Swap(false) {
		panic("a defect of the latches")
	}
	s.asked.Add(1)
	return s.Store.LatchesChanged()
}

// A defect between two turns of the work begins it anew.
func TestPanicBetweenTurns(t *testing.T) {
	var broken atomic.Bool
	var latches *brokenLatches
	w := startWith(t, options{deps: func(d *gateway.Deps) {
		latches = &brokenLatches{Store: d.Limits, broken: &broken}
		d.Limits = latches
	}})
	broken.Store(true)
	w.eventually(func() bool { return w.metric("candor_panics_total") == 1 })
	before := latches.asked.Load()
	w.eventually(func() bool { return latches.asked.Load() > before+1 })
	if n := w.metric("candor_panics_total"); n != 1 {
		t.Errorf("%v panics", n)
	}
}
