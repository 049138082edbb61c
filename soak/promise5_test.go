package soak

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// TestPromise5ClientsCantOpenBreakers: bad tensors and cancelled calls of one client change nothing for the others, be they more important or
// not.
func TestPromise5ClientsCantOpenBreakers(t *testing.T) {
	f := promise(t, 5, "clients can't open breakers",
		"a process of the lowest priority sends bad requests of eight kinds over one connection as fast as it can, then calls that it cancels while the model works; another client measures, of high priority, and then of the same as the first")
	for _, priority := range []string{"high", "normal"} {
		t.Run(priority, func(t *testing.T) { beside(t, f, priority) })
	}
}

// beside attacks a gateway, and measures another client of a priority; the attacker's is normal. None of the other's calls may fail or be shed.
func beside(t *testing.T, f *figures, priority string) {
	model := oiptest.Start(t, oiptest.Model{
		Name: "primary", Outputs: []oiptest.TensorSpec{{Name: "probabilities", Datatype: "FP32", Shape: []int64{-1, 2}}},
		Infer: func(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
			if v := req.GetInputs()[0].GetContents().GetFp32Contents(); len(v) > 0 && v[0] != v[0] {
				return nil, status.Error(codes.InvalidArgument, "not a number")
			}
			if req.GetParameters()[slow] != nil {
				select { // as long as the caller waits
				case <-ctx.Done():
					return nil, status.FromContextError(ctx.Err()).Err()
				case <-time.After(patience):
				}
			}
			return oiptest.PerRow("probabilities", func(row []float32) []float32 { return []float32{row[0], 1 - row[0]} })(ctx, req)
		},
	})
	g := serve(t, `
listen: {grpc: "127.0.0.1:0", http: "127.0.0.1:0"}
store: {identity: soak, sqlite: {path: candor.db}}
consumers:
  anyone: {identity: {anonymous: true}, models: ["*"]}
  healthy: {identity: {token_sha256: 93c0f0ebfef46bab6c0f57b299c5e1bec04a56ffb552d205aa1e39e978f68cde}, models: ["*"], priority: `+priority+`}
backends:`+strings.Replace(backendConfig("primary", model.Addr(), ""), "timeout: 500ms", "timeout: 2s", 1)+`
models: {fraud: {primary: primary, policy: {mode: enforce, accept: {threshold: {probability: 0.9}}, answers: [{output: probabilities, fill: scores}]}}}
`)
	healthy := g.dial(grpc.WithUnaryInterceptor(healthyClient))
	measure := func(while func()) *took {
		var times took
		over := make(chan struct{})
		var other sync.WaitGroup
		other.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				_, d, err := infer(healthy, sure(), patience)
				if err != nil {
					t.Errorf("the other client: %v", err)
				}
				times.add(d)
			}
		})
		while()
		close(over)
		other.Wait()
		return &times
	}
	measure(func() { await(t, "connections are warm", func() bool { return model.Calls() > 200 }) })
	before := model.Calls()
	alone := measure(func() { await(t, "enough is measured", func() bool { return model.Calls()-before > scaled(10_000) }) })

	var calls [2]int
	var meanwhile [2]*took
	for number := range nuisances {
		meanwhile[number] = measure(func() {
			stop := startNuisance(t, number, g.grpc, scaled(10_000))
			if long() {
				time.Sleep(span() / 2)
			}
			calls[number] = stop()
		})
	}
	if n := g.metric("candor_breaker_transitions_total{"); n != 0 {
		t.Errorf("breakers moved %v times", n)
	}
	if n := g.metric(`candor_backend_consumer_shed_total{backend="primary",consumer="healthy"}`); n != 0 {
		t.Errorf("%v calls of the other client were shed", n)
	}
	f.say("changes of a breaker's state", "0")
	f.say("calls of the other client ("+priority+" priority, the first's is normal), none failed or shed", "%d alone", alone.count())
	for number, n := range nuisances {
		f.say(n.name, "%d; meanwhile %d calls of the other client, their p99 %.1f x of alone (%v)", calls[number], meanwhile[number].count(),
			float64(meanwhile[number].quantile(.99))/float64(alone.quantile(.99)), alone.quantile(.99).Round(10*time.Microsecond))
	}
}
