package backend

import (
	"math/rand/v2"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/oiptest"
	"github.com/candor-gateway/candor/internal/wire"
)

// Whatever happens on streams in whatever order, connections count what a plain model counts.
func TestLoadOfStreams(t *testing.T) {
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 2))
		conn := new(sharedConn)
		cs := conns{conn}
		var streams []*Stream
		// used: it has carried a request. A new stream waits for its first one.
		used := map[*Stream]bool{}
		for range 200 {
			if len(streams) == 0 || rng.IntN(4) == 0 {
				cs.take()
				streams = append(streams, &Stream{conn: conn})
			}
			i := rng.IntN(len(streams))
			switch s := streams[i]; {
			case rng.IntN(6) == 0:
				s.settle()
				s.settle()
				// Its requests end later, and count no more.
				for range s.waiting {
					s.leave()
				}
				streams = append(streams[:i], streams[i+1:]...)
			case s.waiting > 0 && rng.IntN(2) == 0:
				s.leave()
			default:
				s.enter()
				used[s] = true
			}
			var load, waiting int64
			for _, s := range streams {
				load += int64(max(1, s.waiting))
				if waiting += int64(s.waiting); !used[s] {
					waiting++
				}
			}
			if cs.carried() != int64(len(streams)) || cs.load() != load || cs.inFlight() != waiting {
				t.Fatalf("seed %d: carried %d, load %d, in flight %d; want %d, %d, %d", seed, cs.carried(), cs.load(), cs.inFlight(), len(streams), load, waiting)
			}
		}
	}
}

// A replica that returns is tried although an idle stream has stayed on it.
func TestIdleStreamsDoNotKeepAReplicaOut(t *testing.T) {
	servers := startServers(t, 2)
	cfg := replicasConfig(servers...)
	cfg.Dialect = candorv1.Dialect_DIALECT_TRITON
	b := settled(t, cfg, Options{})
	for range 4 {
		exchangeOn(t, b, openOne(t, b))
	}
	servers[0].FailWith(status.Error(codes.Internal, "CUDA error"))
	eventually(t, "an ejection", func() bool { many(t, b, 4, 5); return statesOf(b)[servers[0].Addr()].Ejections > 0 })
	servers[0].FailWith(nil)
	eventually(t, "its return", func() bool { many(t, b, 4, 5); return statesOf(b)[servers[0].Addr()].State == serving })
}

// openOne begins a request and opens a stream for it.
func openOne(t *testing.T, b *Backend) *Turn {
	t.Helper()
	turn := begin(t, b, nil)
	s, f := b.OpenStream(t.Context(), b.Timeout(), turn)
	if f != nil {
		t.Fatal(f)
	}
	t.Cleanup(s.Close)
	turn.On(s)
	return turn
}

// exchangeOn sends the request and hears its answer.
func exchangeOn(t *testing.T, b *Backend, turn *Turn) {
	t.Helper()
	if err := turn.stream.Send(wire.NewFrame(digitsRequest(t, 1))); err != nil {
		t.Fatal(err)
	}
	m, f := turn.stream.Recv()
	if f != nil {
		t.Fatal(f)
	}
	if _, f := turn.Answer(t.Context(), m.Response, true, nil); f != nil {
		t.Fatal(f)
	}
	turn.End()
}

// What a replica's streams bring counts by the classes that unary calls have: a stream that ends without an answer, and an answer that
// breaks the card, but not the end of a stream on which nobody waits.
func TestStreamEndsCountForTheirReplica(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(t *testing.T, turn *Turn)
		want int64
	}{
		{"no answer", func(t *testing.T, turn *Turn) { turn.Fail(t.Context(), Unanswered(), true) }, 1},
		{"not for this one of several", func(t *testing.T, turn *Turn) { turn.Fail(t.Context(), Unanswered(), false) }, 0},
		{"an answer that breaks the card", func(t *testing.T, turn *Turn) {
			empty, err := wire.ScanResponse(wire.NewFrame())
			if err != nil {
				t.Fatal(err)
			}
			turn.Answer(t.Context(), empty, true, func(*wire.Response) Verdict { return Verdict{Unusable: "NaN"} })
		}, 1},
		{"the client's fault", func(t *testing.T, turn *Turn) { turn.Said(t.Context(), "unexpected shape for input", true) }, 0},
		{"a crash", func(t *testing.T, turn *Turn) { turn.Said(t.Context(), "CUDA error", true) }, 1},
		{"nobody waits", func(t *testing.T, turn *Turn) {
			turn.End()
			turn.stream.GiveUp("enough")
			if _, f := turn.stream.Recv(); f == nil || f.Class != Excluded {
				t.Errorf("%v", f)
			}
		}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			servers := startServers(t, 2)
			cfg := replicasConfig(servers...)
			cfg.Dialect = candorv1.Dialect_DIALECT_TRITON
			b := settled(t, cfg, Options{})
			test.end(t, openOne(t, b))
			var failures int64
			for _, r := range b.Status().Replicas {
				failures += r.Failures
			}
			if failures != test.want {
				t.Errorf("%d failures, want %d", failures, test.want)
			}
		})
	}
}

