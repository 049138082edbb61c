package gateway_test

import (
	"os"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/store/sqlite"
)

func (w *world) watch(token, resume string) grpc.ServerStreamingClient[candorv1.WatchPredictionsResponse] {
	w.t.Helper()
	stream, err := w.predictions().WatchPredictions(bounded(w.t, token), &candorv1.WatchPredictionsRequest{ResumeToken: resume})
	if err != nil {
		w.t.Fatal(err)
	}
	return stream
}

func (w *world) next(stream grpc.ServerStreamingClient[candorv1.WatchPredictionsResponse]) *candorv1.WatchPredictionsResponse {
	w.t.Helper()
	resp, err := stream.Recv()
	if err != nil {
		w.t.Fatal(err)
	}
	return resp
}

// Final answers come in their order, once per position, to who asked for the predictions and to nobody else.
func TestWatchPredictions(t *testing.T) {
	w := start(t)
	var names, ids []string
	for range 4 {
		name, id := w.deferOne(deferredRow)
		names, ids = append(names, name), append(ids, id)
	}
	foreign := w.infer(t.Context(), request([][4]float32{deferredRow}, "candor_route"))
	w.resolve(reviewerToken, names[1], "good")
	w.resolve(reviewerToken, foreign.param("candor_review_item"), "bad")
	w.resolve(reviewerToken, names[0], "bad")

	stream := w.watch(clientToken, "")
	first, second := w.next(stream), w.next(stream)
	if first.GetPrediction().GetPredictionId() != ids[1] || first.GetPrediction().GetLabel() != "good" || second.GetPrediction().GetPredictionId() != ids[0] {
		t.Errorf("got %v, then %v", first, second)
	}
	if p := first.GetPrediction(); p.GetAuthor() != "ann" || p.GetState() != candorv1.AnswerState_ANSWER_STATE_FINAL || p.GetFinalTime() == nil {
		t.Errorf("final answer %v", p)
	}
	// One that becomes final while somebody watches; it is the next, so nothing came twice.
	w.resolve(reviewerToken, names[2], "good")
	third := w.next(stream)
	if third.GetPrediction().GetPredictionId() != ids[2] {
		t.Errorf("third %v", third)
	}

	// A token goes on after its answer, over a restart too.
	w.restart()
	resumed := w.watch(clientToken, first.GetResumeToken())
	for i, want := range []string{ids[0], ids[2]} {
		if got := w.next(resumed); got.GetPrediction().GetPredictionId() != want {
			t.Errorf("resumed answer %d: %v, want %s", i, got, want)
		}
	}
	w.resolve(reviewerToken, names[3], "bad")
	if got := w.next(resumed); got.GetPrediction().GetPredictionId() != ids[3] {
		t.Errorf("resumed, then %v", got)
	}
	if got := w.next(w.watch("", "")); got.GetPrediction().GetPredictionId() != foreign.param("candor_prediction_id") {
		t.Errorf("anonymous callers got %v", got)
	}
	_, err := w.watch(clientToken, "tomorrow").Recv()
	wantError(t, err, codes.InvalidArgument, "INVALID_REQUEST")
}

// What a deadline does to an item that nobody looked at, and who its author is.
func TestExpiry(t *testing.T) {
	t.Parallel()
	const onExpire, deadline = "on_expire: reject", "deadline: 1h"
	for name, c := range map[string]struct {
		action string
		row    [4]float32
		dead   bool // the fallback's model servers
		state  candorv1.AnswerState
		label  string
	}{
		"reject":   {"on_expire: reject", deferredRow, false, candorv1.AnswerState_ANSWER_STATE_WITHHELD, ""},
		"default":  {"on_expire: default, default_label: good", deferredRow, false, candorv1.AnswerState_ANSWER_STATE_FINAL, "good"},
		"fallback": {"on_expire: fallback", row(.6, .4, .9), false, candorv1.AnswerState_ANSWER_STATE_FINAL, "good"},
		// The primary's answer is not the fallback's, and was not sure enough.
		"fallback that never answered": {"on_expire: fallback", row(.6, .4, .9), true, candorv1.AnswerState_ANSWER_STATE_WITHHELD, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, onExpire, c.action, deadline, "deadline: 0.2s")
			if c.dead {
				w.a.Kill()
				w.b.Kill()
				w.old.Kill()
			}
			item, id := w.deferOne(c.row)
			w.eventually(func() bool { return w.prediction(id).GetFinalTime() != nil })
			p := w.prediction(id)
			if p.GetState() != c.state || p.GetLabel() != c.label || p.GetAuthor() != "policy/on_expire" {
				t.Errorf("final answer %v, want %v %q", p, c.state, c.label)
			}
			if !hasReason(p.GetDecision(), candorv1.Reason_REASON_REVIEW_EXPIRED) {
				t.Errorf("reasons %v", p.GetDecision().GetReasons())
			}
			_, err := w.reviews().ClaimReviewItem(as(reviewerToken), &candorv1.ClaimReviewItemRequest{Name: item})
			wantError(t, err, codes.FailedPrecondition, "REVIEW_ITEM_RESOLVED")
			if got := w.next(w.watch(clientToken, "")).GetPrediction(); got.GetPredictionId() != id || got.GetState() != c.state {
				t.Errorf("the feed says %v", got)
			}
		})
	}
}

