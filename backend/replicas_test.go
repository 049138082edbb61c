package backend

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
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

// replicasConfig is a backend over these servers. Its breaker is the default one: half of ten calls within 30 s.
func replicasConfig(servers ...*oiptest.Server) *candorv1.Backend {
	cfg := digitsConfig("")
	// How many calls a busy machine can take is no subject of these tests.
	cfg.Breaker, cfg.AdaptiveLimit = nil, proto.Bool(false)
	for _, s := range servers {
		cfg.Addresses = append(cfg.Addresses, s.Addr())
	}
	cfg.Replicas = &candorv1.Replicas{
		ProbeEvery: durationpb.New(100 * time.Millisecond), Ejection: durationpb.New(200 * time.Millisecond),
	}
	return cfg
}

func startServers(t *testing.T, n int) []*oiptest.Server {
	t.Helper()
	var out []*oiptest.Server
	for range n {
		out = append(out, oiptest.Start(t, digitsModel()))
	}
	return out
}

// statesOf is the state of each replica by address.
func statesOf(b *Backend) map[string]ReplicaStatus {
	out := map[string]ReplicaStatus{}
	for _, r := range b.Status().Replicas {
		out[r.Address] = r
	}
	return out
}

// settled dials and waits until all serve.
func settled(t *testing.T, cfg *candorv1.Backend, o Options) *Backend {
	t.Helper()
	cfg.Warm = true
	b := dial(t, cfg, o)
	awaitStates(t, b, func(ReplicaStatus) candorv1.ReplicaState { return serving })
	return b
}

func awaitStates(t *testing.T, b *Backend, want func(ReplicaStatus) candorv1.ReplicaState) {
	t.Helper()
	eventually(t, "replicas in the states that are wanted", func() bool {
		for _, r := range b.Status().Replicas {
			if r.State != want(r) {
				return false
			}
		}
		return true
	})
}

// many makes n calls on each of several goroutines, and answers how many failed.
func many(t *testing.T, b *Backend, goroutines, n int) int64 {
	t.Helper()
	request := digitsRequest(t, 1)
	var failures atomic.Int64
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for range n {
				answer, err := b.Infer(context.Background(), Terms{}, wire.NewFrame(request), nil)
				if err != nil {
					if failures.Add(1) == 1 {
						t.Logf("the first that failed: %v", err)
					}
					continue
				}
				answer.Response.Frame().Free()
			}
		})
	}
	all.Wait()
	return failures.Load()
}

func TestCallsAreBalanced(t *testing.T) {
	for _, n := range []int{3, scanAtMost + 2} {
		t.Run(fmt.Sprint(n, " replicas"), func(t *testing.T) {
			servers := startServers(t, n)
			b := settled(t, replicasConfig(servers...), Options{})
			const goroutines, each = 30, 100
			if failures := many(t, b, goroutines, each); failures > 0 {
				t.Fatalf("%d calls failed", failures)
			}
			share := goroutines * each / n
			for _, s := range servers {
				if calls := s.Calls(); calls < share/2 || calls > 2*share {
					t.Errorf("%s got %d calls, a fair share is %d", s.Addr(), calls, share)
				}
			}
		})
	}
}

// A slow replica gets fewer calls: it has more of them in flight.
func TestTheLeastLoadedGetsTheCall(t *testing.T) {
	servers := startServers(t, 2)
	b := settled(t, replicasConfig(servers...), Options{})
	before := servers[0].Calls()
	servers[0].Hang()
	var stuck chan struct{}
	for servers[0].Calls() == before {
		// One after the other, so that no more than one gets there.
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			many(t, b, 1, 1)
		}()
		eventually(t, "a call that hangs, or has been answered", func() bool {
			select {
			case <-ended:
				return true
			default:
				return servers[0].Calls() > before
			}
		})
		stuck = ended
	}
	held := servers[0].Calls() - before
	// One call at a time: whoever has none in flight gets it.
	if failures := many(t, b, 1, 50); failures > 0 {
		t.Errorf("%d calls failed", failures)
	}
	if more := servers[0].Calls() - before; more != held {
		t.Errorf("the busy one got %d more calls", more-held)
	}
	servers[0].Resume()
	<-stuck
}

