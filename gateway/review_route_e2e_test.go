package gateway_test

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

func (w *world) skip(token string, item *candorv1.ReviewItem, routing candorv1.SkipRouting) (*candorv1.ReviewItem, error) {
	resp, err := w.reviews().SkipReviewItem(as(token), &candorv1.SkipReviewItemRequest{
		Name: item.GetName(), Epoch: item.GetEpoch(), Reason: "a conflict of interest", Routing: routing, RequestId: fmt.Sprint("skip ", item.GetName(), item.GetEpoch()),
	})
	return resp.GetItem(), err
}

func (w *world) escalate(token string, item *candorv1.ReviewItem, queue, request string) (*candorv1.ReviewItem, error) {
	resp, err := w.reviews().EscalateReviewItem(as(token), &candorv1.EscalateReviewItemRequest{
		Name: item.GetName(), Epoch: item.GetEpoch(), Queue: queue, Note: "look at the date", RequestId: request,
	})
	return resp.GetItem(), err
}

// claimErr is why an item can't be claimed.
func (w *world) claimErr(token, name, queue string) error {
	_, err := w.reviews().ClaimReviewItem(as(token), &candorv1.ClaimReviewItemRequest{Name: name, Queue: queue})
	return err
}

// A skipped item goes to others, and doesn't come back to who skipped it: never, or not for a while.
func TestSkip(t *testing.T) {
	w := start(t, withDesk(", skip_pause: 1s", "")...)
	name, _ := w.deferOne(deferredRow)
	item := w.claim(reviewerToken, "")
	out, err := w.skip(reviewerToken, item, candorv1.SkipRouting_SKIP_ROUTING_OTHERS)
	if err != nil || out.GetState() != candorv1.ReviewState_REVIEW_STATE_PENDING || out.GetHolder() != "" {
		t.Fatalf("%v %v", out, err)
	}
	if _, err := w.skip(reviewerToken, item, candorv1.SkipRouting_SKIP_ROUTING_OTHERS); err != nil {
		t.Errorf("a retry: %v", err)
	}
	wantError(t, w.claimErr(reviewerToken, "", "desk"), codes.NotFound, "QUEUE_EMPTY")
	if md := wantError(t, w.claimErr(reviewerToken, name, ""), codes.PermissionDenied, "PERMISSION_DENIED"); md["review_item"] != name || md["principal"] != "ann" {
		t.Errorf("metadata %v", md)
	}
	second := w.claim(otherToken, "")
	if second.GetName() != name {
		t.Fatalf("ben got %v", second)
	}
	if _, err := w.skip(otherToken, second, candorv1.SkipRouting_SKIP_ROUTING_ALL); err != nil {
		t.Fatal(err)
	}
	wantError(t, w.claimErr(otherToken, "", "desk"), codes.NotFound, "QUEUE_EMPTY")
	w.eventually(func() bool { return w.claimErr(otherToken, "", "desk") == nil })
	// Not theirs any more.
	_, err = w.skip(reviewerToken, second, candorv1.SkipRouting_SKIP_ROUTING_ALL)
	wantError(t, err, codes.Aborted, "STALE_LEASE")
}

