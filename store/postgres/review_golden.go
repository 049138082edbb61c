package postgres

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// goldenColumns of review_goldens g in the order of scanGolden. Shown and right are counted over the verdicts on the items that
// showed the question, those that stand.
const goldenColumns = `g.position, g.id, g.queue, g.model, g.body, g.payload, g.sha256, g.answer, g.tolerance, g.author, g.created_us`

// goldenSubject is what the decision log calls a question.
func goldenSubject(id string) string { return "goldenItems/" + id }

// AddGolden stores a question; see review.Goldens.
func (s *Store) AddGolden(ctx context.Context, g review.Golden, by, requestID string, now time.Time) (review.Golden, error) {
	const doing = "postgres: add a golden question"
	id, err := canonicalUUID(g.ID)
	switch {
	case err != nil:
		return review.Golden{}, fmt.Errorf("%s: id: %w", doing, err)
	case g.Queue == "" || by == "":
		return review.Golden{}, fmt.Errorf("%s: a question has a queue and an author", doing)
	case g.Answer.GetAnswer() == nil:
		return review.Golden{}, fmt.Errorf("%s: answer is unset: give a label or a value", doing)
	}
	body, err := encodeGolden(&g)
	if err != nil {
		return review.Golden{}, fmt.Errorf("%s: %w", doing, err)
	}
	answer, err := proto.MarshalOptions{Deterministic: true}.Marshal(g.Answer)
	if err != nil {
		return review.Golden{}, fmt.Errorf("%s: %w", doing, err)
	}
	n := newItem{Item: review.Item{ID: g.ID, Payload: g.Payload}}
	if err := n.encodePayload(); err != nil {
		return review.Golden{}, fmt.Errorf("%s: %w", doing, err)
	}
	var out review.Golden
	err = s.write(ctx, doing, needs{}, func(b *batch) error {
		// Waits for a gateway that stores the same.
		fresh := false
		err := b.change(`
			INSERT INTO review_goldens (id, queue, model, body, payload, sha256, answer, tolerance, author, request_id, created_us)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
			ON CONFLICT (author, request_id) WHERE request_id <> '' DO NOTHING RETURNING true`,
			[]any{[16]byte(id), g.Queue, g.Model, body, n.payload, n.sum, answer, g.Tolerance, by, requestID, micros(now)},
			func(row scanner) error { return row.Scan(&fresh) })
		if err != nil {
			return err
		}
		query, args := `SELECT `+goldenColumns+` FROM review_goldens g WHERE g.id = $1`, []any{[16]byte(id)}
		if !fresh {
			query, args = `SELECT `+goldenColumns+` FROM review_goldens g WHERE g.author = $1 AND g.request_id = $2`, []any{by, requestID}
		}
		found, err := readGoldens(b.query, query, args)
		if err == nil && len(found) == 0 {
			err = errors.New("another question has the id: give a new one")
		}
		if err != nil {
			return err
		}
		if out = found[0]; !fresh {
			return nil
		}
		return b.admin("golden.create", by, goldenSubject(g.ID), "", now)
	})
	return out, err
}

func encodeGolden(g *review.Golden) ([]byte, error) {
	return proto.MarshalOptions{Deterministic: true}.Marshal(&candorv1.ReviewItem{
		Field: g.Field, Backend: g.Backend, ModelVersion: g.ModelVersion, Consumer: g.Consumer, Labels: g.Labels, Unit: g.Unit, Answers: g.Answers,
	})
}

func scanGolden(row scanner) (review.Golden, error) {
	var g review.Golden
	var position, created int64
	var id [16]byte
	var body, payload, sum, answer []byte
	if err := row.Scan(&position, &id, &g.Queue, &g.Model, &body, &payload, &sum, &answer, &g.Tolerance, &g.By, &created); err != nil {
		return g, err
	}
	g.ID, g.Position, g.Created = uuid.UUID(id).String(), uint64(position), instant(created)
	var b candorv1.ReviewItem
	g.Answer = &candorv1.VerdictAnswer{}
	if err := errors.Join(proto.Unmarshal(body, &b), proto.Unmarshal(answer, g.Answer)); err != nil {
		return g, fmt.Errorf("decode golden question %s: %w", g.ID, err)
	}
	g.Field, g.Backend, g.ModelVersion, g.Consumer, g.Labels, g.Unit, g.Answers = b.Field, b.Backend, b.ModelVersion, b.Consumer, b.Labels, b.Unit, b.Answers
	if sum == nil {
		return g, nil
	}
	var err error
	g.Payload, err = review.DecodePayload(payload, sum)
	return g, err
}

