package server

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
)

// heapFloor is the heap, in bytes, below which garbage is left lying. A gateway's live heap is small, some ten MiB, and makes
// garbage fast: at Go's default of collecting when the heap has doubled, it would collect many times a second, which cost a
// fifth of all its time. A floor of memory that every host has more than halves that. Above it Go's default holds.
const heapFloor = 128 << 20

// Go's own settings; who sets one of them decides.
const (
	envPercent = "GOGC"
	envLimit   = "GOMEMLIMIT"
	goPercent  = 100
)

// tuneHeap keeps the collector from running below heapFloor, until stop is called.
func tuneHeap() (stop func() error) {
	if os.Getenv(envPercent) != "" || os.Getenv(envLimit) != "" {
		return func() error { return nil }
	}
	t := &heapTuner{percent: goPercent, sample: []metrics.Sample{{Name: "/gc/heap/live:bytes"}}}
	t.set(heapPercent(0))
	t.arm()
	return func() error {
		t.stopped.Store(true)
		debug.SetGCPercent(goPercent)
		return nil
	}
}

// heapTuner sets the percentage anew after each collection, by what that found alive.
type heapTuner struct {
	percent int
	sample  []metrics.Sample
	stopped atomic.Bool
}

// arm has adjust called after the next collection: that finds the sentinel dead.
func (t *heapTuner) arm() {
	type sentinel struct{ _ [16]byte } // of a size that isn't allocated together with others
	runtime.AddCleanup(&sentinel{}, func(t *heapTuner) {
		if !t.stopped.Load() {
			metrics.Read(t.sample)
			t.set(heapPercent(t.sample[0].Value.Uint64()))
			t.arm()
		}
	}, t)
}

// tolerance: setting the percentage stops the world for some microseconds, so small steps aren't worth it.
const tolerance = 0.1

func (t *heapTuner) set(percent int) {
	if math.Abs(float64(percent-t.percent)) > tolerance*float64(t.percent) {
		t.percent = percent
		debug.SetGCPercent(percent)
	}
}

// leastLive is Go's own smallest heap, from which the percentage counts when less is alive.
const leastLive = 4 << 20

// heapPercent is the percentage of the live heap at which the next collection starts at heapFloor, or Go's default where that is
// more.
func heapPercent(live uint64) int {
	live = max(live, leastLive)
	if live >= heapFloor/2 {
		return goPercent
	}
	return int(100*heapFloor/live) - 100
}
