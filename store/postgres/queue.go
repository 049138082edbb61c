package postgres

import (
	"context"
	"sync"
	"time"
)

// queued is a plain record on its way.
type queued struct {
	record
	arrived time.Time
}

// plainQueue holds plain records until the writer takes them, all at once: a channel would wake the writer for each.
type plainQueue struct {
	// most is how many may wait; full is how many make a commit worth while before their linger is over.
	most, full int
	// wake says that there is a first record, or that there are full.
	wake chan struct{}

	mu    sync.Mutex
	items []queued
	// taken are those that the writer has, and has not settled.
	taken int
	// room is closed when records are taken; nil: nobody waits for that.
	room chan struct{}
}

func newPlainQueue(most int) *plainQueue {
	return &plainQueue{most: most, full: min(maxBatch, most), wake: make(chan struct{}, 1)}
}

// put leaves a record. It waits while the queue is full, until ctx ends, or leaving is closed. Errors: the context's, ErrClosed.
func (q *plainQueue) put(ctx context.Context, leaving <-chan struct{}, r queued) error {
	for {
		room := q.tryPut(r)
		if room == nil {
			return nil
		}
		select {
		case <-room:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-leaving:
			return ErrClosed
		}
	}
}

// tryPut leaves a record, or answers the channel that is closed when there may be room.
func (q *plainQueue) tryPut(r queued) (full <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) >= q.most {
		if q.room == nil {
			q.room = make(chan struct{})
		}
		return q.room
	}
	q.items = append(q.items, r)
	if n := len(q.items); n == 1 || n == q.full {
		select {
		case q.wake <- struct{}{}:
		default: // it has been told
		}
	}
	return nil
}

// state is how many records wait, and when the first of them came.
func (q *plainQueue) state() (n int, first time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 {
		return 0, first
	}
	return len(q.items), q.items[0].arrived
}

// pending is how many records are neither stored nor given up: those that wait, and those that the writer has.
func (q *plainQueue) pending() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items) + q.taken
}

// giveUp forgets what is neither stored nor given up, and answers how many records that is. Nothing may come any more.
func (q *plainQueue) giveUp() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := len(q.items) + q.taken
	q.items, q.taken = nil, 0
	return n
}

// settle says that so many of those that the writer has are stored, or given up.
func (q *plainQueue) settle(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.taken -= n
}

// take answers the first records, up to limit.
func (q *plainQueue) take(limit int) []queued {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.items), limit)
	if n <= 0 {
		return nil
	}
	q.taken += n
	taken := q.items[:n:n]
	q.items = append([]queued(nil), q.items[n:]...)
	if q.room != nil {
		close(q.room)
		q.room = nil
	}
	return taken
}