func TestOneOfThreeDies(t *testing.T) {
	servers := startServers(t, 3)
	b := settled(t, replicasConfig(servers...), Options{})
	dead := servers[1]
	dead.Kill()
	// What was in flight fails, and what meets the broken connection before that is known.
	const goroutines = 10
	if failures := many(t, b, goroutines, 100); failures > goroutines+int64(b.set.replicas.failuresInARow) {
		t.Errorf("%d of 1000 calls failed", failures)
	}
	awaitStates(t, b, func(r ReplicaStatus) candorv1.ReplicaState {
		if r.Address == dead.Addr() {
			return noLink
		}
		return serving
	})
	if failures := many(t, b, goroutines, 100); failures > 0 {
		t.Errorf("%d calls failed although the dead one is known", failures)
	}
	if s := b.Status(); s.Opened != 0 {
		t.Errorf("the breaker opened: %+v", s)
	}

	dead.Restart()
	before := dead.Calls()
	eventually(t, "calls at the one that is back", func() bool { return many(t, b, 1, 1) == 0 && dead.Calls() > before })
}

// It accepts connections and calls, and never answers anything: a stopped process.
func TestOneOfThreeHangs(t *testing.T) {
	servers := startServers(t, 3)
	cfg := replicasConfig(servers...)
	cfg.Timeout = durationpb.New(time.Second) // for a call that isn't answered; those that are must not come near it on a busy machine
	b := settled(t, cfg, Options{})
	many(t, b, 1, 30) // its usual time is known
	hung := servers[2]
	hung.Hang()
	const goroutines = 6
	var failures int64
	eventually(t, "the one that hangs is out", func() bool {
		failures += many(t, b, goroutines, 20)
		return statesOf(b)[hung.Addr()].State != serving
	})
	if failures > int64(b.set.replicas.failuresInARow)+goroutines {
		t.Errorf("%d calls failed", failures)
	}
	if failures := many(t, b, goroutines, 100); failures > 0 {
		t.Errorf("%d calls failed although it is out", failures)
	}
	if s := b.Status(); s.Opened != 0 {
		t.Errorf("the breaker opened: %+v", s)
	}
	hung.Resume()
	before := hung.Calls()
	eventually(t, "calls at the one that answers again", func() bool { many(t, b, 1, 5); return hung.Calls() > before+trialAnswers })
}

// It says that it is ready, and fails every call.
func TestAFailingReplicaIsEjectedAndReturns(t *testing.T) {
	servers := startServers(t, 3)
	cfg := replicasConfig(servers...)
	cfg.Replicas.Ejection = durationpb.New(time.Hour)
	cfg.Replicas.MaxEjection = durationpb.New(2 * time.Hour)
	watch := new(recorder)
	b := settled(t, cfg, Options{Observer: watch})
	watch.backend = b
	bad := servers[0]
	bad.FailWith(status.Error(codes.Internal, "CUDA error"))
	if failures := many(t, b, 1, 300); failures != int64(b.set.replicas.failuresInARow) {
		t.Errorf("%d of 300 calls failed, want %d", failures, b.set.replicas.failuresInARow)
	}
	if s := statesOf(b)[bad.Addr()]; s.State != ejected || s.Ejections != 1 || s.Failures != 5 || time.Until(s.EjectedUntil) < 50*time.Minute {
		t.Errorf("status %+v", s)
	}
	if s := b.Status(); s.Opened != 0 {
		t.Errorf("the breaker opened: %+v", s)
	}
	// A new process at its address is another matter.
	bad.Kill()
	bad.FailWith(nil)
	bad.Restart()
	before := bad.Calls()
	eventually(t, "calls at the one that was ejected", func() bool { return many(t, b, 1, 5) == 0 && bad.Calls() > before+trialAnswers })
	awaitStates(t, b, func(ReplicaStatus) candorv1.ReplicaState { return serving })
}

