package postgres

import (
	"context"
	"fmt"
	"time"
)

// sweepBatch is how many payloads one transaction removes: few enough that a decision never waits long behind it.
const sweepBatch = 64

// sweep removes payloads of items finished at $1 or before, $2 at most; those that another gateway is about to remove are left to it.
const sweep = `UPDATE review_payloads SET data = NULL WHERE item_id IN (
	SELECT item_id FROM review_payloads WHERE data IS NOT NULL AND finished_us > 0 AND finished_us <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)`

// sweepRequests forgets request ids of $1 or before, $2 at most.
const sweepRequests = `DELETE FROM review_requests WHERE (actor, request_id, item_id) IN (
	SELECT actor, request_id, item_id FROM review_requests WHERE at_us <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)`

// Sweep removes the payloads of items that were finished at least payloadAge before now, and answers how many. Digests, items
// and records stay: the item then has a payload that says Deleted. The server reuses the bytes after its next VACUUM; backups and
// its WAL have them for as long as they are kept. Request ids of that age are forgotten, too: nobody repeats a request after so
// long.
//
// It works in small transactions and stops between two of them when ctx ends.
func (s *Store) Sweep(ctx context.Context, now time.Time, payloadAge time.Duration) (removed int64, err error) {
	const doing = "postgres: remove payloads"
	if payloadAge <= 0 {
		return 0, fmt.Errorf("%s: retention.payloads is %v: give a time above 0", doing, payloadAge)
	}
	until := micros(now.Add(-payloadAge))
	removed, err = s.sweepAll(ctx, doing, sweep, until)
	if err == nil {
		_, err = s.sweepAll(ctx, "postgres: forget requests", sweepRequests, until)
	}
	return removed, err
}

// sweepAll runs a statement that sweeps some until there is nothing left.
func (s *Store) sweepAll(ctx context.Context, doing, statement string, until int64) (swept int64, err error) {
	for {
		var n int64
		err := s.directly(ctx, doing, func(d *direct) (err error) {
			n, err = d.exec(statement, until, sweepBatch)
			return err
		})
		if err != nil {
			return swept, err
		}
		swept += n
		if n < sweepBatch {
			return swept, nil
		}
	}
}
