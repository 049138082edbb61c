package server

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestHeapPercent(t *testing.T) {
	for live, want := range map[uint64]int{0: 3100, 4 << 20: 3100, 32 << 20: 300, 64 << 20: 100, 1 << 30: 100} {
		if got := heapPercent(live); got != want {
			t.Errorf("%d bytes alive: %d %%, want %d", live, got, want)
		}
	}
}

// The tuner follows the live heap, from collection to collection, and gives Go's setting back.
func TestTuneHeap(t *testing.T) {
	t.Setenv(envPercent, "")
	t.Setenv(envLimit, "")
	percent := func() int {
		p := debug.SetGCPercent(goPercent)
		debug.SetGCPercent(p)
		return p
	}
	await := func(what string, ok func(int) bool) {
		t.Helper()
		for range 1000 {
			if ok(percent()) {
				return
			}
			runtime.GC() // cleanups run soon after a collection
		}
		t.Fatalf("%s: the percentage stays at %d", what, percent())
	}
	stop := tuneHeap()
	if percent() <= goPercent {
		t.Fatalf("a small heap has %d %%", percent())
	}
	ballast := make([]byte, heapFloor)
	await("a large heap", func(p int) bool { return p == goPercent })
	runtime.KeepAlive(ballast)
	ballast = nil
	await("a small heap again", func(p int) bool { return p > goPercent })
	if err := stop(); err != nil || percent() != goPercent {
		t.Errorf("stopped: %v, %d %%", err, percent())
	}
}

func TestTuneHeapLeavesOperatorsAlone(t *testing.T) {
	t.Setenv(envPercent, "50")
	before := debug.SetGCPercent(50)
	defer debug.SetGCPercent(before)
	stop := tuneHeap()
	if p := debug.SetGCPercent(50); p != 50 {
		t.Errorf("GOGC=50 became %d", p)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}
