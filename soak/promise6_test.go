package soak

import (
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/candor-gateway/candor/internal/oiptest"
)

// mostUpstream is how many calls a backend may get for each that callers make, whatever fails.
const mostUpstream = 1.2

// TestPromise6NoRetryStorm: while every backend fails, each gets at most 1.2 calls for one of a caller; deadlines hold.
func TestPromise6NoRetryStorm(t *testing.T) {
	f := promise(t, 6, "no retry storm",
		"primary and both members of the ensemble fail every call, at first with breakers that never open, then with breakers as they are")
	for _, c := range []struct{ name, breaker string }{
		{"breakers that never open", "breaker: {min_calls: 1000000000}"},
		{"breakers", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			servers := map[string]*oiptest.Server{}
			backends := ""
			for _, name := range []string{"primary", "second", "third"} {
				servers[name] = modelServer(t, name)
				backends += withBreaker(backendConfig(name, servers[name].Addr(), ""), c.breaker)
			}
			g := serve(t, `
listen: {grpc: "127.0.0.1:0", http: "127.0.0.1:0"}
store: {identity: soak, sqlite: {path: candor.db}}
consumers: {anyone: {identity: {anonymous: true}, models: ["*"]}}
backends:`+backends+`
ensembles: {both: {version: "1", quorum: 1, combiner: mean, members: [{backend: second}, {backend: third}]}}
models:
  fraud:
    primary: primary
    policy:
      mode: enforce
      accept: {threshold: {probability: 0.9}}
      fallback: {ensemble: both, threshold: {probability: 0.9}}
      answers: [{output: probabilities, fill: scores}]
`)
			conn := g.dial()
			if _, _, err := infer(conn, sure(), patience); err != nil {
				t.Fatal(err)
			}
			before := map[string]int{}
			for name, s := range servers {
				before[name] = s.Calls()
				s.FailWith(status.Error(codes.Unavailable, "down for the test"))
			}
			const deadline = 250 * time.Millisecond
			var calls, answered atomic.Int64
			var times took
			began := time.Now()
			for calls.Load() == 0 || time.Since(began) < span()/2 {
				each(1000, 16, func(int) {
					_, d, err := infer(conn, sure(), deadline)
					calls.Add(1)
					times.add(d)
					if err == nil {
						answered.Add(1)
					}
				})
			}
			if answered.Load() > 0 {
				t.Errorf("%d calls were answered though everything fails", answered.Load())
			}
			for name, s := range servers {
				ratio := float64(s.Calls()-before[name]) / float64(calls.Load())
				if ratio > mostUpstream {
					t.Errorf("%s got %.3f calls for each of %d callers' calls, more than %v", name, ratio, calls.Load(), mostUpstream)
				}
				f.say("upstream calls, "+c.name+", "+name, "%.3f for each of %d", ratio, calls.Load())
			}
			f.say("longest call, "+c.name, "%v of %v", times.quantile(1).Round(100*time.Microsecond), deadline)
		})
	}
}