func TestHalfOfThemFail(t *testing.T) {
	servers := startServers(t, 4)
	cfg := replicasConfig(servers...)
	cfg.Replicas.Ejection = durationpb.New(time.Hour)
	cfg.Replicas.MaxEjection = durationpb.New(time.Hour)
	// Two times four failures may count before both are out.
	cfg.Breaker = &candorv1.BreakerConfig{MinCalls: proto.Uint32(20)}
	b := settled(t, cfg, Options{})
	for _, s := range servers[:2] {
		s.FailWith(status.Error(codes.Internal, "CUDA error"))
	}
	if failures := many(t, b, 1, 300); failures > 10+5 {
		t.Errorf("%d of 300 calls failed", failures)
	}
	if s := b.Status(); s.Panicking || s.Opened > 0 {
		t.Errorf("status %+v", s)
	}
	// One of the two that work goes away: two of three are ejected, which is most. All that are there get calls, and the half that
	// works answers.
	servers[2].Kill()
	eventually(t, "panic", func() bool { return b.Status().Panicking })
	before := servers[0].Calls()
	eventually(t, "calls at one that is ejected", func() bool { many(t, b, 1, 3); return servers[0].Calls() > before })
	servers[2].Restart()
	eventually(t, "no panic", func() bool { return !b.Status().Panicking })
}

// Where all fail the breaker says so, and nobody is left without calls: they are found again as soon as they answer.
func TestAllFail(t *testing.T) {
	servers := startServers(t, 3)
	cfg := replicasConfig(servers...)
	cfg.Breaker = digitsConfig("").Breaker
	b := settled(t, cfg, Options{})
	for _, s := range servers {
		s.FailWith(status.Error(codes.Internal, "CUDA error"))
	}
	many(t, b, 4, 50)
	if s := b.Status(); s.Opened == 0 {
		t.Errorf("the breaker did not open: %+v", s)
	}
	for _, s := range servers {
		s.FailWith(nil)
	}
	heals(t, b)

	for _, s := range servers {
		s.Kill()
	}
	eventually(t, "a failure", func() bool { return many(t, b, 1, 1) > 0 })
	for _, s := range servers {
		s.Restart()
	}
	heals(t, b)
	awaitStates(t, b, func(ReplicaStatus) candorv1.ReplicaState {
		many(t, b, 1, 1) // those that return wait for calls
		return serving
	})
}

// One that isn't ready gets no calls, though it would answer them.
func TestOneThatIsNotReady(t *testing.T) {
	servers := startServers(t, 3)
	b := settled(t, replicasConfig(servers...), Options{})
	servers[1].SetReady(false)
	eventually(t, "not ready", func() bool { return statesOf(b)[servers[1].Addr()].State == notReady })
	before := servers[1].Calls()
	if failures := many(t, b, 3, 50); failures > 0 || servers[1].Calls() != before {
		t.Errorf("%d failures, %d calls at the one that isn't ready", failures, servers[1].Calls()-before)
	}
	// None is ready: whoever there is gets calls.
	servers[0].SetReady(false)
	servers[2].SetReady(false)
	awaitStates(t, b, func(ReplicaStatus) candorv1.ReplicaState { return notReady })
	if failures := many(t, b, 3, 50); failures > 0 {
		t.Errorf("%d failures", failures)
	}
	for _, s := range servers {
		s.SetReady(true)
	}
	awaitStates(t, b, func(ReplicaStatus) candorv1.ReplicaState { return serving })
}

