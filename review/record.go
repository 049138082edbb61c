package review

import (
	"fmt"

	"github.com/google/uuid"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// VerdictRecord is what the decision log is told when an item's answer became final or changed after that.
func VerdictRecord(it *Item) (*candorv1.Record, error) {
	var micros int64
	if !it.FinalTime.IsZero() {
		micros = it.FinalTime.UnixMicro()
	}
	id, err := uuid.Parse(it.ID)
	if err != nil {
		return nil, fmt.Errorf("id: %w", err)
	}
	prediction, err := uuid.Parse(it.PredictionID)
	if err != nil {
		return nil, fmt.Errorf("prediction_id: %w", err)
	}
	v := &candorv1.VerdictRecord{
		ReviewItem: id[:], PredictionId: prediction[:], Row: it.Row, Field: it.Field, Author: authorOfNone(it), ReleaseState: it.Release,
		Limit: it.HeldBy, Epoch: it.Epoch, Reason: it.FinalReason, Action: it.Action, Kind: it.Kind,
		Verdicts: uint32(len(it.Verdicts)), Agreeing: it.Agreeing, Adjudication: it.Verdict.GetAdjudication(), Golden: it.Golden,
		Supersedes: it.FinalReason == candorv1.Reason_REASON_SUPERSEDED, LimitInputs: it.stated(),
	}
	if it.FinalReason == candorv1.Reason_REASON_REVIEW_EXPIRED {
		v.OnExpire = it.OnExpire
	}
	if it.Verdict != nil {
		v.Author, v.StatedReason, v.Label = it.Verdict.GetAuthor(), it.Verdict.GetReason(), it.Verdict.GetLabel()
		if x, ok := it.Verdict.GetAnswer().(*candorv1.Verdict_Value); ok {
			v.Value = &x.Value
		}
		v.FirstLabel = it.Verdict.GetFirstAnswer().GetLabel()
		if x, ok := it.Verdict.GetFirstAnswer().GetAnswer().(*candorv1.VerdictAnswer_Value); ok {
			v.FirstValue = &x.Value
		}
	}
	return &candorv1.Record{TimeUs: micros, Entry: &candorv1.Record_Verdict{Verdict: v}}, nil
}

// authorOfNone is who ended an item without an answer.
func authorOfNone(it *Item) string {
	switch it.FinalReason {
	case candorv1.Reason_REASON_REVIEW_EXPIRED:
		return AuthorOnExpire
	case candorv1.Reason_REASON_MODEL_REPLACED:
		return AuthorOnReplaced
	}
	return AuthorGateway
}
