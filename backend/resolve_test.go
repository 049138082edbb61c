package backend

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// zone is a name server of one name, which a test changes.
type zone struct {
	mu      sync.Mutex
	records []string
	err     error
	asked   atomic.Int64
}

func (z *zone) set(err error, records ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.records, z.err = records, err
}

func (z *zone) lookup(_ context.Context, host string) ([]string, error) {
	z.asked.Add(1)
	if host != "localhost" && host != "model.test" {
		return nil, errors.New("no such host: " + host)
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	return slices.Clone(z.records), z.err
}

// startAt starts a server at an address; empty: a free one.
func startAt(t *testing.T, address string) *oiptest.Server {
	t.Helper()
	return oiptest.StartWith(t, oiptest.Options{Address: address}, digitsModel())
}

// namedServers are n servers on one port of 127.0.0.1, 127.0.0.2 and so on, and the port.
func namedServers(t *testing.T, n int) ([]*oiptest.Server, string) {
	t.Helper()
	first := startAt(t, "")
	_, port, err := net.SplitHostPort(first.Addr())
	if err != nil {
		t.Fatal(err)
	}
	out := []*oiptest.Server{first}
	for i := 1; i < n; i++ {
		out = append(out, startAt(t, "127.0.0."+fmt.Sprint(1+i)+":"+port))
	}
	return out, port
}

func namedConfig(port string) *candorv1.Backend {
	cfg := digitsConfig("dns:///localhost:" + port)
	// How many calls a busy machine can take is no subject of these tests.
	cfg.Breaker, cfg.AdaptiveLimit = nil, proto.Bool(false)
	cfg.Replicas = &candorv1.Replicas{ProbeEvery: durationpb.New(100 * time.Millisecond), ResolveEvery: durationpb.New(time.Second)}
	return cfg
}

// hasServing says whether exactly these addresses serve.
func hasServing(b *Backend, want ...string) bool {
	var have []string
	for _, r := range b.Status().Replicas {
		if r.State == serving {
			have = append(have, r.Address)
		}
	}
	return slices.Equal(have, want)
}

func TestRecordsOfANameAreReplicas(t *testing.T) {
	servers, port := namedServers(t, 3)
	z := new(zone)
	z.set(nil, "127.0.0.2", "127.0.0.1", "127.0.0.2")
	b := dial(t, namedConfig(port), Options{Lookup: z.lookup})
	if b.Address() != "dns:///localhost:"+port {
		t.Errorf("address %s", b.Address())
	}
	if z.asked.Load() != 0 {
		t.Error("the name was looked up before the first call")
	}
	// The first call waits for nobody's look-up but gRPC's own.
	if failures := many(t, b, 4, 5); failures > 0 {
		t.Errorf("%d calls failed", failures)
	}
	eventually(t, "two replicas", func() bool {
		return hasServing(b, servers[0].Addr(), servers[1].Addr()) && len(b.Status().Replicas) == 2
	})

	// A call is in flight at each while one leaves and another comes.
	for _, s := range servers[:2] {
		s.Hang()
	}
	var all sync.WaitGroup
	var failures atomic.Int64
	for range 8 {
		all.Go(func() { failures.Add(many(t, b, 1, 1)) })
	}
	eventually(t, "calls in flight at both", func() bool {
		s := statesOf(b)
		return s[servers[0].Addr()].InFlight > 0 && s[servers[1].Addr()].InFlight > 0
	})
	z.set(nil, "127.0.0.1", "127.0.0.3")
	eventually(t, "one drains", func() bool { return statesOf(b)[servers[1].Addr()].State == draining })
	for _, s := range servers[:2] {
		s.Resume()
	}
	all.Wait()
	if failures.Load() > 0 {
		t.Errorf("%d calls in flight were lost", failures.Load())
	}
	eventually(t, "the one that vanished has gone", func() bool {
		return hasServing(b, servers[0].Addr(), servers[2].Addr()) && len(b.Status().Replicas) == 2
	})
	before := servers[1].Calls()
	if failures := many(t, b, 4, 20); failures > 0 || servers[1].Calls() != before || servers[2].Calls() == 0 {
		t.Errorf("%d failures, %d calls at the one that vanished, %d at the one that came", failures, servers[1].Calls()-before, servers[2].Calls())
	}
}

// A name that can't be looked up leaves the replicas as they are.
func TestALookupThatFailsChangesNothing(t *testing.T) {
	servers, port := namedServers(t, 2)
	z := new(zone)
	z.set(errors.New("the name server is down"))
	b := dial(t, namedConfig(port), Options{Lookup: z.lookup})
	if failures := many(t, b, 2, 5); failures > 0 {
		t.Errorf("%d calls failed", failures)
	}
	z.set(nil, "127.0.0.1", "127.0.0.2")
	eventually(t, "two replicas", func() bool { return hasServing(b, servers[0].Addr(), servers[1].Addr()) })
	for _, bad := range []struct {
		err     error
		records []string
	}{{errors.New("down"), nil}, {nil, nil}, {nil, []string{"127.0.0.1", "nonsense"}}} {
		z.set(bad.err, bad.records...)
		asked := z.asked.Load()
		eventually(t, "another look-up", func() bool { return z.asked.Load() > asked+1 })
		if !hasServing(b, servers[0].Addr(), servers[1].Addr()) {
			t.Errorf("replicas %+v", b.Status().Replicas)
		}
	}
}

// When a connection breaks, its record may have gone.
func TestABrokenConnectionLooksTheNameUp(t *testing.T) {
	servers, port := namedServers(t, 2)
	z := new(zone)
	z.set(nil, "127.0.0.1", "127.0.0.2")
	cfg := namedConfig(port)
	cfg.Replicas.ResolveEvery = durationpb.New(time.Hour)
	cfg.Warm = true
	b := dial(t, cfg, Options{Lookup: z.lookup})
	eventually(t, "two replicas", func() bool { return hasServing(b, servers[0].Addr(), servers[1].Addr()) })
	z.set(nil, "127.0.0.1")
	servers[1].Kill()
	eventually(t, "one replica", func() bool { return hasServing(b, servers[0].Addr()) && len(b.Status().Replicas) == 1 })
}

// Addresses come and go under load, and no call is lost.
func TestNoCallIsLostWhenAddressesChange(t *testing.T) {
	servers, port := namedServers(t, 3)
	z := new(zone)
	z.set(nil, "127.0.0.1", "127.0.0.2", "127.0.0.3")
	cfg := namedConfig(port)
	cfg.Warm = true
	b := dial(t, cfg, Options{Lookup: z.lookup})
	eventually(t, "three replicas", func() bool { return hasServing(b, servers[0].Addr(), servers[1].Addr(), servers[2].Addr()) })
	var failures atomic.Int64
	done := make(chan struct{})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					failures.Add(many(t, b, 1, 10))
				}
			}
		})
	}
	sets := [][]string{{servers[0].Addr()}, {servers[1].Addr(), servers[2].Addr()}, {servers[0].Addr(), servers[2].Addr()}}
	for i := range 60 {
		// As the resolver does, but without its pauses.
		if err := b.conns.setAddresses(sets[i%len(sets)]); err != nil {
			t.Fatal(err)
		}
		many(t, b, 1, 3)
	}
	close(done)
	all.Wait()
	if failures.Load() > 0 {
		t.Errorf("%d calls were lost", failures.Load())
	}
	eventually(t, "nobody drains", func() bool {
		return !slices.ContainsFunc(b.Status().Replicas, func(r ReplicaStatus) bool { return r.State == draining })
	})
}

