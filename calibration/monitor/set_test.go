package monitor

import (
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

const (
	insufficient = candorv1.MonitorState_MONITOR_STATE_INSUFFICIENT_DATA
	ok           = candorv1.MonitorState_MONITOR_STATE_OK
	warning      = candorv1.MonitorState_MONITOR_STATE_WARNING
)

var defaults = Options{MinRows: 200, PSI: 0.2, FalseAlerts: 0.05, MaxFallbackShare: 0.5}

func spec(model string) Spec {
	return Spec{Model: model, Stage: "primary", Version: "3", Labels: []string{"good", "bad"}, Scored: true, Primary: true}
}

// calibrated is a row of a model whose probabilities are what they claim: conf is skewed towards 1 by power.
func calibrated(rng *rand.Rand, power float64) (Row, bool) {
	p := 1 - 0.5*math.Pow(rng.Float64(), power)
	label := 0
	if rng.Float64() < 0.3 {
		label = 1
	}
	return Row{Confidence: p, Label: label, Right: p, From: Primary}, rng.Float64() < p
}

// of finds one monitor's state.
func of(t *testing.T, all []*candorv1.MonitorStatus, segment string, kind candorv1.MonitorKind) *candorv1.MonitorStatus {
	t.Helper()
	for _, s := range all {
		if s.GetSegment() == segment && s.GetKind() == kind {
			return s
		}
	}
	t.Fatalf("there is no %v of %q", kind, segment)
	return nil
}

func TestTooFewRows(t *testing.T) {
	set, rng := New(), rand.New(rand.NewPCG(1, 1))
	st := set.Watch(spec("m"), defaults)
	for i := range 2*defaults.MinRows - 1 {
		r, right := calibrated(rng, 3)
		full := st.Row("", r)
		if i == defaults.MinRows-1 != full {
			// Answers fill a window of their own, for the share of fallbacks.
			t.Fatalf("row %d: full %v", i, full)
		}
		if i < defaults.MinRows-1 {
			st.Verdict("", Verdict{Right: r.Right, Correct: right, Probability: 1})
		}
	}
	st.Row("", Row{Confidence: math.NaN(), Label: -1, Right: math.NaN()})
	all := set.Status("m")
	if len(all) != 6 {
		t.Fatalf("%d monitors, want 6", len(all))
	}
	for _, s := range all {
		if s.GetKind() == candorv1.MonitorKind_MONITOR_KIND_FALLBACK_SHARE {
			continue
		}
		if s.GetState() != insufficient || s.PValue != nil || !strings.Contains(s.GetSays(), "199 of the 200") {
			t.Errorf("%v", s)
		}
	}
	if s := of(t, all, "", candorv1.MonitorKind_MONITOR_KIND_KS); s.GetReferenceRows() != 200 || !strings.Contains(s.GetSays(), "; 1 rows had no confidence") {
		t.Errorf("%v", s)
	}
	r, right := calibrated(rng, 3)
	if !st.Row("", r) || !st.Verdict("", Verdict{Right: r.Right, Correct: right, Probability: 1}) {
		t.Error("the window is full, and nobody says so")
	}
	for _, s := range set.Status("m") {
		if s.GetState() != ok || s.GetWindowRows() != 200 {
			t.Errorf("%v", s)
		}
	}
}

func TestShift(t *testing.T) {
	set, rng := New(), rand.New(rand.NewPCG(2, 2))
	st, calm := set.Watch(spec("m"), defaults), set.Watch(spec("calm"), defaults)
	for range 200 {
		for _, stream := range []*Stream{st, calm} {
			r, _ := calibrated(rng, 4)
			stream.Row("", r)
		}
	}
	for range 200 {
		r, _ := calibrated(rng, 4)
		calm.Row("", r)
		r, _ = calibrated(rng, 0.7)
		r.Label, r.From = 1, Other
		st.Row("", r)
		st.Verdict("", Verdict{Right: 0.9, Correct: rng.Float64() < 0.7, Probability: 0.5})
	}
	for _, s := range set.Status("m") {
		want := warning
		if s.GetKind() == candorv1.MonitorKind_MONITOR_KIND_FALLBACK_SHARE {
			// Its second window: all answers of it came from elsewhere.
			if s.GetValue() != 1 {
				t.Errorf("%v", s)
			}
		}
		if s.GetState() != want || s.GetSays() == "" {
			t.Errorf("%v", s)
		}
	}
	psi := of(t, set.Status("m"), "", candorv1.MonitorKind_MONITOR_KIND_PSI)
	var before, now uint64
	for i, n := range psi.GetReferenceBins() {
		before, now = before+n, now+psi.GetWindowBins()[i]
		if middle := (float64(i) + 0.5) / evenBins; middle < 0.5 && n > 0 {
			t.Errorf("%d confidences about %g: none was below 0.5", n, middle)
		}
	}
	if before != 200 || now != 200 || len(psi.GetReferenceBins()) != evenBins {
		t.Errorf("bins %v and %v of 200 confidences each", psi.GetReferenceBins(), psi.GetWindowBins())
	}
	for _, s := range set.Status("calm") {
		if s.GetState() == warning {
			t.Errorf("%v", s)
		}
	}
	if n := len(set.Status("")); n != 12 {
		t.Errorf("%d monitors of all models", n)
	}
}

// A low bound on PSI doesn't warn of what chance does.
func TestPSIWithinChance(t *testing.T) {
	o := defaults
	o.MinRows, o.PSI = 50, 0.0001
	set, rng := New(), rand.New(rand.NewPCG(3, 3))
	st := set.Watch(spec("m"), o)
	for range 100 {
		r, _ := calibrated(rng, 3)
		st.Row("", r)
	}
	s := of(t, set.Status("m"), "", candorv1.MonitorKind_MONITOR_KIND_PSI)
	if s.GetState() != ok || s.GetBound() != o.PSI || !strings.Contains(s.GetSays(), "can be chance") {
		t.Errorf("%v", s)
	}
}

func TestWhatIsWatched(t *testing.T) {
	set := New()
	set.Watch(Spec{Model: "m", Stage: "b", Scored: true}, defaults)
	set.Watch(Spec{Model: "m", Stage: "a", Primary: true, Labels: []string{"x"}}, defaults)
	var got []string
	for _, s := range set.Status("") {
		got = append(got, s.GetStage()+" "+strings.TrimPrefix(s.GetKind().String(), "MONITOR_KIND_"))
	}
	if want := "a FALLBACK_SHARE,b PSI,b KS"; strings.Join(got, ",") != want {
		t.Errorf("%v, want %s", got, want)
	}
}

func TestUnusable(t *testing.T) {
	set := New()
	st := set.Watch(spec("m"), defaults)
	inf, nan := math.Inf(1), math.NaN()
	for _, r := range []Row{
		{Confidence: nan, Right: 0.5}, {Confidence: -0.1, Right: 0.5}, {Confidence: 1.1, Right: 0.5}, {Confidence: inf, Right: 0.5},
		{Confidence: 0.5, Right: nan}, {Confidence: 0.5, Right: 0.5, Label: -1}, {Confidence: 0.5, Right: 0.5, Label: 2},
	} {
		st.Row("", r)
	}
	for _, v := range []Verdict{{Right: 0.5}, {Right: nan, Probability: 1}, {Right: 0.5, Probability: nan}, {Right: 0.5, Probability: 1.5}, {Right: 0.5, Probability: -1}, {Right: 0.5, Probability: 5e-324}} {
		st.Verdict("", v)
	}
	if s := of(t, set.Status(""), "", candorv1.MonitorKind_MONITOR_KIND_PSI); s.GetReferenceRows() != 0 || !strings.Contains(s.GetSays(), "7 rows had no confidence") {
		t.Errorf("%v", s)
	}
	if s := of(t, set.Status(""), "", candorv1.MonitorKind_MONITOR_KIND_PREDICTION_BIAS); s.GetWindowRows() != 0 || !strings.Contains(s.GetSays(), "6 came without") {
		t.Errorf("%v", s)
	}
}

func TestSegmentsAreBounded(t *testing.T) {
	set := New()
	st := set.Watch(spec("m"), defaults)
	for i := range 3 * MaxSegments {
		st.Row(strings.Repeat("x", i), Row{Confidence: 0.5, Right: 0.5})
	}
	segments, rest := map[string]bool{}, uint64(0)
	for _, s := range set.Status("") {
		segments[s.GetSegment()] = true
		if s.GetSegment() == "" && s.GetKind() == candorv1.MonitorKind_MONITOR_KIND_PSI {
			rest = s.GetReferenceRows()
		}
	}
	if len(segments) != MaxSegments+1 || rest != 2*MaxSegments {
		t.Errorf("%d segments, %d rows in the rest", len(segments), rest)
	}
}

func TestConcurrently(t *testing.T) {
	set := New()
	st := set.Watch(spec("m"), defaults)
	const each, goroutines = 1000, 8
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(9, uint64(g)))
			for i := range each {
				r, right := calibrated(rng, 3)
				st.Row([]string{"", "a", "b"}[i%3], r)
				st.Verdict("a", Verdict{Right: r.Right, Correct: right, Probability: 1})
				if i%100 == 0 {
					set.Status("")
				}
			}
		})
	}
	wg.Wait()
	for _, s := range set.Status("") {
		if s.GetState() == insufficient && s.GetKind() != candorv1.MonitorKind_MONITOR_KIND_PREDICTION_BIAS {
			t.Errorf("%v", s)
		}
	}
}

func BenchmarkRow(b *testing.B) {
	st := New().Watch(spec("m"), Options{MinRows: 500, PSI: 0.2, FalseAlerts: 0.05, MaxFallbackShare: 0.5})
	rng := rand.New(rand.NewPCG(4, 4))
	rows := make([]Row, 1024)
	for i := range rows {
		rows[i], _ = calibrated(rng, 3)
	}
	b.ReportAllocs()
	for _, segment := range []string{"", "gold"} {
		b.Run("segment="+segment, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				st.Row(segment, rows[i%len(rows)])
				i++
			}
		})
	}
}
