package sqlite

import (
	"cmp"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// save stores what an act made of an item: the item, whose revision rises, its verdicts, exclusions and history. before is the item
// as it was.
func (t *tx) save(before, it *review.Item, e review.Effects) error {
	it.Excluded = slices.Clone(it.Excluded)
	slices.SortFunc(it.Excluded, func(a, b review.Exclusion) int { return cmp.Compare(a.Reviewer, b.Reviewer) })
	it.Whole()
	it.Revision = before.Revision + 1
	if err := t.updateItem(it); err != nil {
		return fmt.Errorf("store review item %s: %w", it.ID, err)
	}
	if err := t.saveVerdicts(before, it); err != nil {
		return fmt.Errorf("store the verdicts on review item %s: %w", it.ID, err)
	}
	for _, reviewer := range e.Include {
		if _, err := t.exec(`DELETE FROM review_exclusions WHERE item_id = ? AND reviewer = ?`, it.ID, reviewer); err != nil {
			return fmt.Errorf("store the exclusions of review item %s: %w", it.ID, err)
		}
	}
	if err := t.insertExclusions(it.ID, e.Exclude); err != nil {
		return err
	}
	t.moved = true
	return t.insertEvents(e.Events...)
}

// updateItem stores everything of an item that an act may change.
func (t *tx) updateItem(it *review.Item) error {
	body, err := encodeBody(it)
	if err != nil {
		return err
	}
	verdict, err := encodeOptional(it.Verdict)
	if err != nil {
		return err
	}
	_, err = t.exec(`
		UPDATE review_items SET queue = ?, state = ?, release_state = ?, expected_loss = ?, deadline_us = ?, holder = ?, epoch = ?,
			lease_until_us = ?, claimed_us = ?, body = ?, adjudication = ?, undo_until_us = ?, verdict = ?, agreeing = ?, final_us = ?,
			held_by = ?, action = ?, final_reason = ?, joined_to = ?, joined = ?, revision = ?
		WHERE id = ?`,
		it.Queue, int64(it.State), int64(it.Release), it.ExpectedLoss, micros(it.Deadline), it.Holder, int64(it.Epoch),
		micros(it.LeaseUntil), micros(it.ClaimedAt), body, it.Adjudication, micros(it.UndoUntil), verdict, int64(it.Agreeing), micros(it.FinalTime),
		it.HeldBy, it.Action, int64(it.FinalReason), it.JoinedTo, int64(it.Joined), int64(it.Revision), it.ID)
	return err
}

// saveVerdicts stores how the reviewers' verdicts differ from those before. One that was taken back stays, and says so.
func (t *tx) saveVerdicts(before, it *review.Item) error {
	for _, old := range before.Verdicts {
		if verdictBy(it, old.GetAuthor()) != nil {
			continue
		}
		if _, err := t.exec(`UPDATE review_verdicts SET undone = 1 WHERE item_id = ? AND reviewer = ? AND undone = 0`,
			it.ID, old.GetAuthor()); err != nil {
			return err
		}
	}
	for _, v := range it.Verdicts {
		old := verdictBy(before, v.GetAuthor())
		if old != nil && proto.Equal(old, v) {
			continue
		}
		data, err := deterministic.Marshal(v)
		if err != nil {
			return err
		}
		if old != nil {
			_, err = t.exec(`UPDATE review_verdicts SET verdict = ? WHERE item_id = ? AND reviewer = ? AND undone = 0`, data, it.ID, v.GetAuthor())
		} else {
			var work any
			if v.GetWorkTime() != nil {
				work = v.GetWorkTime().AsDuration().Microseconds()
			}
			_, err = t.exec(`INSERT INTO review_verdicts (item_id, reviewer, queue, model, given_us, work_us, verdict) VALUES (?, ?, ?, ?, ?, ?, ?)`,
				it.ID, v.GetAuthor(), it.Queue, it.Model, v.GetCreateTime().AsTime().UnixMicro(), work, data)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func verdictBy(it *review.Item, reviewer string) *candorv1.Verdict {
	for _, v := range it.Verdicts {
		if v.GetAuthor() == reviewer {
			return v
		}
	}
	return nil
}

func (t *tx) insertExclusions(id string, exclusions []review.Exclusion) error {
	for _, x := range exclusions {
		if _, err := t.exec(`
			INSERT INTO review_exclusions (item_id, reviewer, until_us) VALUES (?, ?, ?)
			ON CONFLICT (item_id, reviewer) DO UPDATE SET until_us = excluded.until_us`, id, x.Reviewer, micros(x.Until)); err != nil {
			return fmt.Errorf("store the exclusions of review item %s: %w", id, err)
		}
	}
	return nil
}
