package backend

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// logged is a log that can be read while it is written.
type logged struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *logged) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.all.String(), text)
}

// breaking is a client with a defect: calls of the method panic while it is armed.
func breaking(method string, armed *atomic.Bool) grpc.DialOption {
	return grpc.WithUnaryInterceptor(func(ctx context.Context, name string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		if armed.Load() && strings.HasSuffix(name, "/"+method) {
			panic("a defect of " + method)
		}
		return invoke(ctx, name, req, reply, cc, opts...)
	})
}

// A defect in asking about a model ends neither the process nor the questions that come after.
func TestPanicInAProbe(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	var armed atomic.Bool
	log := new(logged)
	b := dial(t, digitsConfig(server.Addr()), Options{
		Logger: slog.New(slog.NewTextHandler(log, nil)), DialOptions: []grpc.DialOption{breaking("ModelMetadata", &armed)},
	})
	armed.Store(true)
	_, err := b.Metadata(t.Context())
	if f := failureOf(t, err); f == nil || f.Class != Excluded || f.Code != codes.Internal || f.Backend != "primary" || strings.Contains(f.Message, "ModelMetadata") {
		t.Errorf("failure %+v", f)
	}
	if !log.has("a defect of ModelMetadata") || !log.has("defect_test.go") {
		t.Error("the log has no panic, or not where it was")
	}
	armed.Store(false)
	eventually(t, "an answer", func() bool { _, err := b.Metadata(t.Context()); return err == nil })
}

// offended panics when a breaker changes.
type offended struct{}

func (offended) Attempt(context.Context, Attempt) {}

func (offended) BreakerChanged(string, candorv1.BreakerState, candorv1.BreakerState) {
	panic("a defect of the observer")
}

// A defect in telling of the breaker costs neither the call that opened it nor the probe that closes it.
func TestPanicOfABreakersObserver(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	cfg := digitsConfig(server.Addr())
	cfg.Breaker = &candorv1.BreakerConfig{MinCalls: proto.Uint32(1), OpenFor: durationpb.New(time.Millisecond)}
	var panics atomic.Int64
	log := new(logged)
	b := dial(t, cfg, Options{Observer: offended{}, Logger: slog.New(slog.NewTextHandler(log, nil)), Panicked: func() { panics.Add(1) }})
	server.Script(oiptest.Fail(codes.Internal, "broken"))
	if _, f := infer(t, t.Context(), b, digitsRequest(t, 1)); f == nil || f.Message != "broken" {
		t.Errorf("failure %+v", f)
	}
	eventually(t, "a closed breaker", func() bool {
		_, f := infer(t, t.Context(), b, digitsRequest(t, 1))
		return f == nil && b.Status().Breaker == closed
	})
	// Opened, half open, closed; it may have been half open more than once.
	if panics.Load() < 3 || !log.has("a defect of the observer") || b.Status().InFlight != 0 {
		t.Errorf("%d panics, status %+v", panics.Load(), b.Status())
	}
}

// A defect in watching replicas is logged, and they are watched again.
func TestPanicInAKeeper(t *testing.T) {
	servers := startServers(t, 2)
	var armed atomic.Bool
	armed.Store(true)
	log := new(logged)
	cfg := replicasConfig(servers...)
	cfg.Warm = true
	b := dial(t, cfg, Options{Logger: slog.New(slog.NewTextHandler(log, nil)), DialOptions: []grpc.DialOption{breaking("ModelReady", &armed)}})
	eventually(t, "a panic", func() bool { return log.has("a defect of ModelReady") })
	armed.Store(false)
	awaitStates(t, b, func(ReplicaStatus) candorv1.ReplicaState { return serving })
	if failures := many(t, b, 1, 10); failures > 0 {
		t.Errorf("%d failures", failures)
	}
}

// A defect in looking the name up leaves the replicas as they are, and is tried again.
func TestPanicInALookup(t *testing.T) {
	servers, port := namedServers(t, 1)
	log, names := new(logged), new(zone)
	names.set(nil, "127.0.0.1")
	cfg := namedConfig(port)
	cfg.Warm = true
	b := dial(t, cfg, Options{Logger: slog.New(slog.NewTextHandler(log, nil)), Lookup: func(ctx context.Context, host string) ([]string, error) {
		found, err := names.lookup(ctx, host)
		if names.asked.Load() == 1 {
			panic("a defect of the lookup")
		}
		return found, err
	}})
	eventually(t, "the replica by its address", func() bool { return hasServing(b, servers[0].Addr()) })
	if !log.has("a defect of the lookup") {
		t.Error("the log has no panic")
	}
}
