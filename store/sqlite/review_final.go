package sqlite

import (
	"fmt"

	"github.com/google/uuid"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// finish does what a final answer leads to beside the item: the decision log, the feed, the evidence of certificates, the golden
// question's score, the payload's retention.
func (t *tx) finish(it *review.Item) error {
	if err := t.announce(it); err != nil {
		return err
	}
	if err := t.settle(it, micros(it.FinalTime)); err != nil {
		return err
	}
	if err := t.score(it); err != nil {
		return err
	}
	if _, err := t.exec(`UPDATE review_payloads SET finished_us = ? WHERE item_id = ?`, micros(it.FinalTime), it.ID); err != nil {
		return fmt.Errorf("start the payload's retention: %w", err)
	}
	return nil
}

// announce tells the decision log and, where somebody waits for it, the feed what became of an item's answer.
func (t *tx) announce(it *review.Item) error {
	rec, err := verdictRecord(it)
	if err != nil {
		return err
	}
	if _, err := t.appendRecord(rec); err != nil {
		return err
	}
	if !it.Awaited() {
		return nil
	}
	if _, err := t.exec(`INSERT INTO finals (item_id) VALUES (?)`, it.ID); err != nil {
		return fmt.Errorf("append to the feed of final answers: %w", err)
	}
	t.final = true
	return nil
}

func verdictRecord(it *review.Item) (*candorv1.Record, error) {
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
		Supersedes: it.FinalReason == candorv1.Reason_REASON_SUPERSEDED,
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
	return &candorv1.Record{TimeUs: micros(it.FinalTime), Entry: &candorv1.Record_Verdict{Verdict: v}}, nil
}

// authorOfNone is who ended an item without an answer.
func authorOfNone(it *review.Item) string {
	switch it.FinalReason {
	case candorv1.Reason_REASON_REVIEW_EXPIRED:
		return review.AuthorOnExpire
	case candorv1.Reason_REASON_MODEL_REPLACED:
		return review.AuthorOnReplaced
	}
	return byGateway
}
