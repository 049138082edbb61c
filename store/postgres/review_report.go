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

// mostWorkTimes bounds QueueState.WorkTimes.
const mostWorkTimes = 1000

const (
	// queueNames jumps from one queue's name to the next: there are few queues, and many items.
	queueNames = `WITH RECURSIVE names (name) AS (
			SELECT min(queue) FROM review_items
			UNION ALL
			SELECT (SELECT min(i.queue) FROM review_items i WHERE i.queue > names.name) FROM names WHERE names.name IS NOT NULL)
		SELECT name FROM names WHERE name IS NOT NULL`
	// waits: what a person may claim. $1 the queue, $2 now. A golden item isn't work that waits.
	waits        = `queue = $1 AND state IN (1, 2) AND joined_to IS NULL AND kind <> 3 AND (state = 1 OR lease_until_us <= $2)`
	countWaiting = `SELECT count(*) FROM review_items WHERE ` + waits
	listWaiting  = `SELECT expected_loss, created_us, deadline_us, audit FROM review_items WHERE ` + waits + `
		ORDER BY audit, expected_loss DESC, deadline_us, created_us, id LIMIT $3`
	listHolders = `SELECT holder, id, lease_until_us FROM review_items
		WHERE queue = $1 AND state = 2 AND joined_to IS NULL AND lease_until_us > $2 ORDER BY lease_until_us, id`
	countResolved = `SELECT count(*) FROM review_verdicts WHERE queue = $1 AND NOT undone AND given_us >= $2`
	listWorkTimes = `SELECT work_us FROM review_verdicts
		WHERE queue = $1 AND NOT undone AND given_us >= $2 AND work_us IS NOT NULL ORDER BY given_us DESC LIMIT $3`
	countExpired = `SELECT count(*) FROM review_items WHERE queue = $1 AND state = 4 AND final_us >= $2`
	countCreated = `SELECT kind, count(*) FROM review_items WHERE queue = $1 AND created_us >= $2 GROUP BY kind`
)

// Queues answers the state of every queue that has items; see review.Reports.
func (s *Store) Queues(ctx context.Context, now, since time.Time) (out []review.QueueState, err error) {
	err = s.snapshot(ctx, func(read queryFunc) error {
		out = nil
		var names []string
		if err := read(queueNames, nil, func(row scanner) error {
			var name string
			err := row.Scan(&name)
			names = append(names, name)
			return err
		}); err != nil {
			return err
		}
		for _, name := range names {
			q, err := queueState(read, name, micros(now), micros(since))
			if err != nil {
				return fmt.Errorf("queue %s: %w", name, err)
			}
			out = append(out, q)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("postgres: read the state of the queues: %w", err)
	}
	return out, nil
}

func queueState(read queryFunc, name string, nowUS, sinceUS int64) (review.QueueState, error) {
	q := review.QueueState{Queue: name, Created: map[candorv1.ReviewKind]int64{}}
	for _, part := range []struct {
		query string
		args  []any
		each  func(scanner) error
	}{
		{countWaiting, []any{name, nowUS}, func(row scanner) error { return row.Scan(&q.Pending) }},
		{listWaiting, []any{name, nowUS, review.MostWaiting}, func(row scanner) error {
			var w review.Waiting
			var created, deadline int64
			err := row.Scan(&w.ExpectedLoss, &created, &deadline, &w.Audit)
			w.Created, w.Deadline = instant(created), instant(deadline)
			q.Waiting = append(q.Waiting, w)
			return err
		}},
		{listHolders, []any{name, nowUS}, func(row scanner) error {
			var h review.Holder
			var id [16]byte
			var until int64
			err := row.Scan(&h.Reviewer, &id, &until)
			h.ItemID, h.Until = uuid.UUID(id).String(), instant(until)
			q.Holders, q.Claimed = append(q.Holders, h), q.Claimed+1
			return err
		}},
		{countResolved, []any{name, sinceUS}, func(row scanner) error { return row.Scan(&q.Resolved) }},
		{listWorkTimes, []any{name, sinceUS, mostWorkTimes}, func(row scanner) error {
			var us int64
			err := row.Scan(&us)
			q.WorkTimes = append(q.WorkTimes, time.Duration(us)*time.Microsecond)
			return err
		}},
		{countExpired, []any{name, sinceUS}, func(row scanner) error { return row.Scan(&q.Expired) }},
		{countCreated, []any{name, sinceUS}, func(row scanner) error {
			var kind int32
			var n int64
			err := row.Scan(&kind, &n)
			q.Created[candorv1.ReviewKind(kind)] = n
			return err
		}},
	} {
		if err := read(part.query, part.args, part.each); err != nil {
			return q, err
		}
	}
	return q, nil
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
		SELECT i.id, v.queue, v.model, i.field, i.kind, i.body, i.golden_answer, i.golden_tolerance, v.given_us, v.verdict, v.undone
		FROM review_verdicts v JOIN review_items i ON i.id = v.item_id
		WHERE v.given_us >= $1 AND v.given_us < $2 AND ($3::text = '' OR v.queue = $3) AND ($4::text = '' OR v.model = $4)
			AND ($5::text = '' OR v.reviewer = $5)
		ORDER BY v.given_us, v.position LIMIT $6`,
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