// readGoldens runs a query for goldenColumns, and counts.
func readGoldens(query queryFunc, text string, args []any) ([]review.Golden, error) {
	var out []review.Golden
	err := query(text, args, func(row scanner) error {
		g, err := scanGolden(row)
		out = append(out, g)
		return err
	})
	if err != nil || len(out) == 0 {
		return out, err
	}
	at := map[[16]byte]*review.Golden{}
	var ids [][16]byte
	for i := range out {
		id := idOf(out[i].ID).Bytes
		at[id], ids = &out[i], append(ids, id)
	}
	err = query(`SELECT i.golden, v.verdict FROM review_items i JOIN review_verdicts v ON v.item_id = i.id AND NOT v.undone WHERE i.golden = ANY($1)`,
		[]any{ids}, func(row scanner) error {
			var id [16]byte
			var data []byte
			if err := row.Scan(&id, &data); err != nil {
				return err
			}
			v := &candorv1.Verdict{}
			if err := proto.Unmarshal(data, v); err != nil {
				return fmt.Errorf("decode a verdict: %w", err)
			}
			g := at[id]
			g.Shown++
			if review.Agree(review.FirstOf(v), g.Answer, g.Tolerance) {
				g.Right++
			}
			return nil
		})
	return out, err
}

// Goldens lists questions; see review.Goldens.
func (s *Store) Goldens(ctx context.Context, queue string, before uint64, limit int) ([]review.Golden, error) {
	const doing = "postgres: list golden questions"
	if limit < 1 {
		return nil, fmt.Errorf("%s: limit is %d: give at least 1", doing, limit)
	}
	if before == 0 {
		before = math.MaxInt64
	}
	found, err := readGoldens(s.reader(ctx), `SELECT `+goldenColumns+` FROM review_goldens g
		WHERE NOT g.deleted AND ($1::text = '' OR g.queue = $1) AND g.position < $2 ORDER BY g.position DESC LIMIT $3`,
		[]any{queue, int64(min(before, math.MaxInt64)), limit})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return found, nil
}

// DeleteGolden takes a question out; see review.Goldens.
func (s *Store) DeleteGolden(ctx context.Context, id, by string, now time.Time) error {
	const doing = "postgres: delete a golden question"
	return s.write(ctx, doing, needs{}, func(b *batch) error {
		gone := false
		if err := b.change(`UPDATE review_goldens SET deleted = true WHERE id = $1 AND NOT deleted RETURNING true`, []any{idOf(id)},
			func(row scanner) error { return row.Scan(&gone) }); err != nil {
			return err
		}
		if !gone {
			return review.ErrNotFound
		}
		return b.admin("golden.delete", by, goldenSubject(id), "", now)
	})
}

// NextGolden shows the holder a question; see review.Goldens. Which one is balanced: of the answers the one that the holder was shown
// least, so that nobody learns how often which is right.
func (s *Store) NextGolden(ctx context.Context, c review.Claim, made review.Item) (review.Item, error) {
	const doing = "postgres: show a golden question"
	id, err := canonicalUUID(made.ID)
	switch {
	case err != nil:
		return review.Item{}, fmt.Errorf("%s: item.id: %w", doing, err)
	case c.Holder == "" || c.Queue == "":
		return review.Item{}, fmt.Errorf("%s: a holder and a queue must be given", doing)
	case c.Queues != nil && !slices.Contains(c.Queues, c.Queue):
		return review.Item{}, fmt.Errorf("%s: %w", doing, review.ErrEmpty)
	}
	var item review.Item
	err = s.directly(ctx, doing, func(d *direct) error {
		if known, err := d.repeated(c.Holder, c.RequestID, claimAct); err != nil || known.Valid {
			if err != nil {
				return err
			}
			it, err := loadItem(d.query, uuidText(known), "")
			if err != nil {
				return err
			}
			it.Repeated = true
			item = it.Item
			return withPayload(d.query, &item)
		}
		// Two claims of one reviewer at once would get the same question.
		if _, err := d.exec(`SELECT pg_advisory_xact_lock($1, hashtext($2))`, goldenLock, c.Holder); err != nil {
			return err
		}
		g, err := d.leastShown(c)
		if err != nil {
			return err
		}
		n := golden(made, g, c)
		n.id = id
		if err := errors.Join(n.encodePayload(), n.finish()); err != nil {
			return err
		}
		n.State = candorv1.ReviewState_REVIEW_STATE_CLAIMED
		insertItem(d, &n, byGateway)
		insertEvent(d, review.Event{
			ItemID: n.ID, Kind: candorv1.ReviewEventKind_REVIEW_EVENT_KIND_CLAIMED, At: n.Created, Actor: c.Holder, Queue: n.Queue, Epoch: n.Epoch,
		})
		if c.RequestID != "" {
			d.later(insertRequest, n.id, c.Holder, c.RequestID, claimAct)
		}
		d.moved, item = true, n.Item
		return withPayload(d.query, &item)
	})
	if err != nil {
		return review.Item{}, err
	}
	return item, nil
}