// Servers that don't know ModelReady are judged by their calls alone.
func TestReplicasWithoutModelReady(t *testing.T) {
	var servers []*oiptest.Server
	for range 2 {
		servers = append(servers, oiptest.StartWith(t, oiptest.Options{Dialect: oiptest.Dialect{Missing: []string{"ModelReady"}}}, digitsModel()))
	}
	b := settled(t, replicasConfig(servers...), Options{})
	if failures := many(t, b, 2, 20); failures > 0 || servers[0].Calls() == 0 || servers[1].Calls() == 0 {
		t.Errorf("%d failures, calls %d and %d", failures, servers[0].Calls(), servers[1].Calls())
	}
}

func TestWarmConnectsBeforeTheFirstCall(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	cfg := digitsConfig(server.Addr())
	cfg.Warm = true
	b := dial(t, cfg, Options{})
	eventually(t, "a connection", func() bool { return b.conns.only[0].GetState().String() == "READY" })
	server.Kill()
	eventually(t, "no connection", func() bool { return b.conns.only[0].GetState().String() != "READY" })
	server.Restart()
	eventually(t, "a connection", func() bool { return b.conns.only[0].GetState().String() == "READY" })
	if server.Calls() != 0 {
		t.Error("there was a call")
	}
}

// What a stream meets counts for its replica, too.
func TestStreamsEject(t *testing.T) {
	servers := startServers(t, 2)
	cfg := replicasConfig(servers...)
	cfg.Replicas.Ejection = durationpb.New(time.Hour)
	cfg.Replicas.MaxEjection = durationpb.New(time.Hour)
	cfg.Dialect = candorv1.Dialect_DIALECT_TRITON
	b := settled(t, cfg, Options{})
	for range 5 {
		servers[0].ScriptStream(func(*oiptest.Stream) error { return status.Error(codes.Internal, "CUDA error") })
	}
	for i := 0; statesOf(b)[servers[0].Addr()].State == serving; i++ {
		if i > 1000 {
			t.Fatal("not ejected after 1000 streams")
		}
		turn, f := b.Begin(t.Context(), Terms{}, 1, false)
		if f != nil {
			t.Fatal(f)
		}
		stream, f := b.OpenStream(t.Context(), time.Second, turn)
		if f != nil {
			t.Fatal(f)
		}
		turn.On(stream)
		_ = stream.Send(wire.NewFrame(digitsRequest(t, 1)))
		if m, f := stream.Recv(); f != nil {
			turn.Fail(t.Context(), f, true)
		} else if _, f := turn.Answer(t.Context(), m.Response, true, nil); f != nil {
			t.Fatal(f)
		}
		turn.End()
		stream.Close()
	}
	if s := statesOf(b)[servers[0].Addr()]; s.State != ejected {
		t.Errorf("status %+v", s)
	}
	// But for a probe, which is there every now and then.
	eventually(t, "a replica with nothing in flight", func() bool { return statesOf(b)[servers[0].Addr()].InFlight == 0 })
}

// BenchmarkTake is the choice alone, of one address and of three.
func BenchmarkTake(b *testing.B) {
	for _, n := range []int{1, 3} {
		cfg := digitsConfig("127.0.0.1:1")
		if n > 1 {
			cfg.Address, cfg.Addresses = "", []string{"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"}
		}
		cfg.MaxInFlight = proto.Uint32(1000)
		be, err := Dial("primary", cfg, Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			began := time.Now()
			for b.Loop() {
				c := be.conns.take()
				c.release()
				c.heard(succeeded, began)
			}
		})
		if err := be.Close(); err != nil {
			b.Error(err)
		}
	}
}

func TestTakeAllocatesNothing(t *testing.T) {
	servers := startServers(t, 3)
	for name, b := range map[string]*Backend{
		"one": dial(t, digitsConfig(servers[0].Addr()), Options{}), "three": settled(t, replicasConfig(servers...), Options{}),
	} {
		now := time.Now()
		if n := testing.AllocsPerRun(1000, func() {
			c := b.conns.take()
			c.release()
			c.heard(succeeded, now)
		}); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