func TestEscalate(t *testing.T) {
	w := start(t, withDesk(", reviewers: [ann, ben], escalate_to: [seniors], undo_window: 0s", ", seniors: {reviewers: [sam], undo_window: 0s}, cellar: {undo_window: 0s}")...)
	name, id := w.deferOne(deferredRow)
	item := w.claim(reviewerToken, "")
	for queue, want := range map[string]string{"cellar": "may be escalated to seniors", "nowhere": "may be escalated to seniors", "desk": "is in desk already"} {
		_, err := w.escalate(reviewerToken, item, queue, "x "+queue)
		if md := wantError(t, err, codes.InvalidArgument, "INVALID_REQUEST"); md["field"] != "queue" || !strings.Contains(err.Error(), want) {
			t.Errorf("to %s: %v", queue, err)
		}
	}
	out, err := w.escalate(reviewerToken, item, "seniors", "e")
	if err != nil || out.GetQueue() != "seniors" || out.GetEscalatedBy() != "ann" || out.GetEscalatedFrom() != "desk" || out.GetEscalationNote() != "look at the date" {
		t.Fatalf("%v %v", out, err)
	}
	if again, err := w.escalate(reviewerToken, item, "seniors", "e"); err != nil || again.GetQueue() != "seniors" {
		t.Errorf("a retry: %v %v", again, err)
	}
	wantError(t, w.claimErr(reviewerToken, "", ""), codes.NotFound, "QUEUE_EMPTY")
	wantError(t, w.claimErr(reviewerToken, name, ""), codes.NotFound, "REVIEW_ITEM_NOT_FOUND")
	got := w.claim(seniorToken, "")
	if got.GetName() != name || got.GetEscalationNote() == "" || got.GetExpireTime().AsTime() != item.GetExpireTime().AsTime() {
		t.Fatalf("sam got %v", got)
	}
	w.mustSay(seniorToken, got, "bad")
	if p := w.prediction(id); p.GetLabel() != "bad" || p.GetAuthor() != "sam" {
		t.Errorf("%v", p)
	}
	events, err := w.reviews().ListReviewEvents(as(auditorToken), &candorv1.ListReviewEventsRequest{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, e := range events.GetEvents() {
		kinds = append(kinds, strings.TrimPrefix(e.GetKind().String(), "REVIEW_EVENT_KIND_"))
	}
	if got := strings.Join(kinds, " "); got != "CREATED CLAIMED ESCALATED CLAIMED ANSWERED FINAL" {
		t.Errorf("events %s", got)
	}
	page, err := w.reviews().ListReviewEvents(as(auditorToken), &candorv1.ListReviewEventsRequest{Name: name, PageSize: 4})
	if err != nil || len(page.GetEvents()) != 4 {
		t.Fatalf("%v %v", page, err)
	}
	rest, err := w.reviews().ListReviewEvents(as(auditorToken), &candorv1.ListReviewEventsRequest{Name: name, PageToken: page.GetNextPageToken()})
	if err != nil || len(rest.GetEvents()) != 2 || rest.GetNextPageToken() != "" {
		t.Errorf("%v %v", rest, err)
	}
	_, err = w.reviews().ListReviewEvents(as(auditorToken), &candorv1.ListReviewEventsRequest{Name: name, PageToken: "tomorrow"})
	wantError(t, err, codes.InvalidArgument, "INVALID_REQUEST")
}

// What a queue asks of a verdict.
func TestReasonsOfAVerdict(t *testing.T) {
	w := start(t, withDesk(", require_reason: true, reasons: [smudged, clear]", "")...)
	w.deferOne(deferredRow)
	item := w.claim(reviewerToken, "")
	for reason, want := range map[string]string{"": "the queue wants one: send one of smudged, clear", "whim": "it is none of smudged, clear"} {
		v := label("good")
		v.Reason = reason
		_, err := w.say(reviewerToken, item, v, "r")
		told := toldBy(t, err)
		if told.info.GetReason() != "INVALID_VERDICT" || told.bad.GetFieldViolations()[0].GetField() != "verdict.reason" || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", reason, err)
		}
	}
	v := label("good")
	v.Note = strings.Repeat("n", 4097)
	_, err := w.say(reviewerToken, item, v, "r")
	if told := toldBy(t, err); told.info.GetReason() != "INVALID_REQUEST" || told.bad.GetFieldViolations()[0].GetField() != "verdict.note" {
		t.Errorf("an oversized note: %v", err)
	}
	v.Note, v.Reason = "", "smudged"
	if out, err := w.say(reviewerToken, item, v, "r"); err != nil || out.GetVerdict().GetReason() != "smudged" {
		t.Errorf("%v %v", out, err)
	}
}

// An item outlives its model: it is judged and told as before.
func TestAnItemWhoseModelIsGone(t *testing.T) {
	w := start(t)
	name, id := w.deferOne(deferredRow)
	w.yaml = strings.Replace(w.yaml, "models:\n  fraud:", "models:\n  other:", 1)
	w.yaml = strings.Replace(w.yaml, "models: [fraud]", "models: [other]", 1)
	w.restart()
	item := w.claim(reviewerToken, "")
	if item.GetName() != name || item.GetModel() != "fraud" || len(item.GetLabels()) != 2 {
		t.Fatalf("%v", item)
	}
	_, err := w.say(reviewerToken, item, label("ugly"), "r")
	wantError(t, err, codes.InvalidArgument, "INVALID_VERDICT")
	w.mustSay(reviewerToken, item, "bad")
	if p := w.prediction(id); p.GetLabel() != "bad" || p.GetAuthor() != "ann" {
		t.Errorf("%v", p)
	}
	_, err = w.predictionsAppeal(clientToken, id, "a")
	if md := wantError(t, err, codes.FailedPrecondition, "APPEAL_REFUSED"); md["prediction_id"] != id {
		t.Errorf("metadata %v", md)
	}
}

func (w *world) predictionsAppeal(token, id, request string) (string, error) {
	resp, err := w.reviews().AppealPrediction(as(token), &candorv1.AppealPredictionRequest{PredictionId: id, Reason: "it was me", RequestId: request})
	return resp.GetItem(), err
}
