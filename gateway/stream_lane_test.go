package gateway

import (
	"context"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/candor-gateway/candor/backend"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
)

// laneTo is a lane to a model server that nobody runs.
func laneTo(t *testing.T) *lane {
	t.Helper()
	g, _ := quiet()
	return &lane{s: &clientStream{g: g, ctx: t.Context(), outer: t.Context(), open: map[*backend.Stream]*lane{}}, primary: backendAt(t, "127.0.0.1:1")}
}

func backendAt(t *testing.T, address string) *backend.Backend {
	t.Helper()
	card := &candorv1.ModelCard{
		CreatedAt: timestamppb.Now(), Owner: "team", Rows: candorv1.Rows_ROWS_FIRST_DIM,
		Inputs:  []*candorv1.InputSpec{{Name: "x", Datatype: "FP32", Shape: []int64{-1, 2}}},
		Outputs: []*candorv1.OutputSpec{{Name: "p", Datatype: "FP32", Shape: []int64{-1, 2}}},
		Scores:  []*candorv1.Score{{Output: "p", Kind: candorv1.ScoreKind_SCORE_KIND_PROBABILITY, Labels: []string{"a", "b"}}},
	}
	b, err := backend.Dial("primary", &candorv1.Backend{Address: address, Model: "m", Version: "1", Dialect: candorv1.Dialect_DIALECT_TRITON, Card: card}, backend.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func askedAs(ctx context.Context, id string) *question {
	return &question{template: &call{id: newID(), req: &wire.Request{ID: id}, model: &model{}}, id: id, ctx: ctx, turn: new(backend.Turn)}
}

// While requests of a stream that broke are on their way to another one, a new request opens none beside it.
func TestNewRequestsWaitForThoseThatMove(t *testing.T) {
	l := laneTo(t)
	l.resending = make(chan struct{})
	joined := make(chan *backend.Failure, 1)
	go func() {
		_, f := l.join(askedAs(t.Context(), "late"), false)
		joined <- f
	}()
	if _, f := l.join(askedAs(t.Context(), "early"), true); f == nil {
		t.Error("a request that moves has a stream to nobody")
	}
	select {
	case <-joined:
		t.Fatal("a new request went ahead of those that move")
	case <-time.After(100 * time.Millisecond):
	}
	l.resent()
	if f := <-joined; f == nil {
		t.Error("a stream to nobody")
	}
}

// A new request gets no name that one on its way has, so that no answer is taken for the other's.
func TestNamesOfThoseThatMove(t *testing.T) {
	l := laneTo(t)
	first, second := askedAs(t.Context(), "x"), askedAs(t.Context(), "x")
	l.name(first)
	l.asked = append(l.asked, first)
	l.resending = make(chan struct{})
	if taken := l.take(); len(taken) != 1 {
		t.Fatalf("%d were taken", len(taken))
	}
	l.name(second)
	l.name(first)
	if first.sent != "x" || second.sent == "x" || second.sent == "" {
		t.Errorf("sent as %q and %q", first.sent, second.sent)
	}
	l.resent()
	third := askedAs(t.Context(), "x")
	if l.name(third); third.sent != "x" {
		t.Errorf("sent as %q when nobody moves", third.sent)
	}
}

// A plan that was in force between two reloads, and that the stream was never told of, has the time of those that were replaced, too, and once.
func TestPlansThatWereInForceForAMoment(t *testing.T) {
	l := laneTo(t)
	cfg := &candorv1.Config{Listen: &candorv1.Listen{DrainTimeout: durationpb.New(time.Hour)}}
	next := func() *plan { return &plan{cfg: cfg, models: map[string]*model{"m": {primary: l.primary}}} }
	a, b, c, d := next(), next(), next(), next()
	l.s.lanes, l.s.leaving = map[string]*lane{"m": l}, map[*plan]*time.Timer{}
	defer l.s.stay()
	asked := func(pl *plan) *question {
		q := askedAs(t.Context(), "x")
		q.template.model.plan = pl
		return q
	}
	l.asked, l.moving = []*question{asked(c)}, []*question{asked(b)}
	l.s.replaced(a, c)
	if l.s.leaving[a] == nil || l.s.leaving[b] == nil || len(l.s.leaving) != 2 {
		t.Errorf("after the first: %d have their time", len(l.s.leaving))
	}
	if len(l.s.lanes) != 0 || !l.closed {
		t.Error("a stream with requests from before gets further ones")
	}
	first := l.s.leaving[b]
	l.s.open[new(backend.Stream)] = l
	l.s.replaced(c, d)
	if l.s.leaving[c] == nil || l.s.leaving[d] != nil || l.s.leaving[b] != first {
		t.Errorf("after the second: %v", l.s.leaving)
	}
	delete(l.s.leaving, b)
	first.Stop()
	l.s.replaced(d, c)
	if l.s.leaving[b] == nil {
		t.Error("a plan whose requests are still on a stream has no time")
	}
}
