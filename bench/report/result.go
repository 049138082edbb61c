// Package report turns the benchmark's samples into figures, and these into a table, a file and a picture.
package report

import (
	"slices"

	"github.com/candor-gateway/candor/bench/measure"
	"github.com/candor-gateway/candor/bench/stat"
)

// Row is what came of one target in one regime: medians over the rounds, and for what is judged the intervals around them.
type Row struct {
	Target string `json:"target"`
	Regime string `json:"regime"`
	// CPU of the target in microseconds per request.
	CPU *stat.Interval `json:"cpu_us,omitempty"`
	// Ratios of the CPU to that of other targets by name, taken within rounds.
	Ratios    map[string]stat.Interval `json:"cpu_ratios,omitempty"`
	PerSecond float64                  `json:"per_second"`
	Busy      float64                  `json:"busy"`
	// Latencies in microseconds; Added is what is more than without a proxy, within rounds, in the open loop.
	P50   float64   `json:"p50_us"`
	P99   float64   `json:"p99_us"`
	P999  float64   `json:"p999_us"`
	Added []float64 `json:"added_p50_p99_p999_us,omitempty"`
	// AllocBytes of the Go heap per request.
	AllocBytes *float64 `json:"alloc_bytes,omitempty"`
	PeakRSS    float64  `json:"peak_rss_bytes,omitempty"`
	LoadMicros float64  `json:"load_us"`
	StubMicros float64  `json:"stub_us"`
	// Others is how many cores the rest of the machine used meanwhile.
	Others float64 `json:"others_cores"`
	Failed uint64  `json:"failed"`
	Error  string  `json:"error,omitempty"`
}

// Names of the targets that others are held against.
const (
	direct = "direct"
	stream = "stream"
	nginx  = "nginx"
)

// references of the ratios.
var references = []string{stream, nginx}

// rows makes the rows, in the order of the targets.
func rows(samples []measure.Sample, targets []string, regimes []measure.Regime, seed uint64) []Row {
	var out []Row
	for _, r := range regimes {
		for _, t := range targets {
			own := of(samples, t, r.Name)
			if len(own) > 0 {
				out = append(out, row(own, samples, seed))
			}
		}
	}
	return out
}

// of are the samples of one target in one regime, by round.
func of(samples []measure.Sample, target, regime string) map[int]measure.Sample {
	out := map[int]measure.Sample{}
	for _, s := range samples {
		if s.Target == target && s.Regime == regime {
			out[s.Round] = s
		}
	}
	return out
}

func row(own map[int]measure.Sample, samples []measure.Sample, seed uint64) Row {
	var r Row
	for _, round := range rounds(own) {
		s := own[round]
		r.Target, r.Regime, r.Failed = s.Target, s.Regime, r.Failed+s.Failed
		if r.Error == "" {
			r.Error = s.Error
		}
	}
	median := func(f func(measure.Sample) float64) float64 {
		var v []float64
		for _, round := range rounds(own) {
			if s := own[round]; s.Requests > 0 {
				v = append(v, f(s))
			}
		}
		if len(v) == 0 {
			return 0
		}
		return stat.Median(v)
	}
	r.PerSecond = median(func(s measure.Sample) float64 { return s.PerSecond })
	r.Busy = median(func(s measure.Sample) float64 { return s.Busy })
	r.P50 = median(func(s measure.Sample) float64 { return s.P50 })
	r.P99 = median(func(s measure.Sample) float64 { return s.P99 })
	r.P999 = median(func(s measure.Sample) float64 { return s.P999 })
	r.PeakRSS = median(func(s measure.Sample) float64 { return float64(s.PeakRSS) })
	r.LoadMicros = median(func(s measure.Sample) float64 { return s.LoadMicros })
	r.StubMicros = median(func(s measure.Sample) float64 { return s.StubMicros })
	r.Others = median(func(s measure.Sample) float64 { return s.Others })
	for _, s := range own {
		if s.AllocBytes != nil {
			v := median(func(s measure.Sample) float64 { return *s.AllocBytes })
			r.AllocBytes = &v
			break
		}
	}
	if r.Target == direct {
		return r
	}
	cpu := func(s measure.Sample) float64 { return s.CPUMicros }
	if v := ratios(own, nil, cpu); len(v) > 0 {
		i := stat.Bootstrap(v, seed)
		r.CPU = &i
	}
	for _, ref := range references {
		if v := ratios(own, of(samples, ref, r.Regime), cpu); len(v) > 0 && ref != r.Target {
			if r.Ratios == nil {
				r.Ratios = map[string]stat.Interval{}
			}
			r.Ratios[ref] = stat.Bootstrap(v, seed)
		}
	}
	if r.Regime == measure.Open {
		base := of(samples, direct, r.Regime)
		for _, f := range []func(measure.Sample) float64{
			func(s measure.Sample) float64 { return s.P50 },
			func(s measure.Sample) float64 { return s.P99 },
			func(s measure.Sample) float64 { return s.P999 },
		} {
			if v := differences(own, base, f); len(v) > 0 {
				r.Added = append(r.Added, stat.Median(v))
			}
		}
	}
	return r
}

// ratios within rounds of own to base, or own's values where base is nil. Rounds in which either has a failure are left out:
// a request that fails is cheap.
func ratios(own, base map[int]measure.Sample, f func(measure.Sample) float64) []float64 {
	var out []float64
	for _, round := range rounds(own) {
		s := own[round]
		if s.Failed > 0 || s.Requests == 0 {
			continue
		}
		if base == nil {
			out = append(out, f(s))
			continue
		}
		if b, ok := base[round]; ok && b.Failed == 0 && b.Requests > 0 && f(b) > 0 {
			out = append(out, f(s)/f(b))
		}
	}
	return out
}

func differences(own, base map[int]measure.Sample, f func(measure.Sample) float64) []float64 {
	var out []float64
	for _, round := range rounds(own) {
		s, b := own[round], base[round]
		if s.Failed == 0 && s.Requests > 0 && b.Failed == 0 && b.Requests > 0 {
			out = append(out, f(s)-f(b))
		}
	}
	return out
}

func rounds(m map[int]measure.Sample) []int {
	var out []int
	for round := range m {
		out = append(out, round)
	}
	slices.Sort(out)
	return out
}