// What a deadline answers passes the action limits, too: as far as they go.
func TestExpiryMeetsALimit(t *testing.T) {
	t.Parallel()
	edits := append(withLimit(1, ""), "on_expire: reject", "on_expire: default, default_label: bad", "deadline: 1h", "deadline: 0.2s")
	w := start(t, edits...)
	var ids []string
	for range 2 {
		_, id := w.deferOne(deferredRow)
		ids = append(ids, id)
	}
	states := map[candorv1.AnswerState]int{}
	w.eventually(func() bool {
		clear(states)
		for _, id := range ids {
			states[w.prediction(id).GetState()]++
		}
		return states[candorv1.AnswerState_ANSWER_STATE_PENDING] == 0 && w.limit("declines").GetTripped()
	})
	if states[candorv1.AnswerState_ANSWER_STATE_FINAL] != 1 || states[candorv1.AnswerState_ANSWER_STATE_WITHHELD] != 1 || w.limit("declines").GetUsed() != 1 {
		t.Errorf("states %v, limit %v", states, w.limit("declines"))
	}
}

// A verdict that means an action whose limit has tripped is stored, and held.
func TestHeldVerdict(t *testing.T) {
	w := start(t, withLimit(1, ", on_trip: review")...)
	if a := w.infer(t.Context(), request([][4]float32{sureRow})); a.err != nil {
		t.Fatal(a.err)
	}
	held, heldID := w.deferOne(sureRow) // this one trips
	free, freeID := w.deferOne(deferredRow)
	if !w.limit("declines").GetTripped() {
		t.Fatal("the limit has not tripped")
	}

	item := w.resolve(reviewerToken, held, "bad")
	if item.GetState() != candorv1.ReviewState_REVIEW_STATE_RESOLVED || item.GetReleaseState() != candorv1.ReleaseState_RELEASE_STATE_HELD || item.GetVerdict().GetLabel() != "bad" {
		t.Errorf("held %v", item)
	}
	p := w.prediction(heldID)
	if p.GetState() != candorv1.AnswerState_ANSWER_STATE_WITHHELD || p.GetLabel() != "" || p.GetDecision().GetLimit() != "limits/declines" || p.GetDecision().GetAction() != "decline" {
		t.Errorf("held prediction %v", p)
	}
	// An answer that means no limited action is not held.
	if item := w.resolve(reviewerToken, free, "good"); item.GetReleaseState() != candorv1.ReleaseState_RELEASE_STATE_RELEASED {
		t.Errorf("released %v", item)
	}
	if p := w.prediction(freeID); p.GetState() != candorv1.AnswerState_ANSWER_STATE_FINAL || p.GetLabel() != "good" {
		t.Errorf("released prediction %v", p)
	}
	stream := w.watch(clientToken, "")
	if got := w.next(stream).GetPrediction(); got.GetPredictionId() != heldID || got.GetState() != candorv1.AnswerState_ANSWER_STATE_WITHHELD {
		t.Errorf("the feed says %v", got)
	}
	if got := w.next(stream).GetPrediction(); got.GetPredictionId() != freeID {
		t.Errorf("the feed says %v", got)
	}
}

