package backend

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
	"github.com/candor-gateway/candor/internal/wire"
)

// numbered sends the attempt's number along, and keeps which it was asked for.
type numbered struct {
	mu    sync.Mutex
	asked []int
}

func (n *numbered) Again(ctx context.Context, number int) context.Context {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = append(n.asked, number)
	return metadata.AppendToOutgoingContext(ctx, "x-number", string(rune('0'+number)))
}

// One attempt has nothing to add to its answer or failure; of several each is told, and all but the first have headers of their own.
func TestTriedTellsEachAttempt(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	cfg := digitsConfig(server.Addr())
	cfg.Retry = &candorv1.RetryConfig{MaxAttempts: proto.Uint32(3), Budget: proto.Float64(1)}
	cfg.Breaker.MinCalls = proto.Uint32(1000)
	b := dial(t, cfg, Options{})
	own := new(numbered)
	ask := func() (*Answer, *Failure) {
		answer, err := b.Infer(t.Context(), Terms{Headers: own}, wire.NewFrame(digitsRequest(t, 1)), nil)
		return answer, failureOf(t, err)
	}
	if answer, f := ask(); f != nil || answer.Tried != nil || answer.Waited != 0 {
		t.Errorf("one attempt: %+v, %v", answer, f)
	}
	server.Script(oiptest.Fail(codes.Internal, "CUDA error"))
	if _, f := ask(); f == nil || f.Tried != nil || f.Attempts != 1 {
		t.Errorf("one failure: %+v", f)
	}
	already := server.Calls()
	server.Script(unavailable, unavailable)
	answer, f := ask()
	if f != nil || len(answer.Tried) != 3 {
		t.Fatalf("three attempts: %+v, %v", answer, f)
	}
	for i, a := range answer.Tried {
		sent := server.History()[already+i].Metadata.Get("x-number")
		if a.Number != i+1 || a.Hedge || a.Lost || (a.Failure == nil) != (i == 2) || a.Duration <= 0 || i > 0 && !a.Start.After(answer.Tried[i-1].Start) || (len(sent) > 0) != (i > 0) {
			t.Errorf("attempt %d is %+v, sent %q", i, a, sent)
		}
	}
	server.Script(unavailable, unavailable, unavailable)
	if _, f = ask(); f == nil || len(f.Tried) != 3 || f.Tried[2].Failure == nil || f.Tried[2].Failure.Message != f.Message {
		t.Errorf("three failures: %+v", f)
	}
	if len(own.asked) != 4 {
		t.Errorf("headers were made for %v", own.asked)
	}
}

func TestTriedTellsHedges(t *testing.T) {
	for name, won := range map[string]bool{"the hedge wins": true, "the first wins": false} {
		t.Run(name, func(t *testing.T) {
			server := oiptest.Start(t, digitsModel())
			b := hedged(t, server, Options{})
			gone, second := make(chan struct{}), make(chan struct{})
			if won {
				server.Script(stuck(gone))
			} else {
				server.Script(func(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
					<-second
					return oiptest.Const(0.25, 0.75)(ctx, req)
				}, func(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
					close(second)
					return stuck(gone)(ctx, req)
				})
			}
			own := new(numbered)
			answer, err := b.Infer(t.Context(), Terms{Headers: own}, wire.NewFrame(digitsRequest(t, 1)), nil)
			if err != nil {
				t.Fatal(err)
			}
			<-gone
			if len(answer.Tried) != 2 || len(own.asked) != 1 || own.asked[0] != 2 {
				t.Fatalf("tried %+v, headers for %v", answer.Tried, own.asked)
			}
			first, beside := answer.Tried[0], answer.Tried[1]
			if first.Hedge || !beside.Hedge || first.Lost != won || beside.Lost == won || beside.Number != 2 || !beside.Start.After(first.Start) {
				t.Errorf("first %+v, beside %+v", first, beside)
			}
		})
	}
}

