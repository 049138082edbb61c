package measure

import (
	"context"
	"fmt"
	"time"

	"github.com/candor-gateway/candor/bench/load"
	"github.com/candor-gateway/candor/bench/payload"
	"github.com/candor-gateway/candor/bench/process"
	"github.com/candor-gateway/candor/bench/stat"
	"github.com/candor-gateway/candor/bench/targets"
)

// Sample is what one target did in one regime in one round.
type Sample struct {
	Round  int    `json:"round"`
	Target string `json:"target"`
	Regime string `json:"regime"`

	Requests  uint64  `json:"requests"`
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"per_second"`
	// CPUMicros of the target per request, user and system; 0 for a target without a process.
	CPUMicros float64 `json:"cpu_us"`
	// Busy is the share of its core that the target used.
	Busy float64 `json:"busy"`
	// LoadMicros and StubMicros are what load generator and stub used per request on the other core.
	LoadMicros float64 `json:"load_us"`
	StubMicros float64 `json:"stub_us"`
	// Others is how many cores the rest of the machine used meanwhile; a hypervisor that takes a core away counts.
	Others float64 `json:"others_cores"`
	// Latencies in microseconds.
	P50  float64 `json:"p50_us"`
	P99  float64 `json:"p99_us"`
	P999 float64 `json:"p999_us"`
	// AllocBytes of the Go heap per request; nil where the target isn't a Go program.
	AllocBytes *float64 `json:"alloc_bytes,omitempty"`
	// PeakRSS in bytes, from before the warm-up to after the last request.
	PeakRSS int64 `json:"peak_rss_bytes"`
	// Failed requests, and the first one's error.
	Failed uint64 `json:"failed"`
	Error  string `json:"error,omitempty"`
}

// usage is the CPU time of everybody at one moment.
type usage struct{ target, load, stub, machine time.Duration }

func (u usage) minus(v usage) usage {
	return usage{u.target - v.target, u.load - v.load, u.stub - v.stub, u.machine - v.machine}
}

func read(t *targets.Target, stub *process.Process) (u usage, err error) {
	if t.Process != nil {
		if u.target, err = process.CPU(t.Process.PID()); err != nil {
			return u, fmt.Errorf("%s: %w", t.Name, err)
		}
	}
	if u.load, err = process.OwnCPU(); err != nil {
		return u, err
	}
	if u.stub, err = process.CPU(stub.PID()); err != nil {
		return u, err
	}
	u.machine, err = process.MachineBusy()
	return u, err
}

// cell measures a target in a regime.
func (c Config) cell(ctx context.Context, set *targets.Set, t *targets.Target, r Regime) (Sample, error) {
	s := Sample{Target: t.Name, Regime: r.Name}
	allocBefore, err := allocated(ctx, t)
	if err != nil {
		return s, err
	}
	if t.Process != nil {
		if err := process.ResetPeak(t.Process.PID()); err != nil {
			return s, err
		}
	}
	var (
		edges   [2]usage
		edgeErr error
	)
	result, err := load.Run(ctx, load.Options{
		Addr: t.Addr, Method: payload.Method, Message: r.message, Check: r.check(t.Rewrites),
		Connections: connections, InFlight: r.InFlight, Rate: r.Rate, Warmup: c.Warmup, Window: c.Window,
		Edge: func(end bool) {
			u, err := read(t, set.Stub())
			if err != nil {
				edgeErr = err
			}
			if end {
				edges[1] = u
			} else {
				edges[0] = u
			}
		},
	})
	if err == nil {
		err = edgeErr
	}
	if err != nil {
		return s, err
	}
	if result.Completed == 0 {
		return s, fmt.Errorf("no request ended within %v", c.Window)
	}
	n := float64(result.Completed)
	micros := func(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
	s.Requests, s.Seconds, s.PerSecond = result.Completed, result.Elapsed.Seconds(), n/result.Elapsed.Seconds()
	used := edges[1].minus(edges[0])
	s.CPUMicros, s.LoadMicros, s.StubMicros = micros(used.target)/n, micros(used.load)/n, micros(used.stub)/n
	s.Others = max(0, (used.machine-used.target-used.load-used.stub).Seconds()/result.Elapsed.Seconds())
	s.Busy = used.target.Seconds() / result.Elapsed.Seconds()
	q := stat.Quantiles(result.Latencies, 0.5, 0.99, 0.999)
	s.P50, s.P99, s.P999 = micros(q[0]), micros(q[1]), micros(q[2])
	s.Failed = result.Failed
	if result.FirstError != nil {
		s.Error = result.FirstError.Error()
	}
	if t.Process != nil {
		if s.PeakRSS, err = process.PeakRSS(t.Process.PID()); err != nil {
			return s, err
		}
	}
	allocAfter, err := allocated(ctx, t)
	if err != nil {
		return s, err
	}
	if t.Metrics != "" {
		per := (allocAfter - allocBefore) / float64(result.Total)
		s.AllocBytes = &per
	}
	return s, nil
}