// A request that waits behind others of its stream has an attempt's time to find a place, one that is alone a moment; the lowest
// priority is refused first.
func TestTurnsHavePlaces(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	cfg := digitsConfig(server.Addr())
	cfg.MaxInFlight, cfg.Timeout, cfg.AdaptiveLimit = proto.Uint32(2), durationpb.New(10*time.Second), proto.Bool(true)
	cfg.Breaker = nil
	b := dial(t, cfg, Options{})
	b.limiter.most = 4
	one, two := begin(t, b, nil), begin(t, b, nil)
	if _, f := b.Begin(t.Context(), Terms{}, 0, false); f == nil || f.Class != Overload || f.RetryAfter <= 0 {
		t.Errorf("%+v", f)
	}
	type result struct {
		turn *Turn
		f    *Failure
	}
	wait := func(p candorv1.Priority) chan result {
		out := make(chan result, 1)
		go func() {
			turn, f := b.Begin(t.Context(), Terms{Priority: p}, 0, true)
			out <- result{turn, f}
		}()
		return out
	}
	queued := func(n int64) {
		t.Helper()
		eventually(t, "requests that wait", func() bool { return b.Status().Queued == n })
	}
	first := wait(low)
	queued(1)
	second := wait(high) // in a place of its own
	r := <-second
	if r.f != nil {
		t.Fatalf("the highest priority: %v", r.f)
	}
	r.turn.End()
	queued(1)
	second = wait(high)
	third := wait(candorv1.Priority_PRIORITY_NORMAL)
	if r := <-first; r.f == nil || r.f.Class != Overload {
		t.Errorf("the lowest priority: %+v", r.f)
	}
	r = <-second
	if r.f != nil {
		t.Fatalf("the highest priority: %v", r.f)
	}
	queued(1)
	one.Rest()
	r.turn.End()
	if r = <-third; r.f != nil {
		t.Fatalf("normal priority: %v", r.f)
	}
	r.turn.End()
	two.End()
	one.End()
	if s := b.Status(); s.InFlight != 0 || s.ShedLow != 1 || s.ShedNormal != 1 {
		t.Errorf("%+v", s)
	}
}

// Whole answers that waited for no other feed the measured limit, and those that waited don't; a model server that says on a stream that
// it has too much to do lowers it at once.
func TestStreamsFeedTheLimit(t *testing.T) {
	cfg := digitsConfig(oiptest.Start(t, digitsModel()).Addr())
	cfg.Dialect, cfg.AdaptiveLimit = candorv1.Dialect_DIALECT_TRITON, proto.Bool(true)
	b := settled(t, cfg, Options{})
	fed := func() (samples int, limit float64) {
		b.limiter.mu.Lock()
		defer b.limiter.mu.Unlock()
		return b.limiter.g.samples, b.limiter.g.limit
	}
	before, limit := fed()
	exchangeOn(t, b, openOne(t, b))
	if n, _ := fed(); n != before+1 {
		t.Errorf("a whole answer: %d samples, want %d", n, before+1)
	}
	behind := openOne(t, b)
	behind.queued = true
	exchangeOn(t, b, behind)
	if n, _ := fed(); n != before+1 {
		t.Errorf("an answer behind others: %d samples, want %d", n, before+1)
	}
	turn := openOne(t, b)
	if f := turn.Said(t.Context(), "Exceeds maximum queue size", true); f.Class != Overload {
		t.Fatalf("%+v", f)
	}
	if _, now := fed(); now >= limit {
		t.Errorf("after a refusal the limit is %v, and was %v", now, limit)
	}
}