func TestLookupOf(t *testing.T) {
	ask := func(records ...string) ([]string, error) {
		return lookupOf("models", "8001", func(context.Context, string) ([]string, error) { return records, nil })(t.Context())
	}
	got, err := ask("10.0.0.2", "fd00::1", "10.0.0.1", "::ffff:10.0.0.2")
	if want := []string{"10.0.0.1:8001", "10.0.0.2:8001", "[fd00::1]:8001"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
	var many []string
	for i := range maxReplicas + 10 {
		many = append(many, fmt.Sprintf("10.0.%d.%d", i/200, i%200))
	}
	if got, err := ask(many...); err != nil || len(got) != maxReplicas {
		t.Errorf("%d addresses, %v", len(got), err)
	}
	if _, err := ask(); err == nil {
		t.Error("no address, and no error")
	}
}

// With TLS a record's server must prove to be the name's host. Its address is in no certificate.
func TestARecordProvesTheName(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t, dir, "ca.pem")
	server := oiptest.StartWith(t, oiptest.Options{
		Address: "127.0.0.2:0", TLS: &tls.Config{Certificates: []tls.Certificate{ca.issue(t, dir, "server")}},
	}, digitsModel())
	_, port, err := net.SplitHostPort(server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	z := new(zone)
	z.set(nil, "127.0.0.2")
	for name, ok := range map[string]bool{"model.test": true, "localhost": false} {
		cfg := namedConfig(port)
		cfg.Address, cfg.Warm, cfg.Tls = "dns:///"+name+":"+port, true, &candorv1.ClientTLS{CaFile: ca.file}
		b := dial(t, cfg, Options{Lookup: z.lookup})
		want := serving
		if !ok {
			want = noLink
		}
		eventually(t, want.String(), func() bool { return statesOf(b)[server.Addr()].State == want })
	}
}
