package sqlite

import (
	"context"
	"fmt"
	"time"

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
			SELECT (SELECT min(queue) FROM review_items WHERE queue > name) FROM names WHERE name IS NOT NULL)
		SELECT name FROM names WHERE name IS NOT NULL`
	// waits: what a person may claim. ?1 the queue, ?2 now. A golden item isn't work that waits.
	waits        = `queue = ?1 AND state IN (1, 2) AND joined_to = '' AND kind <> 3 AND (state = 1 OR lease_until_us <= ?2)`
	countWaiting = `SELECT count(*) FROM review_items INDEXED BY review_items_count WHERE ` + waits
	listWaiting  = `SELECT expected_loss, created_us, deadline_us, lane FROM review_items INDEXED BY review_items_next_of_queue WHERE ` +
		waits + ` ORDER BY lane, expected_loss DESC, deadline_us, created_us, id LIMIT ?3`
	listHolders = `SELECT holder, id, lease_until_us FROM review_items INDEXED BY review_items_count
		WHERE queue = ?1 AND state IN (1, 2) AND +state = 2 AND joined_to = '' AND lease_until_us > ?2 ORDER BY lease_until_us, id`
	countResolved = `SELECT count(*) FROM review_verdicts INDEXED BY review_verdicts_of_queue WHERE queue = ? AND undone = 0 AND given_us >= ?`
	listWorkTimes = `SELECT work_us FROM review_verdicts INDEXED BY review_verdicts_of_queue
		WHERE queue = ? AND undone = 0 AND given_us >= ? AND work_us IS NOT NULL ORDER BY given_us DESC LIMIT ?`
	countExpired = `SELECT count(*) FROM review_items INDEXED BY review_items_expired WHERE queue = ? AND state = 4 AND final_us >= ?`
	countCreated = `SELECT kind, count(*) FROM review_items INDEXED BY review_items_newest_of_queue WHERE queue = ? AND created_us >= ? GROUP BY kind`
)

// Queues answers the state of every queue that has items; see review.Store.
func (s *Store) Queues(ctx context.Context, now, since time.Time) (out []review.QueueState, err error) {
	err = s.snapshot(ctx, func(read queryFunc) error {
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
		return nil, fmt.Errorf("sqlite: read the state of the queues: %w", err)
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
			var created, deadline, lane int64
			err := row.Scan(&w.ExpectedLoss, &created, &deadline, &lane)
			w.Created, w.Deadline, w.Audit = instant(created), instant(deadline), lane == auditLane
			q.Waiting = append(q.Waiting, w)
			return err
		}},
		{listHolders, []any{name, nowUS}, func(row scanner) error {
			var h review.Holder
			var until int64
			err := row.Scan(&h.Reviewer, &h.ItemID, &until)
			h.Until = instant(until)
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
			var kind, n int64
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
