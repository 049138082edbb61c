package soak

import (
	"context"
	"crypto/tls"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	_ "google.golang.org/grpc/health" // the client's side of health checks
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
)

// spread is a client as docs/reload.md describes it: it spreads its calls over the gateways and heeds their health. It has no retries.
func spread(t *testing.T, security *tls.Config, addresses ...string) *grpc.ClientConn {
	t.Helper()
	r := manual.NewBuilderWithScheme("gateways")
	var state resolver.State
	for _, a := range addresses {
		state.Addresses = append(state.Addresses, resolver.Address{Addr: a, ServerName: "127.0.0.1"})
	}
	r.InitialState(state)
	conn, err := grpc.NewClient("gateways:///all", grpc.WithResolvers(r), grpc.WithTransportCredentials(credentials.NewTLS(security)),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": "inference.GRPCInferenceService"}}`))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// crowd calls without pause until it goes home.
type crowd struct {
	cancel  context.CancelFunc
	running sync.WaitGroup
	calls   atomic.Int64
	times   took

	mu     sync.Mutex
	failed []error
}

func newCrowd(conn *grpc.ClientConn, callers int) *crowd {
	ctx, cancel := context.WithCancel(context.Background())
	c := &crowd{cancel: cancel}
	for range callers {
		c.running.Go(func() {
			for ctx.Err() == nil {
				_, d, err := infer(conn, sure(), patience)
				c.calls.Add(1)
				c.times.add(d)
				if err != nil {
					c.mu.Lock()
					c.failed = append(c.failed, err)
					c.mu.Unlock()
				}
			}
		})
	}
	return c
}

// goHome ends the calls, and wants that none failed.
func (c *crowd) goHome(t *testing.T) {
	t.Helper()
	c.cancel()
	c.running.Wait()
	if len(c.failed) > 0 {
		t.Errorf("%d of %d calls failed; the first: %v", len(c.failed), c.calls.Load(), c.failed[0])
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
