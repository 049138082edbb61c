package monitor

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// world is many segments of a model that is what it claims to be; in the first moved of them confidences fall and so do labels.
type world struct {
	segments, moved int
	rows            uint64
	looks           int
}

// warnings of a run, after the last window: how many of segments that didn't move, and which that did, by kind.
func (w world) warnings(seed uint64) (falseOnes int, found map[candorv1.MonitorKind]int) {
	set, rng := New(), rand.New(rand.NewPCG(seed, 77))
	o := Options{MinRows: w.rows, PSI: 0.2, FalseAlerts: 0.05, MaxFallbackShare: 1}
	st := set.Watch(spec("m"), o)
	for segment := range w.segments {
		name := fmt.Sprint(segment)
		if w.segments > MaxSegments {
			// More than one policy can have: many models.
			st, name = set.Watch(spec(name), o), ""
		}
		for i := range w.rows * uint64(1+w.looks) {
			power := 3.0
			if segment < w.moved && i >= w.rows {
				power = 1
			}
			r, right := calibrated(rng, power)
			if segment < w.moved && i >= w.rows {
				r.Label = 0
			}
			st.Row(name, r)
			st.Verdict(name, Verdict{Right: r.Right, Correct: right, Probability: 0.5})
		}
	}
	found = map[candorv1.MonitorKind]int{}
	for _, s := range set.Status("") {
		if s.GetState() != warning {
			continue
		}
		var segment int
		_, _ = fmt.Sscan(s.GetModel()+s.GetSegment(), &segment)
		if segment < w.moved {
			found[s.GetKind()]++
		} else {
			falseOnes++
		}
	}
	return falseOnes, found
}

// Where nothing changes every warning is a false one, so that their expected share among warnings is the chance of any.
func TestFalseAlertsWithoutChange(t *testing.T) {
	for _, tc := range []struct {
		rows uint64
		runs int
	}{{200, 120}, {50, 200}} {
		w, bad := world{segments: 200, rows: tc.rows, looks: 1}, 0
		for run := range tc.runs {
			if n, _ := w.warnings(uint64(run)); n > 0 {
				bad++
			}
		}
		level := 0.05
		limit := level*float64(tc.runs) + 3*math.Sqrt(level*(1-level)*float64(tc.runs))
		t.Logf("windows of %d: %d of %d runs warn", tc.rows, bad, tc.runs)
		if float64(bad) > limit {
			t.Errorf("windows of %d: %d of %d runs warn, more than %.1f", tc.rows, bad, tc.runs, limit)
		}
	}
}

// A change is found where it is, and the share of false warnings among warnings stays below the level.
func TestFalseAlertsBesideAChange(t *testing.T) {
	const runs = 40
	w, share, squares := world{segments: 200, moved: 20, rows: 200, looks: 2}, 0.0, 0.0
	for run := range runs {
		falseOnes, found := w.warnings(1000 + uint64(run))
		all := falseOnes
		for _, kind := range []candorv1.MonitorKind{
			candorv1.MonitorKind_MONITOR_KIND_PSI, candorv1.MonitorKind_MONITOR_KIND_KS,
			candorv1.MonitorKind_MONITOR_KIND_LABEL_SHIFT, candorv1.MonitorKind_MONITOR_KIND_CBPE,
		} {
			all += found[kind]
			if found[kind] < w.moved*9/10 {
				t.Errorf("run %d: %v found %d of %d", run, kind, found[kind], w.moved)
			}
		}
		wrong := float64(falseOnes) / float64(max(all, 1))
		share, squares = share+wrong/runs, squares+wrong*wrong/runs
	}
	t.Logf("share of false warnings: %.4f", share)
	if limit := 0.05 + 3*math.Sqrt((squares-share*share)/runs); share > limit {
		t.Errorf("%.3f of the warnings are false", share)
	}
}

// Each monitor for itself: where nothing changes, no more than a share x of its p-values is below x.
func TestLevels(t *testing.T) {
	const runs = 4000
	for _, rows := range []uint64{50, 200} {
		below := map[candorv1.MonitorKind]map[float64]int{}
		for run := range runs {
			set, rng := New(), rand.New(rand.NewPCG(uint64(run), 5))
			st := set.Watch(spec("m"), Options{MinRows: rows, PSI: 0.2, FalseAlerts: 0.05, MaxFallbackShare: 1})
			for range 2 * rows {
				r, right := calibrated(rng, 3)
				st.Row("", r)
				st.Verdict("", Verdict{Right: r.Right, Correct: right, Probability: 0.5})
			}
			for _, s := range set.Status("") {
				for _, x := range []float64{0.05, 0.01} {
					if s.PValue != nil && s.GetPValue() <= x {
						if below[s.GetKind()] == nil {
							below[s.GetKind()] = map[float64]int{}
						}
						below[s.GetKind()][x]++
					}
				}
			}
		}
		for kind, counts := range below {
			for x, n := range counts {
				// Three standard errors, and a tenth for approximations.
				if limit := 1.1*x*runs + 3*math.Sqrt(x*runs); float64(n) > limit {
					t.Errorf("%v, %d rows: %d of %d are below %v", kind, rows, n, runs, x)
				}
			}
		}
	}
}
