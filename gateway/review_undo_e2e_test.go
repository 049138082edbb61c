package gateway_test

import (
	"testing"

	"google.golang.org/grpc/codes"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

const desk = "desk: {deadline: 1h, lease: 5m}"

// withDesk edits a world's queue, and puts others beside it.
func withDesk(deskMore, others string) []string {
	return []string{desk, "desk: {deadline: 1h, lease: 5m" + deskMore + "}" + others}
}

// say gives a verdict on an item that is held.
func (w *world) say(token string, item *candorv1.ReviewItem, v *candorv1.Verdict, request string) (*candorv1.ReviewItem, error) {
	resp, err := w.reviews().ResolveReviewItem(as(token), &candorv1.ResolveReviewItemRequest{Name: item.GetName(), Epoch: item.GetEpoch(), Verdict: v, RequestId: request})
	return resp.GetItem(), err
}

func (w *world) mustSay(token string, item *candorv1.ReviewItem, l string) *candorv1.ReviewItem {
	w.t.Helper()
	out, err := w.say(token, item, label(l), "say "+l)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// look is an item as somebody sees it.
func (w *world) look(token, name string) *candorv1.ReviewItem {
	w.t.Helper()
	resp, err := w.reviews().GetReviewItem(as(token), &candorv1.GetReviewItemRequest{Name: name})
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.GetItem()
}

// Answer blind, see what the models said, change it or take it back; the first answer stays on record.
func TestAVerdictCanBeChangedInsideItsWindow(t *testing.T) {
	w := start(t, withDesk(", undo_window: 1h", "")...)
	name, id := w.deferOne(deferredRow)
	reviews := w.reviews()
	claimed := w.claim(reviewerToken, name)
	if len(claimed.GetAnswers()) != 0 {
		t.Errorf("before the verdict the reviewer sees %v", claimed.GetAnswers())
	}
	said := w.mustSay(reviewerToken, claimed, "good")
	if len(said.GetAnswers()) != 4 || said.GetUndoUntil() == nil || said.GetVerdict().GetLabel() != "good" || !said.GetVerdict().GetBlind() ||
		said.GetFinalTime() != nil || said.GetState() != candorv1.ReviewState_REVIEW_STATE_RESOLVED || said.GetPredictionId() != "" {
		t.Errorf("after the verdict: %v", said)
	}
	if p := w.prediction(id); p.GetState() != candorv1.AnswerState_ANSWER_STATE_PENDING || p.GetReviewItem() != name {
		t.Errorf("it left before its window closed: %v", p)
	}
	if seen := w.look(otherToken, name); len(seen.GetAnswers()) != 0 || seen.GetVerdict() != nil || len(seen.GetVerdicts()) != 0 {
		t.Errorf("another reviewer sees %v", seen)
	}
	revise := func(token, l, request, etag string) (*candorv1.ReviewItem, error) {
		resp, err := reviews.ReviseReviewItem(as(token), &candorv1.ReviseReviewItemRequest{Name: name, Verdict: label(l), RequestId: request, Etag: etag})
		return resp.GetItem(), err
	}
	_, err := revise(reviewerToken, "bad", "v1", "0")
	if md := wantError(t, err, codes.Aborted, "ETAG_MISMATCH"); md["etag"] != said.GetEtag() || md["review_item"] != name {
		t.Errorf("metadata %v, want etag %s", md, said.GetEtag())
	}
	_, err = revise(reviewerToken, "ugly", "v1", "")
	wantError(t, err, codes.InvalidArgument, "INVALID_VERDICT")
	_, err = revise(otherToken, "bad", "v1", "")
	wantError(t, err, codes.FailedPrecondition, "UNDO_WINDOW_CLOSED")
	revised, err := revise(reviewerToken, "bad", "v1", said.GetEtag())
	if err != nil {
		t.Fatal(err)
	}
	if v := revised.GetVerdict(); v.GetLabel() != "bad" || v.GetFirstAnswer().GetLabel() != "good" || !v.GetBlind() {
		t.Errorf("revised %v", v)
	}
	_, err = reviews.SupersedeVerdict(as(seniorToken), &candorv1.SupersedeVerdictRequest{Name: name, RequestId: "s", Verdict: &candorv1.Verdict{Answer: label("good").GetAnswer(), Reason: "wrong"}})
	wantError(t, err, codes.FailedPrecondition, "REVIEW_ITEM_NOT_FINAL")

	undo := func(token, request string) (*candorv1.ReviewItem, error) {
		resp, err := reviews.UndoReviewItem(as(token), &candorv1.UndoReviewItemRequest{Name: name, RequestId: request})
		return resp.GetItem(), err
	}
	undone, err := undo(reviewerToken, "u1")
	if err != nil || undone.GetState() != candorv1.ReviewState_REVIEW_STATE_CLAIMED || undone.GetEpoch() <= claimed.GetEpoch() || undone.GetHolder() != "ann" || undone.GetVerdict() != nil {
		t.Fatalf("undone %v %v", undone, err)
	}
	if again, err := undo(reviewerToken, "u1"); err != nil || again.GetEpoch() != undone.GetEpoch() {
		t.Errorf("a retry: %v %v", again, err)
	}
	_, err = w.say(reviewerToken, claimed, label("bad"), "stale")
	wantError(t, err, codes.Aborted, "STALE_LEASE")
	w.mustSay(reviewerToken, undone, "bad")
	if p := w.prediction(id); p.GetState() != candorv1.AnswerState_ANSWER_STATE_PENDING {
		t.Errorf("%v", p)
	}
}

// When the window has closed the answer leaves, and can't be changed by who gave it.
func TestTheWindowCloses(t *testing.T) {
	t.Parallel()
	w := start(t, withDesk(", undo_window: 0.3s", "")...)
	name, id := w.deferOne(deferredRow)
	w.resolve(reviewerToken, name, "bad")
	stream := w.watch(clientToken, "")
	if got := w.next(stream).GetPrediction(); got.GetPredictionId() != id || got.GetLabel() != "bad" || got.GetAuthor() != "ann" || got.GetSuperseding() {
		t.Errorf("the feed says %v", got)
	}
	_, err := w.reviews().UndoReviewItem(as(reviewerToken), &candorv1.UndoReviewItemRequest{Name: name, RequestId: "late"})
	if md := wantError(t, err, codes.FailedPrecondition, "UNDO_WINDOW_CLOSED"); md["review_item"] != name {
		t.Errorf("metadata %v", md)
	}
	_, err = w.reviews().ReviseReviewItem(as(reviewerToken), &candorv1.ReviseReviewItemRequest{Name: name, Verdict: label("good"), RequestId: "late"})
	wantError(t, err, codes.FailedPrecondition, "UNDO_WINDOW_CLOSED")
	if seen := w.look(otherToken, name); seen.GetVerdict().GetLabel() != "bad" || len(seen.GetAnswers()) != 4 || seen.GetKind() != candorv1.ReviewKind_REVIEW_KIND_DEFERRED {
		t.Errorf("a final item as another reviewer sees it: %v", seen)
	}
}

// A window that runs over a restart closes all the same.
func TestAWindowSurvivesARestart(t *testing.T) {
	t.Parallel()
	w := start(t, withDesk(", undo_window: 1s", "")...)
	name, id := w.deferOne(deferredRow)
	w.resolve(reviewerToken, name, "bad")
	w.restart()
	w.eventually(func() bool { return w.prediction(id).GetState() == candorv1.AnswerState_ANSWER_STATE_FINAL })
	if p := w.prediction(id); p.GetLabel() != "bad" || p.GetAuthor() != "ann" {
		t.Errorf("%v", p)
	}
}

// A senior replaces a final answer; the feed says so, and the limits are asked.
func TestASeniorSupersedes(t *testing.T) {
	w := start(t, withLimit(1, "")...)
	name, id := w.deferOne(deferredRow)
	w.resolve(reviewerToken, name, "good")
	stream := w.watch(clientToken, "")
	if got := w.next(stream).GetPrediction(); got.GetLabel() != "good" || got.GetSuperseding() {
		t.Errorf("first %v", got)
	}
	supersede := func(token, l, reason, request, etag string) (*candorv1.ReviewItem, error) {
		resp, err := w.reviews().SupersedeVerdict(as(token), &candorv1.SupersedeVerdictRequest{
			Name: name, RequestId: request, Etag: etag, Verdict: &candorv1.Verdict{Answer: label(l).GetAnswer(), Reason: reason},
		})
		return resp.GetItem(), err
	}
	_, err := supersede(reviewerToken, "bad", "I know better", "1", "")
	if md := wantError(t, err, codes.PermissionDenied, "PERMISSION_DENIED"); md["role"] != "senior" {
		t.Errorf("metadata %v", md)
	}
	_, err = supersede(seniorToken, "bad", "", "1", "")
	if told := toldBy(t, err); told.info.GetReason() != "INVALID_VERDICT" || told.bad.GetFieldViolations()[0].GetField() != "verdict.reason" {
		t.Errorf("without a reason: %v", err)
	}
	_, err = supersede(seniorToken, "ugly", "wrong", "1", "")
	wantError(t, err, codes.InvalidArgument, "INVALID_VERDICT")
	_, err = supersede(seniorToken, "bad", "wrong", "1", "77")
	wantError(t, err, codes.Aborted, "ETAG_MISMATCH")
	if w.limit("declines").GetUsed() != 0 {
		t.Error("what was refused has reached the limit")
	}
	done, err := supersede(seniorToken, "bad", "wrong", "1", "")
	if err != nil || done.GetVerdict().GetAuthor() != "sam" || len(done.GetSuperseded()) != 1 || done.GetSuperseded()[0].GetAuthor() != "ann" {
		t.Fatalf("%v %v", done, err)
	}
	if again, err := supersede(seniorToken, "bad", "wrong", "1", ""); err != nil || again.GetEtag() != done.GetEtag() {
		t.Errorf("a retry: %v %v", again, err)
	}
	if used := w.limit("declines").GetUsed(); used != 1 {
		t.Errorf("the limit counts %d", used)
	}
	if got := w.next(stream).GetPrediction(); got.GetPredictionId() != id || got.GetLabel() != "bad" || !got.GetSuperseding() || got.GetAuthor() != "sam" {
		t.Errorf("then %v", got)
	}
	if p := w.prediction(id); p.GetLabel() != "bad" || !hasReason(p.GetDecision(), candorv1.Reason_REASON_SUPERSEDED) {
		t.Errorf("%v", p)
	}
	// The next one finds the limit full.
	second, secondID := w.deferOne(deferredRow)
	w.resolve(reviewerToken, second, "good")
	resp, err := w.reviews().SupersedeVerdict(as(seniorToken), &candorv1.SupersedeVerdictRequest{
		Name: second, RequestId: "2", Verdict: &candorv1.Verdict{Answer: label("bad").GetAnswer(), Reason: "wrong"},
	})
	if err != nil || resp.GetItem().GetReleaseState() != candorv1.ReleaseState_RELEASE_STATE_HELD || resp.GetItem().GetHeldBy() != "limits/declines" {
		t.Errorf("%v %v", resp, err)
	}
	if p := w.prediction(secondID); p.GetState() != candorv1.AnswerState_ANSWER_STATE_WITHHELD {
		t.Errorf("%v", p)
	}
}
