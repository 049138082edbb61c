package gateway_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// long is far beyond a test's patience: a poll that takes it has not noticed what it waited for.
const long = 5 * time.Minute

// waited is a ledger that tells when somebody is about to wait for the feed.
type waited struct {
	gateway.Ledger
	tell chan struct{}
}

func (a waited) Changed() <-chan struct{} {
	defer func() { a.tell <- struct{}{} }()
	return a.Ledger.Changed()
}

// startWaited makes a world whose ledger tells.
func startWaited(t *testing.T) (*world, chan struct{}) {
	tell := make(chan struct{}, 1000)
	return startWith(t, options{deps: func(d *gateway.Deps) { d.Ledger = waited{d.Ledger, tell} }}), tell
}

type polled struct {
	predictions []*candorv1.Prediction
	err         error
}

// poll asks for a prediction and waits, in the background.
func (w *world) poll(ctx context.Context, id string, wait time.Duration) <-chan polled {
	got := make(chan polled, 1)
	go func() {
		resp, err := w.predictions().GetPrediction(ctx, &candorv1.GetPredictionRequest{PredictionId: id, Wait: durationpb.New(wait)})
		got <- polled{resp.GetPredictions(), err}
	}()
	return got
}

// A long poll is answered when the last row has its answer, and not by answers of others.
func TestLongPoll(t *testing.T) {
	w, waits := startWaited(t)
	a := w.infer(as(clientToken), request([][4]float32{deferredRow, sureRow, deferredRow}, "candor_route"))
	id := a.param("candor_prediction_id")
	foreign, _ := w.deferOne(deferredRow)
	got := w.poll(bounded(t, clientToken), id, long)
	<-waits
	w.resolve(reviewerToken, foreign, "good")
	items, err := w.reviews().ListReviewItems(as(auditorToken), &candorv1.ListReviewItemsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range items.GetItems() {
		if item.GetPredictionId() != id {
			continue
		}
		select {
		case p := <-got:
			t.Fatalf("answered with a row open: %v", p)
		default:
		}
		w.resolve(reviewerToken, item.GetName(), "bad")
	}
	p := <-got
	if p.err != nil || len(p.predictions) != 3 {
		t.Fatal(p)
	}
	for i, row := range p.predictions {
		if row.GetState() != candorv1.AnswerState_ANSWER_STATE_FINAL {
			t.Errorf("row %d: %v", i, row)
		}
	}
	// What has its answer is answered at once.
	if p := <-w.poll(bounded(t, clientToken), id, long); p.err != nil {
		t.Error(p.err)
	}
}

// Every other end of a long poll: its own, the caller's deadline, a stop. Each answers what is known.
func TestLongPollEnds(t *testing.T) {
	w, waits := startWaited(t)
	_, id := w.deferOne(deferredRow)
	pending := func(what string, p polled) {
		t.Helper()
		if p.err != nil || len(p.predictions) != 1 || p.predictions[0].GetState() != candorv1.AnswerState_ANSWER_STATE_PENDING {
			t.Errorf("%s: %v, %v", what, p.predictions, p.err)
		}
	}
	pending("no wait", <-w.poll(bounded(t, clientToken), id, 0))
	pending("its own end", <-w.poll(bounded(t, clientToken), id, time.Millisecond))
	// Our share of the time is short, and on a busy machine the client's own clock may be first: then it is tried again.
	w.eventually(func() bool {
		short, cancel := context.WithTimeout(as(clientToken), time.Second)
		defer cancel()
		p := <-w.poll(short, id, long)
		if status.Code(p.err) == codes.DeadlineExceeded {
			return false
		}
		pending("the caller's deadline", p)
		return true
	})

	p := <-w.poll(bounded(t, clientToken), "01939d4e-6a5c-7c3f-8f57-1f0a6c3e9b11", long)
	wantError(t, p.err, codes.NotFound, "PREDICTION_NOT_FOUND")
	p = <-w.poll(bounded(t, clientToken), id, time.Hour)
	wantError(t, p.err, codes.InvalidArgument, "INVALID_REQUEST")

	for len(waits) > 0 {
		<-waits
	}
	// The stop closes the world's own connection first.
	conn := w.dial()
	defer func() { _ = conn.Close() }()
	got := make(chan polled, 1)
	ctx := bounded(t, clientToken)
	go func() {
		resp, err := candorv1.NewPredictionServiceClient(conn).GetPrediction(ctx, &candorv1.GetPredictionRequest{PredictionId: id, Wait: durationpb.New(long)})
		got <- polled{resp.GetPredictions(), err}
	}()
	<-waits
	w.stop()
	pending("a stop", <-got)
}

// Whose credentials are revoked waits no longer, and isn't told what they waited for.
func TestLongPollOfARevokedToken(t *testing.T) {
	w, waits := startWaited(t)
	_, id := w.deferOne(deferredRow)
	got := w.poll(bounded(t, clientToken), id, long)
	<-waits
	w.reload("payments: {identity: {token_sha256: "+gateway.HashToken(clientToken)+"}", "payments: {identity: {token_sha256: "+gateway.HashToken("new")+"}")
	wantError(t, (<-got).err, codes.Unauthenticated, "UNAUTHENTICATED")
}
