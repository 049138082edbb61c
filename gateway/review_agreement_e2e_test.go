package gateway_test

import (
	"testing"

	"google.golang.org/grpc/codes"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Two reviewers who agree settle an item; neither sees what the other said before it is final.
func TestTwoWhoAgree(t *testing.T) {
	w := start(t, withDesk(", agreement: {}", "")...)
	name, id := w.deferOne(deferredRow)
	first := w.mustSay(reviewerToken, w.claim(reviewerToken, ""), "bad")
	if first.GetState() != candorv1.ReviewState_REVIEW_STATE_RESOLVED || len(first.GetVerdicts()) != 1 || first.GetReviewers() != 0 || len(first.GetAnswers()) == 0 {
		t.Errorf("the first reviewer sees %v", first)
	}
	wantError(t, w.claimErr(reviewerToken, "", ""), codes.NotFound, "QUEUE_EMPTY")
	wantError(t, w.claimErr(reviewerToken, name, ""), codes.PermissionDenied, "PERMISSION_DENIED")
	second := w.claim(otherToken, "")
	if len(second.GetVerdicts()) != 0 || second.GetVerdict() != nil || second.GetReviewers() != 0 || second.GetAgree() != 0 {
		t.Errorf("the second reviewer sees %v", second)
	}
	for _, token := range []string{reviewerToken, otherToken, seniorToken} {
		events, err := w.reviews().ListReviewEvents(as(token), &candorv1.ListReviewEventsRequest{Name: name})
		if token != seniorToken {
			wantError(t, err, codes.PermissionDenied, "PERMISSION_DENIED")
		} else if err != nil || len(events.GetEvents()) < 4 {
			t.Errorf("a senior gets %v (%v) of an open item", events, err)
		}
		_, err = w.reviews().ListReviewItems(as(token), &candorv1.ListReviewItemsRequest{Reviewer: "me"})
		if err != nil {
			t.Error(err)
		}
	}
	_, err := w.reviews().ListReviewItems(as(otherToken), &candorv1.ListReviewItemsRequest{Reviewer: "ann"})
	wantError(t, err, codes.PermissionDenied, "PERMISSION_DENIED")
	done := w.mustSay(otherToken, second, "bad")
	if done.GetFinalTime() == nil || len(done.GetVerdicts()) != 2 || done.GetVerdict().GetAuthor() != "ann, ben" || done.GetAgree() != 2 {
		t.Errorf("settled %v", done)
	}
	if p := w.prediction(id); p.GetLabel() != "bad" || p.GetState() != candorv1.AnswerState_ANSWER_STATE_FINAL {
		t.Errorf("%v", p)
	}
	if events, err := w.reviews().ListReviewEvents(as(reviewerToken), &candorv1.ListReviewEventsRequest{Name: name}); err != nil || len(events.GetEvents()) < 6 {
		t.Errorf("when it is final: %v %v", events, err)
	}
}

// Reviewers who disagree are decided over by a senior, who doesn't see what they said either.
func TestASeniorDecides(t *testing.T) {
	w := start(t, withDesk(", agreement: {}", "")...)
	name, id := w.deferOne(deferredRow)
	w.mustSay(reviewerToken, w.claim(reviewerToken, ""), "bad")
	w.mustSay(otherToken, w.claim(otherToken, ""), "good")
	wantError(t, w.claimErr(operatorToken, "", ""), codes.NotFound, "QUEUE_EMPTY")
	if md := wantError(t, w.claimErr(operatorToken, name, ""), codes.PermissionDenied, "PERMISSION_DENIED"); md["role"] != "senior" {
		t.Errorf("metadata %v", md)
	}
	if p := w.prediction(id); p.GetState() != candorv1.AnswerState_ANSWER_STATE_PENDING {
		t.Errorf("%v", p)
	}
	item := w.claim(seniorToken, "")
	_, err := w.reviews().ListReviewEvents(as(seniorToken), &candorv1.ListReviewEventsRequest{Name: name})
	wantError(t, err, codes.PermissionDenied, "PERMISSION_DENIED")
	if item.GetName() != name || item.GetAdjudication() || len(item.GetVerdicts()) != 0 || len(item.GetAnswers()) != 0 {
		t.Errorf("sam sees %v", item)
	}
	done := w.mustSay(seniorToken, item, "good")
	if !done.GetVerdict().GetAdjudication() || done.GetVerdict().GetAuthor() != "sam" || len(done.GetVerdicts()) != 3 {
		t.Errorf("%v", done)
	}
	if p := w.prediction(id); p.GetLabel() != "good" || p.GetAuthor() != "sam" {
		t.Errorf("%v", p)
	}
}

// A deadline finds one of two verdicts: what people said is better than what the policy would say without them.
func TestADeadlineFindsPartOfTheVerdicts(t *testing.T) {
	t.Parallel()
	edits := append(withDesk(", agreement: {reviewers: 3}", ""), "deadline: 1h, lease: 5m,", "deadline: 2s, lease: 5m,")
	w := start(t, edits...)
	agreed, agreedID := w.deferOne(deferredRow)
	split, splitID := w.deferOne(row(.6, .6, .55))
	say := func(token, name, l string) {
		t.Helper()
		w.mustSay(token, w.claim(token, name), l)
	}
	say(reviewerToken, agreed, "bad")
	say(reviewerToken, split, "bad")
	say(otherToken, split, "good")
	w.eventually(func() bool {
		return w.prediction(agreedID).GetFinalTime() != nil && w.prediction(splitID).GetFinalTime() != nil
	})
	if p := w.prediction(agreedID); p.GetLabel() != "bad" || p.GetAuthor() != "ann" || !hasReason(p.GetDecision(), candorv1.Reason_REASON_REVIEW_EXPIRED) {
		t.Errorf("with one verdict: %v", p)
	}
	if p := w.prediction(splitID); p.GetState() != candorv1.AnswerState_ANSWER_STATE_WITHHELD || p.GetAuthor() != "policy/on_expire" {
		t.Errorf("with two that differ: %v", p)
	}
	if got := w.metric(`candor_review_expired_total{queue="desk"}`); got != 2 {
		t.Errorf("%v missed deadlines counted", got)
	}
}
