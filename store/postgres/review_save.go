package postgres

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

const (
	insertExclusion = `INSERT INTO review_exclusions (item_id, reviewer, until_us) VALUES ($1, $2, $3)
		ON CONFLICT (item_id, reviewer) DO UPDATE SET until_us = excluded.until_us`
	insertRequest = `INSERT INTO review_requests (item_id, actor, request_id, led, at_us) VALUES ($1, $2, $3, $4, $5)`
)

// applied is an act on an item: as it was and is, with its payload, and what follows.
type applied struct {
	stored
	before  review.Item
	effects review.Effects
}

// apply applies an act to an item, which it reads and locks. An act that was done before leaves the item as it is, and says so in it. led
// is how its request came to the item. Errors: review.ErrNotFound, those of the act.
func apply(to writing, id string, a review.Act, led int, now time.Time) (applied, error) {
	key := idOf(id).Bytes
	var payload storedPayload
	var done bool
	more := []question{payload.question(key)}
	actor, request := a.Request()
	if request != "" {
		more = append(more, question{`SELECT FROM review_requests WHERE item_id = $1 AND actor = $2 AND request_id = $3`, []any{key, actor, request},
			func(scanner) error {
				done = true
				return nil
			}})
	}
	it, err := loadItem(to.ask, id, forUpdate, more...)
	if err == nil {
		err = payload.fill(&it.Item)
	}
	if err != nil {
		return applied{}, err
	}
	if done {
		it.Repeated = true
		return applied{stored: it, before: it.Item, effects: review.Effects{Unchanged: true}}, nil
	}
	before := it.Item
	effects, err := guarded(a, &it.Item)
	if err != nil {
		return applied{}, err
	}
	if request != "" {
		to.later(insertRequest, it.id, actor, request, led, micros(now))
	}
	return applied{it, before, effects}, nil
}

// guarded keeps a panic of the caller's act from taking the writer, and with it the store, along.
func guarded(a review.Act, it *review.Item) (effects review.Effects, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the act on review item %s panicked: %v", it.ID, p)
		}
	}()
	return a.Apply(it)
}

// How a request came to its item: it named it, or the store chose or made it. The second and third kind are asked for without an
// item.
const (
	ledByName = iota
	ledByClaim
	ledByAppeal
)

// save stores what an act has changed of the item itself: it, its history, its exclusions and verdicts.
func save(to writing, a *applied) error {
	if a.effects.Unchanged {
		return nil
	}
	it := &a.Item
	it.Whole()
	slices.SortFunc(it.Excluded, func(a, b review.Exclusion) int { return cmp.Compare(a.Reviewer, b.Reviewer) })
	it.Revision++
	body, err := encodeBody(it)
	if err != nil {
		return fmt.Errorf("encode review item %s: %w", it.ID, err)
	}
	to.later(`
		UPDATE review_items SET queue = $2, state = $3, release_state = $4, expected_loss = $5, holder = $6, epoch = $7, lease_until_us = $8,
			claimed_us = $9, agreeing = $10, adjudication = $11, undo_until_us = $12, final_us = $13, held_by = $14, action = $15,
			final_reason = $16, model_replaced = $17, joined_to = $18, joined = $19, revision = $20 WHERE id = $1`,
		a.id, it.Queue, int32(it.State), int32(it.Release), it.ExpectedLoss, it.Holder, int64(it.Epoch), micros(it.LeaseUntil),
		micros(it.ClaimedAt), int32(it.Agreeing), it.Adjudication, micros(it.UndoUntil), micros(it.FinalTime), it.HeldBy, it.Action,
		int32(it.FinalReason), it.ModelReplaced, idOf(it.JoinedTo), int32(it.Joined), int64(it.Revision))
	if !bytes.Equal(body, a.body) {
		to.later(`UPDATE review_items SET body = $2 WHERE id = $1`, a.id, body)
	}
	for _, x := range a.effects.Exclude {
		to.later(insertExclusion, a.id, x.Reviewer, micros(x.Until))
	}
	for _, reviewer := range a.effects.Include {
		to.later(`DELETE FROM review_exclusions WHERE item_id = $1 AND reviewer = $2`, a.id, reviewer)
	}
	for _, ev := range a.effects.Events {
		insertEvent(to, ev)
	}
	return saveVerdicts(to, a)
}

func insertEvent(to writing, ev review.Event) {
	var verdict []byte
	if ev.Verdict != nil {
		verdict, _ = proto.MarshalOptions{Deterministic: true}.Marshal(ev.Verdict) // it was encoded with the item
	}
	to.later(`INSERT INTO review_events (item_id, kind, at_us, actor, note, queue, epoch, verdict) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		idOf(ev.ItemID), int32(ev.Kind), micros(ev.At), text(ev.Actor), text(ev.Note), text(ev.Queue), int64(ev.Epoch), verdict)
}

// saveVerdicts keeps how the reviewers' verdicts differ from those before. One that was taken back stays, and says so.
func saveVerdicts(to writing, a *applied) error {
	for _, old := range a.before.Verdicts {
		if verdictBy(&a.Item, old.GetAuthor()) == nil {
			to.later(`UPDATE review_verdicts SET undone = true WHERE item_id = $1 AND reviewer = $2 AND NOT undone`, a.id, old.GetAuthor())
		}
	}
	for _, v := range a.Verdicts {
		old := verdictBy(&a.before, v.GetAuthor())
		if old != nil && proto.Equal(old, v) {
			continue
		}
		data, err := proto.MarshalOptions{Deterministic: true}.Marshal(v)
		if err != nil {
			return fmt.Errorf("encode a verdict: %w", err)
		}
		if old != nil {
			to.later(`UPDATE review_verdicts SET verdict = $3 WHERE item_id = $1 AND reviewer = $2 AND NOT undone`, a.id, v.GetAuthor(), data)
			continue
		}
		var work *int64
		if v.GetWorkTime() != nil {
			us := v.GetWorkTime().AsDuration().Microseconds()
			work = &us
		}
		to.later(`INSERT INTO review_verdicts (item_id, reviewer, queue, model, given_us, work_us, verdict) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			a.id, v.GetAuthor(), a.Queue, a.Model, v.GetCreateTime().AsTime().UnixMicro(), work, data)
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

// logged says whether something follows that only the writer can do: what is told the decision log, and other items.
func logged(e review.Effects) bool { return e.Final || e.Announced || e.Orphaned }
