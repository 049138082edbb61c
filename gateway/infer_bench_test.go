package gateway

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/candor-gateway/candor/bench/payload"
	"github.com/candor-gateway/candor/bench/stub"
	"github.com/candor-gateway/candor/config"
	"github.com/candor-gateway/candor/internal/wire"
	"github.com/candor-gateway/candor/store/sqlite"
)

// benchYAML is everything that a plain accept meets: evidence, a threshold, an action limit, the breaker, the record.
const benchYAML = `
listen: {grpc: "127.0.0.1:0"}
telemetry: {sample_ratio: 0}
store: {identity: bench, sqlite: {path: candor.db}}
consumers: {anyone: {identity: {anonymous: true}, models: ["*"]}}
backends:
  tabular: {address: STUB, model: tabular, version: "1", card: {
    created_at: "2026-11-01T00:00:00Z", owner: bench, rows: first_dim,
    inputs: [{name: x, datatype: FP32, shape: [-1, 16]}],
    outputs: [{name: probabilities, datatype: FP32, shape: [-1, 2]}],
    scores: [{output: probabilities, kind: probability, labels: [good, fraud]}]}}
models:
  tabular: {primary: tabular, policy: {mode: enforce, accept: {threshold: {probability: 0.8}}, actions: [{name: decline, when: {label_in: [fraud]}}]}}
limits: {declines: {action: decline, window: 1s, max_count: 1000000}}
`

// plainGateway is a gateway before a model server over a socket, which isn't served. Spans go to exporters, if there are any and a call is kept.
func plainGateway(b testing.TB, exporters ...sdktrace.SpanExporter) *Gateway {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- stub.New().Serve(ctx, lis) }()
	cfg, faults := config.Parse("bench.yaml", []byte(strings.ReplaceAll(benchYAML, "STUB", lis.Addr().String())))
	if errs := faults.Errors(); len(errs) > 0 {
		b.Fatal(errs)
	}
	path := filepath.Join(b.TempDir(), "candor.db")
	if err := sqlite.Init(ctx, path, "bench"); err != nil {
		b.Fatal(err)
	}
	store, err := sqlite.Open(ctx, path, "bench", sqlite.Options{})
	if err != nil {
		b.Fatal(err)
	}
	g, err := New(ctx, cfg, Deps{Ledger: store, Reviews: store, Limits: store, Artefacts: store, Spans: exporters, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	if err := g.Begin(ctx); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := g.Close(); err != nil {
			b.Error(err)
		}
		if err := store.Close(context.Background()); err != nil {
			b.Error(err)
		}
		stop()
		if err := <-served; err != nil {
			b.Error(err)
		}
	})
	return g
}

// plainPath answers what makes one plain accept of one row, gRPC's server side left out: what the gateway does with a message
// that has come, its call to a model server over a socket included. Spans go to exporters, if there are any and a call is kept.
func plainPath(b testing.TB, exporters ...sdktrace.SpanExporter) func() {
	g := plainGateway(b, exporters...)
	request := payload.TabularRequest(1)
	who := Caller{Principal: g.plan().principals.anonymous}
	return func() {
		reply, err := g.Infer(context.Background(), who, wire.NewFrame(request))
		if err != nil {
			b.Fatal(err)
		}
		reply.Frame.Free()
	}
}

func BenchmarkInfer(b *testing.B) {
	infer := plainPath(b)
	b.ReportAllocs()
	for b.Loop() {
		infer()
	}
}

// Traces are exported, and no call is sampled.
func BenchmarkInferUnsampled(b *testing.B) {
	infer := plainPath(b, tracetest.NewNoopExporter())
	b.ReportAllocs()
	for b.Loop() {
		infer()
	}
}

// What a plain accept allocates is counted, so that it can't grow unseen. Most of it is gRPC's client; the stub of a model server
// and the store's writer run in the same process, and theirs are in it.
func TestPlainAcceptAllocatesLittle(t *testing.T) {
	const limit = 140 // the race detector has some of its own
	for name, exporters := range map[string][]sdktrace.SpanExporter{"no traces": nil, "unsampled": {tracetest.NewNoopExporter()}} {
		infer := plainPath(t, exporters...)
		infer() // connections, bound metrics, the first lease
		if n := testing.AllocsPerRun(200, infer); n > limit {
			t.Errorf("%s: %v allocations, want at most %d", name, n, limit)
		}
	}
}
