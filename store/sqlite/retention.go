package sqlite

import (
	"context"
	"fmt"
	"time"
)

// sweepBatch is how many payloads one transaction removes: few enough that a decision never waits long behind it.
const sweepBatch = 64

// sweep removes payloads of items finished at ?1 or before, ?2 at most.
const sweep = `UPDATE review_payloads SET data = NULL WHERE item_id IN (
	SELECT item_id FROM review_payloads WHERE data IS NOT NULL AND finished_us > 0 AND finished_us <= ? LIMIT ?)`

// sweepRequests forgets request ids of ?1 or before, ?2 at most.
const sweepRequests = `DELETE FROM review_requests WHERE (actor, request_id, item_id) IN (
	SELECT actor, request_id, item_id FROM review_requests WHERE at_us <= ? LIMIT ?)`

// Sweep removes the payloads of items that were finished at least payloadAge before now, and answers how many. Digests, items
// and records stay: the item then has a payload that says Deleted. Bytes are overwritten in the file, not only unlinked. Request
// ids of that age are forgotten, too: nobody repeats a request after so long.
//
// It works in small transactions and stops between two of them when ctx ends.
func (s *Store) Sweep(ctx context.Context, now time.Time, payloadAge time.Duration) (removed int64, err error) {
	const doing = "sqlite: remove payloads"
	if payloadAge <= 0 {
		return 0, fmt.Errorf("%s: retention.payloads is %v: give a time above 0", doing, payloadAge)
	}
	for {
		var n int64
		err := s.write(ctx, doing, func(t *tx) (err error) {
			n, err = t.exec(sweep, micros(now.Add(-payloadAge)), sweepBatch)
			return err
		})
		if err != nil {
			return removed, err
		}
		removed += n
		if n < sweepBatch {
			break
		}
	}
	for {
		var n int64
		err := s.write(ctx, "sqlite: forget requests", func(t *tx) (err error) {
			n, err = t.exec(sweepRequests, micros(now.Add(-payloadAge)), sweepBatch)
			return err
		})
		if err != nil || n < sweepBatch {
			return removed, err
		}
	}
}
