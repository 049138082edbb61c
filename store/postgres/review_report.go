package postgres

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// mostWorkTimes of a queue, newest first: enough for a median.
const mostWorkTimes = 1000

// Queues answers the state of every queue that has items, from one snapshot; see review.Reports.
func (s *Store) Queues(ctx context.Context, now, since time.Time) ([]review.QueueState, error) {
	var out []review.QueueState
	err := s.snapshot(ctx, func(query queryFunc) error {
		c := queueCount{query: query, now: micros(now), since: micros(since), at: map[string]int{}}
		for _, part := range []func() error{c.names, c.open, c.waiting, c.holders, c.ended, c.workTimes, c.created} {
			if err := part(); err != nil {
				return err
			}
		}
		out = c.states
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("postgres: count the queues: %w", err)
	}
	return out, nil
}

// queueCount reads the parts of queues' states.
type queueCount struct {
	query      queryFunc
	now, since int64
	states     []review.QueueState
	at         map[string]int
}

// state of a queue that names has found.
func (c *queueCount) state(queue string) *review.QueueState {
	i, ok := c.at[queue]
	if !ok {
		return &review.QueueState{}
	}
	return &c.states[i]
}

// names reads the queues one after the other from their index, without looking at every item.
func (c *queueCount) names() error {
	return c.query(`
		WITH RECURSIVE names (queue) AS (
			(SELECT queue FROM review_items ORDER BY queue LIMIT 1)
			UNION ALL
			SELECT (SELECT i.queue FROM review_items i WHERE i.queue > names.queue ORDER BY i.queue LIMIT 1) FROM names WHERE names.queue IS NOT NULL
		) SELECT queue FROM names WHERE queue IS NOT NULL ORDER BY queue COLLATE "C"`, nil, func(row scanner) error {
		st := review.QueueState{Created: map[candorv1.ReviewKind]int64{}}
		err := row.Scan(&st.Queue)
		c.at[st.Queue] = len(c.states)
		c.states = append(c.states, st)
		return err
	})
}

func (c *queueCount) open() error {
	return c.query(`SELECT queue, count(*) FILTER (WHERE state = 1), count(*) FILTER (WHERE state = 2) FROM review_items
		WHERE state IN (1, 2) AND joined_to IS NULL GROUP BY queue`, nil, func(row scanner) error {
		var queue string
		var pending, claimed int64
		err := row.Scan(&queue, &pending, &claimed)
		st := c.state(queue)
		st.Pending, st.Claimed = pending, claimed
		return err
	})
}

func (c *queueCount) waiting() error {
	return c.query(`SELECT queue, expected_loss, created_us, deadline_us, audit FROM (
			SELECT queue, expected_loss, created_us, deadline_us, audit, row_number() OVER turn AS turn FROM review_items
			WHERE state = 1 AND joined_to IS NULL WINDOW turn AS (PARTITION BY queue ORDER BY audit, expected_loss DESC, deadline_us, created_us, id)
		) AS waiting WHERE turn <= $1 ORDER BY queue, turn`, []any{review.MostWaiting}, func(row scanner) error {
		var queue string
		var w review.Waiting
		var created, deadline int64
		err := row.Scan(&queue, &w.ExpectedLoss, &created, &deadline, &w.Audit)
		w.Created, w.Deadline = instant(created), instant(deadline)
		st := c.state(queue)
		st.Waiting = append(st.Waiting, w)
		return err
	})
}

func (c *queueCount) holders() error {
	return c.query(`SELECT queue, holder, id, lease_until_us FROM review_items
		WHERE state = 2 AND joined_to IS NULL AND lease_until_us > $1 ORDER BY queue, holder, id`, []any{c.now}, func(row scanner) error {
		var queue string
		var h review.Holder
		var id [16]byte
		var until int64
		err := row.Scan(&queue, &h.Reviewer, &id, &until)
		h.ItemID, h.Until = uuid.UUID(id).String(), instant(until)
		st := c.state(queue)
		st.Holders = append(st.Holders, h)
		return err
	})
}

func (c *queueCount) ended() error {
	err := c.query(`SELECT i.queue, count(*) FROM review_verdicts v JOIN review_items i ON i.id = v.item_id
		WHERE v.given_us >= $1 AND NOT v.undone GROUP BY i.queue`, []any{c.since}, func(row scanner) error {
		var queue string
		var n int64
		err := row.Scan(&queue, &n)
		c.state(queue).Resolved = n
		return err
	})
	if err != nil {
		return err
	}
	return c.query(`SELECT queue, count(*) FROM review_items WHERE final_us >= $1 AND state = 4 GROUP BY queue`, []any{c.since}, func(row scanner) error {
		var queue string
		var n int64
		err := row.Scan(&queue, &n)
		c.state(queue).Expired = n
		return err
	})
}

func (c *queueCount) workTimes() error {
	return c.query(`SELECT queue, verdict FROM (
			SELECT i.queue, v.verdict, v.given_us, row_number() OVER (PARTITION BY i.queue ORDER BY v.given_us DESC, v.item_id) AS n
			FROM review_verdicts v JOIN review_items i ON i.id = v.item_id WHERE v.given_us >= $1 AND NOT v.undone
		) AS given WHERE n <= $2 ORDER BY queue, n`, []any{c.since, mostWorkTimes}, func(row scanner) error {
		var queue string
		var data []byte
		if err := row.Scan(&queue, &data); err != nil {
			return err
		}
		v := &candorv1.Verdict{}
		if err := proto.Unmarshal(data, v); err != nil {
			return fmt.Errorf("decode a verdict: %w", err)
		}
		if v.GetWorkTime() != nil {
			st := c.state(queue)
			st.WorkTimes = append(st.WorkTimes, v.GetWorkTime().AsDuration())
		}
		return nil
	})
}

func (c *queueCount) created() error {
	return c.query(`SELECT queue, kind, count(*) FROM review_items WHERE created_us >= $1 GROUP BY queue, kind`, []any{c.since}, func(row scanner) error {
		var queue string
		var kind int32
		var n int64
		if err := row.Scan(&queue, &kind, &n); err != nil {
			return err
		}
		if st := c.state(queue); st.Created != nil {
			st.Created[candorv1.ReviewKind(kind)] = n
		}
		return nil
	})
}

// Given answers verdicts in the order in which they were given; see review.Reports.
func (s *Store) Given(ctx context.Context, f review.GivenFilter) ([]review.Given, error) {
	const doing = "postgres: read verdicts"
	if f.Limit < 1 {
		return nil, fmt.Errorf("%s: limit is %d: give at least 1", doing, f.Limit)
	}
	until := int64(math.MaxInt64)
	if !f.Until.IsZero() {
		until = micros(f.Until)
	}
	var out []review.Given
	err := s.reader(ctx)(`
		SELECT i.id, i.queue, i.model, i.field, i.kind, i.body, i.golden_answer, i.golden_tolerance, v.given_us, v.verdict, v.undone
		FROM review_verdicts v JOIN review_items i ON i.id = v.item_id
		WHERE v.given_us >= $1 AND v.given_us < $2 AND ($3::text = '' OR i.queue = $3) AND ($4::text = '' OR i.model = $4)
			AND ($5::text = '' OR v.reviewer = $5)
		ORDER BY v.given_us, v.item_id, v.reviewer LIMIT $6`,
		[]any{micros(f.Since), until, f.Queue, f.Model, f.Reviewer, f.Limit}, func(row scanner) error {
			g, err := scanGiven(row)
			out = append(out, g)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return out, nil
}

func scanGiven(row scanner) (review.Given, error) {
	var g review.Given
	var id [16]byte
	var kind int32
	var given int64
	var body, golden, verdict []byte
	if err := row.Scan(&id, &g.Queue, &g.Model, &g.Field, &kind, &body, &golden, &g.Tolerance, &given, &verdict, &g.Undone); err != nil {
		return g, err
	}
	g.ItemID, g.Kind, g.At, g.Verdict = uuid.UUID(id).String(), candorv1.ReviewKind(kind), instant(given), &candorv1.Verdict{}
	if err := proto.Unmarshal(verdict, g.Verdict); err != nil {
		return g, fmt.Errorf("decode a verdict on review item %s: %w", g.ItemID, err)
	}
	var it review.Item
	if err := decodeBody(body, &it); err != nil {
		return g, fmt.Errorf("decode review item %s: %w", g.ItemID, err)
	}
	g.Answers = it.Answers
	if golden == nil {
		return g, nil
	}
	g.Golden = &candorv1.VerdictAnswer{}
	if err := proto.Unmarshal(golden, g.Golden); err != nil {
		return g, fmt.Errorf("decode the right answer of review item %s: %w", g.ItemID, err)
	}
	return g, nil
}
