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
		if err := b.announce(a.id, it, e); err != nil {
			return err
		}
	}
	if e.Final {
		if err := b.settle(it, micros(it.FinalTime)); err != nil {
			return err
		}
		b.later(`UPDATE review_payloads SET finished_us = $2 WHERE item_id = $1`, a.id, micros(it.FinalTime))
	}
	switch {
	case e.Orphaned:
		return b.succeed(it)
	case e.Final:
		return b.answerJoined(it)
	}
	return nil
}

// announce tells the decision log and the feed what became of an item's answer. The feed has those that somebody waits for.
func (b *batch) announce(id [16]byte, it *review.Item, e review.Effects) error {
	rec, err := verdictRecord(it, e)
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

func verdictRecord(it *review.Item, e review.Effects) (*candorv1.Record, error) {
	id, err := uuid.Parse(it.ID)
	if err != nil {
		return nil, fmt.Errorf("id: %w", err)
	}
	prediction, err := uuid.Parse(it.PredictionID)
	if err != nil {
		return nil, fmt.Errorf("prediction_id: %w", err)
	}
	v := &candorv1.VerdictRecord{
		ReviewItem: id[:], PredictionId: prediction[:], Row: it.Row, Field: it.Field, Author: review.AuthorOnExpire, ReleaseState: it.Release,
		Limit: it.HeldBy, Epoch: it.Epoch, Reason: it.FinalReason, Action: it.Action, Kind: it.Kind, Verdicts: uint32(len(it.Verdicts)),
		Agreeing: it.Agreeing, Adjudication: it.Verdict.GetAdjudication(), Golden: it.Golden,
		Supersedes: e.Announced && it.FinalReason == candorv1.Reason_REASON_SUPERSEDED,
	}
	switch it.FinalReason {
	case candorv1.Reason_REASON_REVIEW_EXPIRED:
		v.OnExpire = it.OnExpire
	case candorv1.Reason_REASON_MODEL_REPLACED:
		v.Author, v.OnExpire = review.AuthorOnReplaced, it.OnExpire
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

// joined reads and locks the open items that get an item's answer.
func (b *batch) joined(id string) ([]stored, error) {
	found, err := readItems(b.query, `SELECT `+itemColumns+` FROM review_items i WHERE i.joined_to = $1 AND i.state IN (1, 2) ORDER BY i.id`+forUpdate,
		[]any{idOf(id)})
	if err != nil {
		return nil, fmt.Errorf("read the items that joined %s: %w", id, err)
	}
	return found, nil
}

// answerJoined gives an item's answer to those that joined it.
func (b *batch) answerJoined(first *review.Item) error {
	found, err := b.joined(first.ID)
	if err != nil {
		return err
	}
	for _, it := range found {
		before := it.Item
		effects, waited := review.Follow(&it.Item, first, first.FinalTime)
		if !waited {
			continue
		}
		if err := save(b, &applied{it, before, effects}); err != nil {
			return err
		}
	}
	return nil
}

// succeed lets one of the items that had joined an ended one take its place.
func (b *batch) succeed(ended *review.Item) error {
	found, err := b.joined(ended.ID)
	if err != nil || len(found) == 0 {
		return err
	}
	before := map[string]stored{}
	items := make([]*review.Item, len(found))
	for i := range found {
		before[found[i].ID], items[i] = found[i], &found[i].Item
	}
	items, effects := review.Succeed(items, ended.FinalTime)
	for i, it := range items {
		was := before[it.ID]
		if err := save(b, &applied{stored{*it, was.id, was.body}, was.Item, effects[i]}); err != nil {
			return err
		}
	}
	return nil
}
