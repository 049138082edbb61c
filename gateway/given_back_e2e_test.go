package gateway_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/candor-gateway/candor/gateway"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// moody answers as the request's id says.
func moody(column int) oiptest.Responder {
	answers := byColumn(column)
	return func(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
		mood, _, _ := strings.Cut(req.GetId(), "-")
		switch mood {
		case "hangs":
			<-ctx.Done()
			return nil, status.FromContextError(ctx.Err()).Err()
		case "slow":
			select {
			case <-time.After(time.Duration(rand.IntN(60)) * time.Millisecond):
			case <-ctx.Done():
			}
		case "breaks":
			return nil, status.Error(codes.Internal, "boom")
		case "away":
			return nil, status.Error(codes.Unavailable, "away")
		case "full":
			return nil, status.Error(codes.ResourceExhausted, "full")
		case "refuses":
			return nil, status.Error(codes.InvalidArgument, "no such feature")
		case "lies":
			return oiptest.Reply(req, oiptest.FP32("probabilities", []int64{1, 2}, 3, -2)), nil
		case "garbage":
			return oiptest.Bytes([]byte{0x2a, 0x7f, 1})(ctx, req)
		}
		return answers(ctx, req)
	}
}

var moods = []string{"fine", "hangs", "slow", "breaks", "away", "full", "refuses", "lies", "garbage", "bad", "nobody", "doubled"}

// askMoody is a request of a mood, whose row takes any of the routes.
func askMoody(r *rand.Rand) *inference.ModelInferRequest {
	mood := moods[r.IntN(len(moods))]
	rows := make([][4]float32, 1+r.IntN(3))
	for i := range rows {
		rows[i] = [][4]float32{sureRow, goodRow, fallbackRow, deferredRow}[r.IntN(4)]
	}
	req := request(rows)
	if r.IntN(2) == 0 {
		req = request(rows, "candor_route")
	}
	req.Id = mood + "-" + string(rune('a'+r.IntN(26)))
	switch mood {
	case "bad":
		req.RawInputContents = nil
	case "nobody":
		req.ModelName = "nobody"
	case "doubled":
		req.Inputs = append(req.Inputs, req.Inputs[0])
	}
	if r.IntN(5) == 0 {
		req.Parameters = map[string]*inference.InferParameter{"sequence_id": {ParameterChoice: &inference.InferParameter_Int64Param{Int64Param: 7}}}
	}
	return req
}

// Whatever becomes of calls and streams, their callers' going away among it, all that they took is given back: bytes, places in flight, the
// plan, and (as every test here demands) goroutines. None ends in UNKNOWN, or in an INTERNAL that nobody meant.
func TestEverythingIsGivenBack(t *testing.T) {
	w := start(t, "primary: {address: PRIMARY, model: m, version: \"3\", timeout: 5s", "primary: {address: PRIMARY, dialect: triton, model: m, version: \"3\", hedge: {percentile: 0.5}, timeout: 300ms",
		"a: {address: MEMBER_A, model: m, version: \"1\", timeout: 5s", "a: {address: MEMBER_A, model: m, version: \"1\", timeout: 100ms",
		"reflection: true", "reflection: true, default_deadline: 500ms")
	for range 120 { // hedges want to know how long answers take
		if a := w.infer(as(clientToken), request([][4]float32{sureRow})); a.err != nil {
			t.Fatal(a.err)
		}
	}
	for column, s := range []*oiptest.Server{w.primary, w.a} {
		for range 2000 {
			s.Script(moody(column))
		}
	}
	client := inference.NewGRPCInferenceServiceClient(w.conn)
	told := func(err error) {
		if err == nil {
			return
		}
		switch st := status.Convert(err); {
		case st.Code() == codes.Unknown, st.Code() == codes.Internal && !strings.Contains(st.Message(), "boom") && !strings.Contains(st.Message(), "broke the model's card"):
			t.Errorf("%v", err)
		}
	}
	within := func(r *rand.Rand) (context.Context, context.CancelFunc) {
		ctx := as(clientToken)
		switch r.IntN(4) {
		case 0:
			return context.WithTimeout(ctx, time.Duration(1+r.IntN(400))*time.Millisecond)
		case 1:
			ctx, cancel := context.WithCancel(ctx)
			timer := time.AfterFunc(time.Duration(r.IntN(60))*time.Millisecond, cancel)
			return ctx, func() { timer.Stop(); cancel() }
		}
		return context.WithTimeout(ctx, 10*time.Second)
	}
	var all sync.WaitGroup
	for k := range uint64(4) {
		all.Go(func() {
			r := rand.New(rand.NewPCG(1, k))
			for range 60 {
				ctx, cancel := within(r)
				_, err := client.ModelInfer(ctx, askMoody(r))
				told(err)
				cancel()
			}
		})
		all.Go(func() {
			r := rand.New(rand.NewPCG(2, k))
			for range 12 {
				ctx, cancel := within(r)
				if r.IntN(4) == 0 {
					ctx = metadata.AppendToOutgoingContext(ctx, "triton_grpc_error", "true")
				}
				stream, err := client.ModelStreamInfer(ctx)
				if err != nil {
					cancel()
					continue
				}
				asked := 1 + r.IntN(8)
				for range asked {
					err = errors.Join(err, stream.Send(askMoody(r)))
				}
				if r.IntN(2) == 0 {
					err = errors.Join(err, stream.CloseSend())
				}
				for range asked {
					if _, got := stream.Recv(); got != nil {
						break
					}
				}
				cancel()
				_ = err // the stream's end, which may come at any time
			}
		})
	}
	all.Wait()
	w.eventually(func() bool { return w.metric("candor_in_flight_bytes") == 0 })
	// The gateway itself is left, which looks now and then for what model servers are.
	w.eventually(func() bool { return gateway.Holders(w.gateway) == 1 })
	for _, name := range []string{"primary", "a", "b", "old"} {
		w.eventually(func() bool { s := w.backend(name); return s.GetInFlight() == 0 && s.GetQueued() == 0 })
		for _, c := range w.backend(name).GetConsumers() {
			if c.GetInFlight() != 0 || c.GetQueued() != 0 {
				t.Errorf("%s: %v", name, c)
			}
		}
	}
	if n := w.metric("candor_panics_total"); n != 0 {
		t.Errorf("%v panics", n)
	}
	if s := w.backend("primary"); s.GetHedges() == 0 || s.GetRetries() == 0 {
		t.Errorf("nothing was hedged, or nothing was retried: %v", s)
	}
}
