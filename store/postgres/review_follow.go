package postgres

import (
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
	rec, err := review.VerdictRecord(it)
	if err != nil {
		return err
	}
	if _, err := b.appendRecord(rec); err != nil {
		return err
	}
	if !it.Awaited() {
		return nil
	}
	answer, err := it.EncodeFinal()
	if err != nil {
		return err
	}
	b.finals, b.answers = append(b.finals, id), append(b.answers, answer)
	return nil
}
