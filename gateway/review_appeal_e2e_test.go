package gateway_test

import (
	"testing"

	"google.golang.org/grpc/codes"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// An appeal goes to somebody else than who judged before; until it is decided the answer stands, and then the feed says so.
func TestAppeal(t *testing.T) {
	w := start(t)
	name, id := w.deferOne(deferredRow)
	_, err := w.predictionsAppeal(clientToken, id, "early")
	if md := wantError(t, err, codes.FailedPrecondition, "APPEAL_REFUSED"); md["review_item"] != name || md["prediction_id"] != id {
		t.Errorf("metadata %v", md)
	}
	w.resolve(reviewerToken, name, "bad")
	stream := w.watch(clientToken, "")
	w.next(stream)
	for what, token := range map[string]string{"a reviewer": reviewerToken, "an auditor": auditorToken} {
		_, err := w.predictionsAppeal(token, id, "x")
		if md := wantError(t, err, codes.NotFound, "PREDICTION_NOT_FOUND"); md["prediction_id"] != id {
			t.Errorf("%s: %v", what, md)
		}
	}
	appeal, err := w.predictionsAppeal(clientToken, id, "a")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := w.predictionsAppeal(clientToken, id, "a"); err != nil || again != appeal {
		t.Errorf("a retry: %s %v", again, err)
	}
	_, err = w.predictionsAppeal(seniorToken, id, "b")
	if md := wantError(t, err, codes.FailedPrecondition, "APPEAL_REFUSED"); md["review_item"] != appeal {
		t.Errorf("metadata %v", md)
	}
	if p := w.prediction(id); p.GetState() != candorv1.AnswerState_ANSWER_STATE_FINAL || p.GetLabel() != "bad" || p.GetReviewItem() != appeal {
		t.Errorf("while it is open: %v", p)
	}
	wantError(t, w.claimErr(reviewerToken, "", "desk"), codes.NotFound, "QUEUE_EMPTY")
	wantError(t, w.claimErr(reviewerToken, appeal, ""), codes.PermissionDenied, "PERMISSION_DENIED")
	item := w.claim(otherToken, "")
	if item.GetName() != appeal || item.GetAppealReason() != "" || len(item.GetSuperseded()) != 0 || len(item.GetPayload().GetTensors()) != 1 {
		t.Errorf("ben sees %v", item)
	}
	done := w.mustSay(otherToken, item, "good")
	if done.GetKind() != candorv1.ReviewKind_REVIEW_KIND_APPEAL || done.GetAppealReason() == "" || len(done.GetSuperseded()) != 1 || done.GetSuperseded()[0].GetAuthor() != "ann" {
		t.Errorf("decided: %v", done)
	}
	if got := w.next(stream).GetPrediction(); got.GetLabel() != "good" || !got.GetSuperseding() || got.GetAuthor() != "ben" {
		t.Errorf("the feed says %v", got)
	}
	if p := w.prediction(id); p.GetLabel() != "good" || p.GetAuthor() != "ben" || p.GetReviewItem() != appeal {
		t.Errorf("%v", p)
	}
	// Once more, and neither of both gets it.
	third, err := w.predictionsAppeal(seniorToken, id, "c")
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{reviewerToken, otherToken, seniorToken} {
		wantError(t, w.claimErr(token, third, ""), codes.PermissionDenied, "PERMISSION_DENIED")
	}
	w.claim(operatorToken, third)
}

// A senior who has replaced an answer may dispute it for somebody else, and gets the appeal as little as whoever judged before.
func TestAppealOfOnesOwnAnswer(t *testing.T) {
	w := start(t)
	name, id := w.deferOne(deferredRow)
	w.resolve(reviewerToken, name, "bad")
	if _, err := w.reviews().SupersedeVerdict(as(seniorToken), &candorv1.SupersedeVerdictRequest{
		Name: name, RequestId: "s", Verdict: &candorv1.Verdict{Answer: label("good").GetAnswer(), Reason: "wrong"},
	}); err != nil {
		t.Fatal(err)
	}
	appeal, err := w.predictionsAppeal(seniorToken, id, "a")
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{reviewerToken, seniorToken} {
		wantError(t, w.claimErr(token, appeal, ""), codes.PermissionDenied, "PERMISSION_DENIED")
	}
	w.claim(otherToken, appeal)
}

// An accepted row may be appealed, too; what nobody decides leaves the answer as it was.
func TestAnAppealThatExpires(t *testing.T) {
	t.Parallel()
	w := start(t, "deadline: 1h", "deadline: 0.5s", "on_expire: reject", "on_expire: default, default_label: good")
	a := w.infer(as(clientToken), request([][4]float32{sureRow}))
	if a.err != nil {
		t.Fatal(a.err)
	}
	id := a.param("candor_prediction_id")
	appeal, err := w.predictionsAppeal(clientToken, id, "a")
	if err != nil {
		t.Fatal(err)
	}
	// Nothing of an accepted row's input was kept: the appeal's own words are all that there is to judge.
	if item := w.look(reviewerToken, appeal); item.GetAppealReason() == "" {
		t.Errorf("%v", item)
	}
	w.eventually(func() bool {
		return w.look(auditorToken, appeal).GetState() == candorv1.ReviewState_REVIEW_STATE_EXPIRED
	})
	if p := w.prediction(id); p.GetState() != candorv1.AnswerState_ANSWER_STATE_FINAL || p.GetLabel() != "bad" {
		t.Errorf("%v", p)
	}
	_, err = w.reviews().AppealPrediction(as(clientToken), &candorv1.AppealPredictionRequest{PredictionId: id, Row: 1, Reason: "it was me", RequestId: "r"})
	if md := wantError(t, err, codes.InvalidArgument, "INVALID_REQUEST"); md["field"] != "row" {
		t.Errorf("metadata %v", md)
	}
	_, err = w.predictionsAppeal(clientToken, "00000000-0000-7000-8000-000000000000", "x")
	wantError(t, err, codes.NotFound, "PREDICTION_NOT_FOUND")
}

func TestAppealNeedsAQueue(t *testing.T) {
	w := start(t, "      review: {queue: desk, on_expire: reject}\n", "", "      on_defer: withhold\n", "")
	a := w.infer(as(clientToken), request([][4]float32{sureRow}))
	if a.err != nil {
		t.Fatal(a.err)
	}
	_, err := w.predictionsAppeal(clientToken, a.param("candor_prediction_id"), "a")
	wantError(t, err, codes.FailedPrecondition, "APPEAL_REFUSED")
}