// A call that waits for a place says how long, whether it gets it or not, and the model server's time has none of it.
func TestWaitingIsTold(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	cfg := digitsConfig(server.Addr())
	cfg.MaxInFlight = proto.Uint32(2)
	b := dial(t, cfg, Options{})
	b.limiter.mu.Lock()
	b.limiter.g.limit = 1
	b.limiter.mu.Unlock()
	server.Hang()
	first := make(chan *Failure, 1)
	go func() {
		_, f := infer(t, context.Background(), b, digitsRequest(t, 1))
		first <- f
	}()
	if err := server.AwaitCalls(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	_, f := infer(t, t.Context(), b, digitsRequest(t, 1))
	if f == nil || f.Class != Overload || f.Attempts != 0 || f.Waited < waitLeast {
		t.Errorf("refused with %+v", f)
	}
	b.tempo.answered(time.Now(), time.Hour) // so that the next waits until its place is free
	second := make(chan *Answer, 1)
	go func() {
		answer, _ := infer(t, context.Background(), b, digitsRequest(t, 1))
		second <- answer
	}()
	eventually(t, "one that waits", func() bool { return b.Status().Queued == 1 })
	server.Resume()
	if answer := <-second; answer == nil || answer.Waited <= 0 || answer.Tried != nil {
		t.Errorf("answer %+v", answer)
	}
	if f := <-first; f != nil {
		t.Error(f)
	}
	if s := b.Status(); s.Waited != 1 || s.MaxInFlight != 2 || !s.Measured || s.Usual <= 0 {
		t.Errorf("status %+v", s)
	}
}

// What became of the breaker is kept, with why, and an outage is not pushed out by replicas that come and go.
func TestHistory(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	cfg := digitsConfig(server.Addr())
	cfg.Breaker.MinCalls, cfg.Breaker.OpenFor = proto.Uint32(1), durationpb.New(time.Millisecond)
	b := dial(t, cfg, Options{})
	if s := b.Status(); len(s.Events) != 0 || !s.BreakerTime.IsZero() {
		t.Errorf("events before anything happened: %+v", s.Events)
	}
	server.Script(oiptest.Fail(codes.Internal, "CUDA error"))
	began := time.Now()
	infer(t, t.Context(), b, digitsRequest(t, 1))
	eventually(t, "closed again", func() bool {
		infer(t, t.Context(), b, digitsRequest(t, 1))
		return b.Status().Breaker == closed
	})
	events := b.Status().Events
	var kinds []candorv1.BackendEventKind
	for _, e := range events {
		kinds = append(kinds, e.Kind)
	}
	if len(events) != 3 || kinds[0] != candorv1.BackendEventKind_BACKEND_EVENT_KIND_BREAKER_CLOSED || kinds[1] != candorv1.BackendEventKind_BACKEND_EVENT_KIND_BREAKER_HALF_OPENED ||
		kinds[2] != candorv1.BackendEventKind_BACKEND_EVENT_KIND_BREAKER_OPENED || events[2].Why != "CUDA error" || events[0].Why != "" {
		t.Fatalf("events %+v", events)
	}
	for range 3 * historyEach {
		b.conns.history.note(candorv1.BackendEventKind_BACKEND_EVENT_KIND_REPLICA_READY, "a:1", "")
	}
	s := b.Status()
	if len(s.Events) != 3+historyEach || s.Events[len(s.Events)-1].Why != "CUDA error" || !s.BreakerTime.Equal(events[0].Time) {
		t.Errorf("%d events, the breaker changed at %v", len(s.Events), s.BreakerTime)
	}
	if n := len(b.EventsSince(began)); n != len(s.Events) {
		t.Errorf("%d events since the beginning", n)
	}
	if n := len(b.EventsSince(time.Now())); n != 0 {
		t.Errorf("%d events since now", n)
	}
}

func TestHistoryOfReplicas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := paperFleet(t, 4, nil)
		began := time.Now()
		f.mu.Lock()
		f.eject(f.all[0], began, "5 failures in a row")
		f.mu.Unlock()
		time.Sleep(defaultEjection)
		synctest.Wait()
		f.linked(f.all[1], linkDown)
		if err := f.setAddresses([]string{"a:1", "b:1", "c:1"}); err != nil {
			t.Fatal(err)
		}
		events, breaker := f.history.since(began)
		said := map[candorv1.BackendEventKind]Event{}
		for _, e := range events {
			said[e.Kind] = e
		}
		const kind = "BACKEND_EVENT_KIND_REPLICA_"
		for name, replica := range map[string]string{"EJECTED": "a:1", "RETURNING": "a:1", "UNREACHABLE": "b:1", "VANISHED": "d:1"} {
			if e := said[candorv1.BackendEventKind(candorv1.BackendEventKind_value[kind+name])]; e.Replica != replica {
				t.Errorf("%s of %q, want %q", name, e.Replica, replica)
			}
		}
		if why := said[candorv1.BackendEventKind_BACKEND_EVENT_KIND_REPLICA_EJECTED].Why; why != "5 failures in a row; for 10s" || !breaker.IsZero() || len(events) != 8 { // four were ready at first
			t.Errorf("ejected because %q; events %+v", why, events)
		}
	})
}