// What a limit held leaves when an operator has reset it and the window has room again, and the feed says so.
func TestHeldAnswerLeavesAfterTheReset(t *testing.T) {
	t.Parallel()
	// Longer than a busy machine needs for what the window must hold.
	edits := append(withLimit(1, ""), "window: 1h", "window: 5s")
	w := start(t, edits...)
	if a := w.infer(t.Context(), request([][4]float32{sureRow})); a.err != nil {
		t.Fatal(a.err)
	}
	name, id := w.deferOne(sureRow)
	w.resolve(reviewerToken, name, "bad")
	stream := w.watch(clientToken, "")
	if got := w.next(stream).GetPrediction(); got.GetPredictionId() != id || got.GetState() != candorv1.AnswerState_ANSWER_STATE_WITHHELD {
		t.Errorf("the feed says %v", got)
	}
	w.eventually(func() bool { return w.limit("declines").GetUsed() == 0 })
	if p := w.prediction(id); p.GetState() != candorv1.AnswerState_ANSWER_STATE_WITHHELD {
		t.Fatalf("the latch gave way to time: %v", p)
	}
	_, err := w.limits().ResetLimit(as(operatorToken), &candorv1.ResetLimitRequest{Name: "limits/declines", Reason: "a false alarm", RequestId: "1"})
	if err != nil {
		t.Fatal(err)
	}
	if got := w.next(stream).GetPrediction(); got.GetPredictionId() != id || got.GetState() != candorv1.AnswerState_ANSWER_STATE_FINAL || got.GetLabel() != "bad" {
		t.Errorf("the feed says %v", got)
	}
	if p := w.prediction(id); p.GetState() != candorv1.AnswerState_ANSWER_STATE_FINAL || p.GetAuthor() != "ann" {
		t.Errorf("let out %v", p)
	}
}

// A prediction is its consumer's and the operators' to see; to others it doesn't exist.
func TestForeignPredictions(t *testing.T) {
	w := start(t)
	a := w.infer(t.Context(), request([][4]float32{sureRow}))
	id := a.param("candor_prediction_id")
	get := func(token string) error {
		_, err := w.predictions().GetPrediction(bounded(t, token), &candorv1.GetPredictionRequest{PredictionId: id})
		return err
	}
	if err := get(""); err != nil {
		t.Errorf("its consumer: %v", err)
	}
	if err := get(reviewerToken); err != nil {
		t.Errorf("an operator: %v", err)
	}
	wantError(t, get(clientToken), codes.NotFound, "PREDICTION_NOT_FOUND")
	_, err := candorv1.NewExplainServiceClient(w.conn).ExplainPrediction(as(clientToken), &candorv1.ExplainPredictionRequest{PredictionId: id})
	wantError(t, err, codes.NotFound, "PREDICTION_NOT_FOUND")
	outcome := &candorv1.RecordOutcomeRequest{PredictionId: id, Truth: &candorv1.RecordOutcomeRequest_Label{Label: "good"}, RequestId: "1"}
	_, err = w.predictions().RecordOutcome(as(clientToken), outcome)
	wantError(t, err, codes.NotFound, "PREDICTION_NOT_FOUND")
	if _, err := w.predictions().RecordOutcome(t.Context(), outcome); err != nil {
		t.Error(err)
	}
	outcome.Truth = &candorv1.RecordOutcomeRequest_Label{Label: "ugly"}
	_, err = w.predictions().RecordOutcome(t.Context(), outcome)
	wantError(t, err, codes.InvalidArgument, "INVALID_REQUEST")

	// An id is the same id in capitals, final answer included.
	name, mine := w.deferOne(deferredRow)
	w.resolve(reviewerToken, name, "good")
	if p := w.prediction(strings.ToUpper(mine)); p.GetState() != candorv1.AnswerState_ANSWER_STATE_FINAL {
		t.Errorf("by its id in capitals: %v", p)
	}
}

// A place in the feed of one store is none in that of another, also of one that was made anew under the same identity, nor in the store's own
// when that was put back to a backup: what the client hasn't seen would be passed over.
func TestTokenOfAnotherFeed(t *testing.T) {
	t.Parallel()
	w := start(t)
	answered := func() string {
		name, _ := w.deferOne(deferredRow)
		w.resolve(reviewerToken, name, "good")
		return w.next(w.watch(clientToken, "")).GetResumeToken()
	}
	refused := func(what, token string) {
		t.Helper()
		_, err := w.watch(clientToken, token).Recv()
		if wantError(t, err, codes.InvalidArgument, "INVALID_REQUEST"); err == nil {
			t.Errorf("%s: the token was taken", what)
		}
	}
	w.stop()
	backup, err := os.ReadFile(w.db())
	if err != nil {
		t.Fatal(err)
	}
	w.run()
	token := answered()
	w.stop()
	if err := os.WriteFile(w.db(), backup, 0o600); err != nil {
		t.Fatal(err)
	}
	w.run()
	refused("a backup", token)

	w.stop()
	if err := os.Remove(w.db()); err != nil {
		t.Fatal(err)
	}
	if err := sqlite.Init(t.Context(), w.db(), "test"); err != nil {
		t.Fatal(err)
	}
	w.run()
	answered()
	refused("another store", token)
}
