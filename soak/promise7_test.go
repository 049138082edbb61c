package soak

import (
	"context"
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// memoryCap is what the gateway may take beyond what it took before the attack: as much as one bomb of the four that go off at once,
// again and again.
const memoryCap = 256 << 20

// target is a server that is attacked.
type target struct {
	name, addr string
	pid        int
}

// harmed is what an attack did to a server and its healthy client.
type harmed struct {
	struck    int
	times     took
	processor time.Duration // that the server had
	grown     int64         // bytes
	refused   int           // calls of the healthy client that were shed
}

// TestPromise7Bounded: attacks cost the gateway no memory beyond its cap, and a healthy client is answered. All share the machine, so that an
// attack costs the client something whatever the server does: the same is done to a plain server, and to a process that only reads.
func TestPromise7Bounded(t *testing.T) {
	f := promise(t, 7, "bounded under attack",
		"a process of the lowest priority attacks, over four connections at once, a gateway, and for comparison a plain grpc-go server, and a process that reads and forgets: "+names())
	model := modelServer(t, "primary")
	g := serve(t, fmt.Sprintf(`
listen: {grpc: "127.0.0.1:0", http: "127.0.0.1:0", max_message_bytes: %d, max_concurrent_streams: %d}`, attackedBytes, attackedStreams)+`
store: {identity: soak, sqlite: {path: candor.db}}
consumers:
  anyone: {identity: {anonymous: true}, models: ["*"], priority: low}
  healthy: {identity: {token_sha256: 93c0f0ebfef46bab6c0f57b299c5e1bec04a56ffb552d205aa1e39e978f68cde}, models: ["*"], priority: high}
backends:`+patient(backendConfig("primary", model.Addr(), ""))+`
models: {fraud: {primary: primary, policy: {mode: enforce, accept: {threshold: {probability: 0.9}}, answers: [{output: probabilities, fill: scores}]}}}
`)
	targets := []target{{"Candor", g.grpc, g.cmd.Process.Pid}, startPlain(t, model.Addr())}
	each := max(span()/time.Duration(3*len(attacks)+4), time.Second)
	var alone [2]*harmed
	var conns [2]*grpc.ClientConn
	for i, on := range targets {
		conn, err := grpc.NewClient(on.addr, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithUnaryInterceptor(healthyClient))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		conns[i] = conn
		underAttack(t, on, conn, each, calm, "") // warms up
		alone[i] = underAttack(t, on, conn, each, calm, "")
		f.say("healthy client alone, "+on.name, "p99 %v, %d calls", alone[i].times.quantile(.99).Round(10*time.Microsecond), alone[i].times.count())
	}
	refused, sink := 0, startSink(t)
	for number, a := range attacks {
		beside := underAttack(t, targets[0], conns[0], each, number, sink).times.quantile(.99)
		f.say(a.name+", on a process that reads and forgets", "Candor's healthy p99 %.1f x of alone (%v)",
			float64(beside)/float64(alone[0].times.quantile(.99)), beside.Round(10*time.Microsecond))
		for i, on := range targets {
			h := underAttack(t, on, conns[i], each, number, on.addr)
			if h.struck == 0 {
				t.Errorf("%s: nothing was tried", a.name)
			}
			if i == 0 {
				refused += h.refused
				if h.grown > memoryCap {
					t.Errorf("%s: memory grew by %d MiB, beyond %d", a.name, h.grown>>20, memoryCap>>20)
				}
			}
			p99 := h.times.quantile(.99)
			f.say(a.name+", "+on.name, "healthy p99 %.1f x of alone (%v), %d calls; struck %d times; processor %v of %v; memory %+d MiB",
				float64(p99)/float64(alone[i].times.quantile(.99)), p99.Round(10*time.Microsecond), h.times.count(), h.struck,
				h.processor.Round(10*time.Millisecond), each, h.grown>>20)
		}
	}
	if n := g.metric("candor_breaker_transitions_total{"); n != 0 {
		t.Errorf("breakers moved %v times", n)
	}
	f.say("calls of the healthy client that Candor shed", "%d", refused)
	f.say("connections that Candor read more slowly", "%.0f times", g.metric("candor_reset_waits_total"))
}

// calm is the number of no attack.
const calm = -1

// underAttack measures the healthy client's calls to a server for a while, beside an attack on it or on another.
func underAttack(t *testing.T, on target, conn *grpc.ClientConn, d time.Duration, attack int, attacked string) *harmed {
	t.Helper()
	var h harmed
	stop := func() int { return 0 }
	if attack != calm {
		stop = startAttack(t, attack, attacked)
	}
	rested, had := memoryOf(on.pid), processorOf(on.pid)
	most := rested
	for end := time.Now().Add(d); time.Now().Before(end); {
		_, took, err := infer(conn, sure(), patience)
		switch {
		case status.Code(err) == codes.ResourceExhausted:
			h.refused++ // shed, in so many words and at once
		case err != nil:
			t.Fatalf("the healthy client of %s: %v", on.name, err)
		}
		h.times.add(took)
		if h.times.count()%20 == 0 {
			most = max(most, memoryOf(on.pid))
		}
	}
	h.processor = processorOf(on.pid) - had
	h.grown = max(most, memoryOf(on.pid)) - rested
	h.struck = stop()
	return &h
}

// healthyClient says who the healthy client is.
func healthyClient(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	return invoke(as(ctx, "healthy"), method, req, reply, cc, opts...)
}