// goldenLock is the first half of the lock on a reviewer's questions.
const goldenLock = 0x434e4447

// leastShown chooses a question for a claim. Errors: review.ErrEmpty.
func (d *direct) leastShown(c review.Claim) (review.Golden, error) {
	var id [16]byte
	err := d.queryRow(`
		WITH shown AS (SELECT golden, holder_of.reviewer FROM review_items i
				CROSS JOIN LATERAL (SELECT DISTINCT actor AS reviewer FROM review_events e WHERE e.item_id = i.id AND e.kind = $3) AS holder_of
				WHERE i.golden IS NOT NULL),
			mine AS (SELECT g.answer, count(*) AS times FROM shown JOIN review_goldens g ON g.id = shown.golden
				WHERE shown.reviewer = $1 GROUP BY g.answer),
			others AS (SELECT golden, count(*) AS times FROM shown GROUP BY golden)
		SELECT g.id FROM review_goldens g LEFT JOIN mine ON mine.answer = g.answer LEFT JOIN others ON others.golden = g.id
		WHERE g.queue = $2 AND NOT g.deleted AND NOT EXISTS (SELECT FROM shown WHERE shown.golden = g.id AND shown.reviewer = $1)
		ORDER BY coalesce(mine.times, 0), coalesce(others.times, 0), g.position LIMIT 1`,
		[]any{c.Holder, c.Queue, int32(candorv1.ReviewEventKind_REVIEW_EVENT_KIND_CLAIMED)}, &id)
	if errors.Is(err, pgx.ErrNoRows) {
		return review.Golden{}, review.ErrEmpty
	}
	if err != nil {
		return review.Golden{}, fmt.Errorf("choose a question: %w", err)
	}
	found, err := readGoldens(d.query, `SELECT `+goldenColumns+` FROM review_goldens g WHERE g.id = $1`, []any{id})
	if err == nil && len(found) == 0 {
		err = review.ErrEmpty
	}
	if err != nil {
		return review.Golden{}, err
	}
	return found[0], nil
}

// golden makes the item that shows a question.
func golden(made review.Item, g review.Golden, c review.Claim) newItem {
	it := made
	it.Queue, it.Model, it.Field, it.Backend, it.ModelVersion, it.Consumer = g.Queue, g.Model, g.Field, g.Backend, g.ModelVersion, g.Consumer
	it.Labels, it.Unit, it.Payload, it.Answers = g.Labels, g.Unit, g.Payload, g.Answers
	it.Golden, it.GoldenAnswer, it.GoldenTolerance, it.Tolerance = g.ID, g.Answer, g.Tolerance, g.Tolerance
	it.Kind, it.Release = candorv1.ReviewKind_REVIEW_KIND_GOLDEN, candorv1.ReleaseState_RELEASE_STATE_RELEASED
	it.Holder, it.Epoch, it.ClaimedAt = c.Holder, max(it.Epoch, 1), whole(c.Now)
	if it.LeaseUntil.IsZero() && c.LeaseFor != nil {
		it.LeaseUntil = whole(c.Now.Add(c.LeaseFor(g.Queue)))
	}
	if it.SamplingProbability == 0 {
		it.SamplingProbability = 1
	}
	if it.PredictionID == "" {
		it.PredictionID = it.ID
	}
	return newItem{Item: it}
}
