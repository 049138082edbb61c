package postgres

import (
	"fmt"

	"github.com/google/uuid"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// follow does what follows from an item's answer elsewhere: the decision log, the feed, the evidence of certificates, the
// payload's retention, items that joined it.
func (b *batch) follow(a *applied) error {
	it, e := &a.Item, a.effects
	if e.Final || e.Announced {
		if err := b.announce(a.id, it); err != nil {
			return err
		}
	}
	if e.Final {
		if err := b.settle(it, micros(it.FinalTime)); err != nil {
			return err
		}
		b.score(it)
		b.later(`UPDATE review_payloads SET finished_us = $2 WHERE item_id = $1`, a.id, micros(it.FinalTime))
	}
	switch {
	case e.Orphaned:
		return b.succeed(a.id, it)
	case e.Final && it.Verdict != nil:
		return b.answerJoined(it)
	}
	return nil
}

// announce tells the decision log and the feed what became of an item's answer. The feed has those that somebody waits for.
func (b *batch) announce(id [16]byte, it *review.Item) error {
	rec, err := verdictRecord(it)
	if err != nil {
		return err
	}
	if _, err := b.appendRecord(rec); err != nil {
		return err
	}
	if it.Awaited() {
		b.finals = append(b.finals, id)
	}
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
		Limit: it.HeldBy, Epoch: it.Epoch, Reason: it.FinalReason, Action: it.Action, Kind: it.Kind, Verdicts: uint32(len(it.Verdicts)),
		Agreeing: it.Agreeing, Adjudication: it.Verdict.GetAdjudication(), Golden: it.Golden,
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
		switch first := it.Verdict.GetFirstAnswer().GetAnswer().(type) {
		case *candorv1.VerdictAnswer_Label:
			v.FirstLabel = first.Label
		case *candorv1.VerdictAnswer_Value:
			v.FirstValue = &first.Value
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
