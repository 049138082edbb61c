package stub

import (
	"context"
	"encoding/binary"
	"math"
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/bench/payload"
	"github.com/candor-gateway/candor/gen/inference"
)

// start serves a stub until the test ends, and wants nobody to have broken the protocol.
func start(t *testing.T) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- New().Serve(ctx, lis) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return lis.Addr().String()
}

func dial(t *testing.T, addr string, opts ...grpc.DialOption) inference.GRPCInferenceServiceClient {
	t.Helper()
	conn, err := grpc.NewClient(addr, append(opts, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return inference.NewGRPCInferenceServiceClient(conn)
}

// infer is an encoded request for another model.
func infer(t *testing.T, encoded []byte, model string) *inference.ModelInferRequest {
	t.Helper()
	in := new(inference.ModelInferRequest)
	if err := proto.Unmarshal(encoded, in); err != nil {
		t.Fatal(err)
	}
	in.ModelName = model
	return in
}

// fraud is the probability of the second label, by row.
func fraud(t *testing.T, out *inference.ModelInferResponse) []float32 {
	t.Helper()
	raw := out.GetRawOutputContents()[0]
	var p []float32
	for ; len(raw) >= 8; raw = raw[8:] {
		p = append(p, math.Float32frombits(binary.LittleEndian.Uint32(raw[4:])))
	}
	return p
}

// A client that others wrote gets right answers, whatever the size of the request, many at once on one connection.
func TestRealClient(t *testing.T) {
	t.Parallel()
	client := dial(t, start(t))
	for name, test := range map[string]struct {
		request []byte
		model   string
		rows    int
	}{
		"one row": {payload.TabularRequest(1), payload.Tabular, 1},
		"a batch": {payload.TabularRequest(256), payload.Tabular, 256},
		"a picture, which is larger than the windows": {payload.ImageRequest(), payload.Image, 1},
	} {
		t.Run(name, func(t *testing.T) {
			in := infer(t, test.request, test.model)
			var calls sync.WaitGroup
			for range 16 {
				calls.Go(func() {
					for range 8 {
						out, err := client.ModelInfer(t.Context(), in)
						if err != nil {
							t.Error(err)
							return
						}
						want := new(inference.ModelInferResponse)
						if err := proto.Unmarshal(payload.Answer(test.model, test.rows, nil), want); err != nil || !proto.Equal(out, want) {
							t.Errorf("got %v, want %v (%v)", out, want, err)
							return
						}
					}
				})
			}
			calls.Wait()
		})
	}
}

// Small windows at the client hold answers back and lose none.
func TestSmallWindow(t *testing.T) {
	t.Parallel()
	const least = 65535 // grpc-go takes no less
	client := dial(t, start(t), grpc.WithStaticStreamWindowSize(least), grpc.WithStaticConnWindowSize(least))
	in := infer(t, payload.TabularRequest(1024), payload.Tabular)
	var calls sync.WaitGroup
	for range 64 {
		calls.Go(func() {
			out, err := client.ModelInfer(t.Context(), in)
			if err != nil || len(fraud(t, out)) != 1024 {
				t.Errorf("%v, %v", out, err)
			}
		})
	}
	calls.Wait()
}

// What the stub doesn't have it refuses as a server would.
func TestRefuses(t *testing.T) {
	t.Parallel()
	client := dial(t, start(t))
	for name, test := range map[string]struct {
		edit func(*inference.ModelInferRequest)
		want codes.Code
	}{
		"another model": {func(in *inference.ModelInferRequest) { in.ModelName = "m" }, codes.InvalidArgument},
		"no input":      {func(in *inference.ModelInferRequest) { in.Inputs = nil }, codes.InvalidArgument},
		"no rows":       {func(in *inference.ModelInferRequest) { in.Inputs[0].Shape[0] = 0 }, codes.InvalidArgument},
		"too many rows": {func(in *inference.ModelInferRequest) { in.Inputs[0].Shape[0] = 1 << 40 }, codes.InvalidArgument},
	} {
		in := infer(t, payload.TabularRequest(1), payload.Tabular)
		test.edit(in)
		if _, err := client.ModelInfer(t.Context(), in); status.Code(err) != test.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := client.ModelReady(t.Context(), &inference.ModelReadyRequest{Name: payload.Tabular}); status.Code(err) != codes.Unimplemented {
		t.Errorf("another method: %v", err)
	}
	// The connection still works.
	if _, err := client.ModelInfer(t.Context(), infer(t, payload.TabularRequest(1), payload.Tabular)); err != nil {
		t.Error(err)
	}
}

// A mixed model is unsure about 6 of 100 rows, however they are cut into requests, and a second one about 1 of 6.
func TestShares(t *testing.T) {
	t.Parallel()
	client := dial(t, start(t))
	for _, test := range []struct {
		model          string
		rows, requests int
		unsure         int
	}{
		{payload.TabularMixed, 1, 400, 24},
		{payload.TabularMixed, 25, 16, 24},
		{payload.TabularMixed, 256, 25, 384},
		{payload.SecondTabular, 1, 60, 10},
		{payload.SecondTabular, 15, 4, 10},
		{payload.Tabular, 25, 4, 0},
	} {
		got := 0
		for range test.requests {
			out, err := client.ModelInfer(t.Context(), infer(t, payload.TabularRequest(test.rows), test.model))
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range fraud(t, out) {
				if max(p, 1-p) < payload.Threshold {
					got++
				}
			}
		}
		if got != test.unsure {
			t.Errorf("%s, %d requests of %d rows: unsure about %d, want %d", test.model, test.requests, test.rows, got, test.unsure)
		}
	}
}

// A gateway appends the backend's model name behind the caller's: the last one counts.
func TestLastModelCounts(t *testing.T) {
	t.Parallel()
	tail, err := proto.Marshal(&inference.ModelInferRequest{ModelName: payload.SecondTabular, ModelVersion: payload.Version})
	if err != nil {
		t.Fatal(err)
	}
	r, err := parse(append(payload.TabularRequest(7), tail...), false)
	if err != nil || string(r.model) != payload.SecondTabular || r.rows != 7 {
		t.Errorf("%q, %d rows, %v", r.model, r.rows, err)
	}
}
