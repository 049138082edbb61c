package sqlite

import (
	"fmt"

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
	rec, err := review.VerdictRecord(it)
	if err != nil {
		return err
	}
	if _, err := t.appendRecord(rec); err != nil {
		return err
	}
	if !it.Awaited() {
		return nil
	}
	answer, err := it.EncodeFinal()
	if err != nil {
		return err
	}
	if _, err := t.exec(`INSERT INTO finals (item_id, answer) VALUES (?, ?)`, it.ID, answer); err != nil {
		return fmt.Errorf("append to the feed of final answers: %w", err)
	}
	t.final = true
	return nil
}
