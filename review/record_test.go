package review_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

func TestVerdictRecord(t *testing.T) {
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	it := review.Item{
		ID: uuid.NewString(), PredictionID: uuid.NewString(), FinalTime: at, FinalReason: candorv1.Reason_REASON_VERDICT,
		OnExpire: candorv1.ExpireAction_EXPIRE_ACTION_REJECT,
		Verdict: &candorv1.Verdict{
			Author: "ann", Answer: &candorv1.Verdict_Value{Value: 2},
			FirstAnswer: &candorv1.VerdictAnswer{Answer: &candorv1.VerdictAnswer_Value{Value: 3}},
		},
	}
	rec, err := review.VerdictRecord(&it)
	if err != nil {
		t.Fatal(err)
	}
	v := rec.GetVerdict()
	if rec.GetTimeUs() != at.UnixMicro() || v.GetAuthor() != "ann" || v.GetValue() != 2 || v.GetFirstValue() != 3 || v.GetOnExpire() != 0 {
		t.Errorf("a verdict is recorded as %v", rec)
	}
	for reason, want := range map[candorv1.Reason]string{
		candorv1.Reason_REASON_REVIEW_EXPIRED: review.AuthorOnExpire,
		candorv1.Reason_REASON_MODEL_REPLACED: review.AuthorOnReplaced,
		candorv1.Reason_REASON_SUPERSEDED:     review.AuthorGateway,
	} {
		it.Verdict, it.FinalReason = nil, reason
		rec, err := review.VerdictRecord(&it)
		if err != nil || rec.GetVerdict().GetAuthor() != want || rec.GetVerdict().GetSupersedes() != (reason == candorv1.Reason_REASON_SUPERSEDED) {
			t.Errorf("%v without an answer is recorded as %v (%v)", reason, rec, err)
		}
	}
	it.PredictionID = "x"
	if _, err := review.VerdictRecord(&it); err == nil {
		t.Error("an item of no prediction is recorded")
	}
}
