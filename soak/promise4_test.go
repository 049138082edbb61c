package soak

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/candor-gateway/candor/internal/oiptest"
)

// TestPromise4SlowDeath: a model server that hangs is cut off, callers keep their answers, and it heals by itself.
func TestPromise4SlowDeath(t *testing.T) {
	f := promise(t, 4, "slow death trips, and heals by itself",
		"the primary's model server accepts calls and never answers; half of the cycles hang it again while its breaker probes")
	primary, second := modelServer(t, "primary"), modelServer(t, "second")
	g := serve(t, `
listen: {grpc: "127.0.0.1:0", http: "127.0.0.1:0"}
store: {identity: soak, sqlite: {path: candor.db}}
consumers: {anyone: {identity: {anonymous: true}, models: ["*"]}}
backends:`+backendConfig("primary", primary.Addr(), "")+backendConfig("second", second.Addr(), "")+`
ensembles: {both: {version: "1", quorum: 1, combiner: mean, members: [{backend: second}]}}
models:
  fraud:
    primary: primary
    policy:
      mode: enforce
      accept: {threshold: {probability: 0.9}}
      fallback: {ensemble: both, threshold: {probability: 0.9}}
      answers: [{output: probabilities, fill: scores}]
`)
	const (
		deadline = 3 * time.Second
		callers  = 8
		opened   = `candor_breaker_transitions_total{backend="primary",to="OPEN"}`
		closed   = `candor_breaker_transitions_total{backend="primary",to="CLOSED"}`
	)
	var (
		calls, byFallback, failures atomic.Int64
		healthy, hung               took
		hanging                     atomic.Bool
		over                        = make(chan struct{})
		crowd                       sync.WaitGroup
	)
	goHome := sync.OnceFunc(func() { close(over); crowd.Wait() })
	defer goHome()
	for range callers {
		conn := g.dial()
		crowd.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				was := hanging.Load()
				resp, d, err := infer(conn, sure(), deadline)
				calls.Add(1)
				if err != nil {
					failures.Add(1)
					t.Errorf("after %v: %v", d, err)
					return
				}
				if resp.GetParameters()["candor_answered_by"].GetStringParam() == "both" {
					byFallback.Add(1)
				}
				if was {
					hung.add(d)
				} else {
					healthy.add(d)
				}
			}
		})
	}
	var toOpen, toClose took
	cycles, started := 0, time.Now()
	for ; cycles < 2 || time.Since(started) < span(); cycles++ {
		await(t, "calls are answered", func() bool { return calls.Load() > int64(100*(cycles+1)) || t.Failed() })
		hanging.Store(true)
		primary.Hang()
		start, was := time.Now(), g.metric(opened)
		await(t, "the breaker opens", func() bool { return g.metric(opened) > was || t.Failed() })
		toOpen.add(time.Since(start))
		if cycles%2 == 1 {
			// Its probes hang, too: a wedged probe must not block the breaker for ever.
			probes := primary.Calls()
			await(t, "the breaker probes", func() bool { return primary.Calls() >= probes+2 || t.Failed() })
		}
		was = g.metric(closed)
		primary.Resume()
		start = time.Now()
		await(t, "the breaker closes", func() bool { return g.metric(closed) > was || t.Failed() })
		toClose.add(time.Since(start))
		hanging.Store(false)
	}
	goHome()
	if failures.Load() > 0 {
		t.Errorf("%d of %d calls failed", failures.Load(), calls.Load())
	}
	for name, s := range map[string]*oiptest.Server{"primary": primary, "second": second} {
		ratio := float64(s.Calls()) / float64(calls.Load())
		if ratio > mostUpstream {
			t.Errorf("%s got %.3f calls for each of callers', more than %v", name, ratio, mostUpstream)
		}
		f.say("upstream calls, "+name, "%.3f for each of %d", ratio, calls.Load())
	}
	if byFallback.Load() == 0 {
		t.Error("the fallback never answered: nothing was tried")
	}
	f.say("calls, all answered", "%d by %d callers in %d outages, %d of them by the fallback", calls.Load(), callers, cycles, byFallback.Load())
	f.say("from hanging to an open breaker", "median %v, longest %v (each attempt may take 500ms)", toOpen.quantile(.5).Round(time.Millisecond), toOpen.quantile(1).Round(time.Millisecond))
	f.say("from answering again to a closed one", "median %v, longest %v (open for 300ms)", toClose.quantile(.5).Round(time.Millisecond), toClose.quantile(1).Round(time.Millisecond))
	f.say("longest call while it hung, of its deadline", "%v of %v", hung.quantile(1).Round(time.Millisecond), deadline)
	f.say("median call, healthy and hanging", "%v and %v", healthy.quantile(.5).Round(10*time.Microsecond), hung.quantile(.5).Round(10*time.Microsecond))
}
