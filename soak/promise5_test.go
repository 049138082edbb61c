package soak

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// badRequests are refused by the gateway, by the model server, or by neither; no way of being wrong is a fault of the model server.
var badRequests = []struct {
	name string
	make func() *inference.ModelInferRequest
	want codes.Code
}{
	{"three numbers where four belong", func() *inference.ModelInferRequest { return row(1, 2, 3) }, codes.InvalidArgument},
	{"another datatype", func() *inference.ModelInferRequest { r := sure(); r.Inputs[0].Datatype = "FP64"; return r }, codes.InvalidArgument},
	{"a shape that promises more", func() *inference.ModelInferRequest { r := sure(); r.Inputs[0].Shape[0] = 1 << 40; return r }, codes.InvalidArgument},
	{"a negative shape", func() *inference.ModelInferRequest { r := sure(); r.Inputs[0].Shape[0] = -1; return r }, codes.InvalidArgument},
	{"no inputs", func() *inference.ModelInferRequest { return &inference.ModelInferRequest{ModelName: "fraud"} }, codes.InvalidArgument},
	{"an output that the model server doesn't have", func() *inference.ModelInferRequest {
		r := sure()
		r.Outputs = []*inference.ModelInferRequest_InferRequestedOutputTensor{{Name: "nothing"}}
		return r
	}, codes.InvalidArgument},
	{"numbers that the model refuses", func() *inference.ModelInferRequest { return row(float32(math.NaN()), 1, 2, 3) }, codes.InvalidArgument},
	{"an unknown model", func() *inference.ModelInferRequest { r := sure(); r.ModelName = "nope"; return r }, codes.NotFound},
}

// TestPromise5ClientsCantOpenBreakers: bad tensors and cancelled calls of one client change nothing for the others, be they more important or
// not.
func TestPromise5ClientsCantOpenBreakers(t *testing.T) {
	f := promise(t, 5, "clients can't open breakers",
		"one client sends bad requests of eight kinds as fast as it can, then calls that it cancels while the model works; another measures, of high priority, and then of the same as the first")
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
			if req.GetParameters()["slow"] != nil {
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
backends:`+backendConfig("primary", model.Addr(), "")+`
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

	attack := g.dial()
	bad := scaled(10_000)
	rounds := 0
	var told [16]atomic.Int64
	began := time.Now()
	during := measure(func() {
		for ; rounds == 0 || long() && time.Since(began) < span()/2; rounds++ {
			each(bad, 16, func(i int) {
				b := badRequests[i%len(badRequests)]
				_, _, err := infer(attack, b.make(), patience)
				if status.Code(err) != b.want {
					t.Errorf("%s: %v, want %v", b.name, err, b.want)
				}
				told[i%len(badRequests)].Add(1)
			})
		}
	})
	cancelRounds := 0
	began = time.Now()
	cancelling := measure(func() {
		for ; cancelRounds == 0 || long() && time.Since(began) < span()/2; cancelRounds++ {
			each(bad, 16, func(int) { cancelled(t, attack) })
		}
	})
	if n := g.metric("candor_breaker_transitions_total{"); n != 0 {
		t.Errorf("breakers moved %v times", n)
	}
	if n := g.metric(`candor_backend_consumer_shed_total{backend="primary",consumer="healthy"}`); n != 0 {
		t.Errorf("%v calls of the other client were shed", n)
	}
	f.say("bad requests, cancelled calls", "%d and %d", rounds*bad, cancelRounds*bad)
	f.say("changes of a breaker's state", "0")
	f.say("calls of the other client ("+priority+" priority, the attacker's is normal), none failed or shed", "%d alone, %d and %d meanwhile", alone.count(), during.count(), cancelling.count())
	base := float64(alone.quantile(.99))
	f.say("its p99 beside alone (same run)", "bad requests %.1f x, cancelled calls %.1f x of %v",
		float64(during.quantile(.99))/base, float64(cancelling.quantile(.99))/base, alone.quantile(.99).Round(10*time.Microsecond))
}

// cancelled begins a call that the model server would take for ever, and cancels it when it has got there, or before.
func cancelled(t *testing.T, conn *grpc.ClientConn) {
	ctx, cancel := context.WithCancel(context.Background())
	req := sure()
	req.Parameters = map[string]*inference.InferParameter{"slow": {ParameterChoice: &inference.InferParameter_BoolParam{BoolParam: true}}}
	done := make(chan error, 1)
	go func() {
		_, err := inference.NewGRPCInferenceServiceClient(conn).ModelInfer(ctx, req)
		done <- err
	}()
	select {
	case err := <-done:
		t.Errorf("before it was cancelled: %v", err)
	case <-time.After(2 * time.Millisecond): // about when it has got to the model server
	}
	cancel()
	if err := <-done; status.Code(err) != codes.Canceled {
		t.Errorf("a cancelled call: %v", err)
	}
}

// each does f(0) to f(n-1), so many at once.
func each(n, atOnce int, f func(i int)) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range atOnce {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	all.Wait()
}
