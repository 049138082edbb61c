package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/candor-gateway/candor/audit"
)

const (
	// maxBatch is how many queued records make a commit worth while before their linger is over, and how many one statement
	// inserts.
	maxBatch = 1024
	// maxWaitingJobs bounds the callers in the channel; more wait to get in, each until its own context ends.
	maxWaitingJobs = 256
	// A commit of plain records that fails is tried again after this, doubling up to the maximum. Until then the queue fills and
	// callers wait.
	minBackoff = 50 * time.Millisecond
	maxBackoff = 2 * time.Second
)

// writer owns the connection that extends this store's hash chain. Callers hand it jobs, whose transaction is durable before they
// go on, and plain records, which nobody waits for.
type writer struct {
	store   *Store
	name    string
	ordinal int32
	owner   uuid.UUID // of the chain, as long as nobody else takes it up
	// Touched by loop only. conn is nil after it broke.
	conn    *pgx.Conn
	retry   []queued
	backoff time.Duration
	behind  error // why records that were queued before the batch aren't in it; nil: they are

	linger time.Duration
	jobs   chan *job
	queue  *plainQueue

	// leaving is closed first, so that nobody waits for room any more.
	leaving chan struct{}
	leave   sync.Once
	// mu is held for reading while something is handed over, so that stop knows when nothing more can come.
	mu       sync.RWMutex
	stopped  bool
	stopping chan struct{}
	done     chan struct{}
	stopErr  error

	committed, batches, refused, lost atomic.Uint64
}

// job is a caller's part of a transaction. run may be called more than once, each time in a transaction of its own of which
// at most the last is committed; it must not keep anything from an earlier call.
type job struct {
	run   func(*batch) error
	needs needs
	state atomic.Int32
	err   error
	done  chan struct{}
}

// needs is what must be there before a job runs: locks on review items and on keys of certificates, numbers of kinds. More may be
// locked later; to have most of it at once, in one order, keeps batches of two gateways from waiting for each other.
type needs struct {
	items   [][16]byte
	digests []string
	kinds   []audit.KindCount
}

// States of a job. A caller can take its job back until the writer has taken it; after that its end is awaited, whatever
// the caller's context says: so an error always means that nothing was stored.
const (
	jobWaiting = iota
	jobTaken
	jobAbandoned
)

func startWriter(ctx context.Context, s *Store, opts Options) (*writer, error) {
	w := &writer{
		store: s, name: opts.Writer, linger: opts.MaxLinger, jobs: make(chan *job, maxWaitingJobs), queue: newPlainQueue(opts.QueueRecords),
		leaving: make(chan struct{}), stopping: make(chan struct{}), done: make(chan struct{}),
	}
	var err error
	if w.conn, err = s.db.connect(ctx); err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if err := w.join(ctx); err != nil {
		w.drop()
		return nil, err
	}
	go w.loop()
	return w, nil
}

// do runs a job and waits for its commit. Jobs that come at the same time share one.
func (w *writer) do(ctx context.Context, n needs, run func(*batch) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	j := &job{run: run, needs: n, done: make(chan struct{})}
	if err := w.handOver(ctx, j); err != nil {
		return err
	}
	select {
	case <-j.done:
		return j.err
	case <-ctx.Done():
		if j.state.CompareAndSwap(jobWaiting, jobAbandoned) {
			return context.Cause(ctx)
		}
		<-j.done
		return j.err
	}
}

func (w *writer) handOver(ctx context.Context, j *job) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.stopped {
		return ErrClosed
	}
	select {
	case w.jobs <- j:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// enqueue leaves a plain record to the group commit. It waits while the queue is full.
func (w *writer) enqueue(ctx context.Context, r record) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.stopped {
		return ErrClosed
	}
	return w.queue.put(ctx, w.leaving, queued{r, time.Now()})
}

// stop lets everything that was handed over be stored, and ends the loop.
func (w *writer) stop() error {
	w.leave.Do(func() { close(w.leaving) })
	w.mu.Lock()
	if !w.stopped {
		w.stopped = true
		close(w.stopping)
	}
	w.mu.Unlock()
	<-w.done
	return w.stopErr
}

// closing says whether stop has been called.
func (w *writer) closing() bool {
	select {
	case <-w.stopping:
		return true
	default:
		return false
	}
}

func (w *writer) stats() Stats {
	return Stats{
		Queued:    w.queue.pending(),
		Committed: w.committed.Load(), Batches: w.batches.Load(), Refused: w.refused.Load(), Lost: w.lost.Load(),
	}
}

// loop is the writer's goroutine. A panic in it ends the process: nobody would know what is stored and what isn't, and what waits for it
// must not be told that it is. Nothing is deferred here that could hold up that end, or let somebody go on before it.
func (w *writer) loop() {
	for more := true; more; {
		var plain []queued
		var jobs []*job
		plain, jobs, more = w.collect()
		w.commit(plain, jobs)
	}
	// What failed commits had left no room for.
	for len(w.retry) == 0 && w.queue.pending() > 0 {
		w.commit(w.queue.take(w.queue.most), nil)
	}
	w.stopErr = w.end()
	w.drop()
	close(w.done)
}

// collect waits for something to commit. Queued records linger for company; a job takes along everything that is there.
func (w *writer) collect() (plain []queued, jobs []*job, more bool) {
	plain, w.retry = w.retry, nil
	var due <-chan time.Time
	if len(plain) > 0 {
		due = time.After(w.backoff)
	}
	for {
		n, first := w.queue.state()
		if n > 0 && w.backoff == 0 && n >= w.queue.full {
			return append(plain, w.queue.take(w.queue.most)...), jobs, true
		}
		if n > 0 && due == nil {
			due = time.After(w.linger - time.Since(first))
		}
		select {
		case j := <-w.jobs:
			plain, jobs = w.drain(plain, append(jobs, j))
			return plain, jobs, true
		case <-w.queue.wake:
		case <-due:
			return append(plain, w.queue.take(w.room(plain))...), jobs, true
		case <-w.stopping:
			plain, jobs = w.drain(plain, jobs)
			return plain, jobs, false
		}
	}
}

// drain takes what waits, without waiting: the jobs, and the records that were queued before them.
func (w *writer) drain(plain []queued, jobs []*job) ([]queued, []*job) {
	for range cap(w.jobs) {
		select {
		case j := <-w.jobs:
			jobs = append(jobs, j)
			continue
		default:
		}
		break
	}
	room := w.room(plain)
	some := w.queue.take(room)
	if w.behind = nil; len(some) == room {
		w.behind = errBehind
	}
	return append(plain, some...), jobs
}

// room is how many more records a batch may hold: after failed commits it would fill the memory otherwise.
func (w *writer) room(plain []queued) int { return max(0, 2*w.queue.most-len(plain)) }

// commit stores a batch: in one transaction if that works, and otherwise each job in its own, so that nobody fails for
// company. Plain records that can't be stored now are kept for the next time.
func (w *writer) commit(plain []queued, jobs []*job) {
	taken := jobs[:0]
	for _, j := range jobs {
		if j.state.CompareAndSwap(jobWaiting, jobTaken) {
			taken = append(taken, j)
		}
	}
	if len(plain)+len(taken) == 0 {
		return
	}
	err := w.try(&plain, taken)
	switch {
	case err == nil || len(taken) == 0:
	case lost(err) || errors.Is(err, ErrUnknown) || len(taken) == 1 && len(plain) == 0:
		// Without a server each would fail for itself, one long wait after the other. What may have happened isn't tried again.
		for _, j := range taken {
			j.finish(err)
		}
		if len(plain) == 0 {
			err = nil
		}
	default:
		// First what was queued before the jobs: they are told if it isn't there.
		if err = nil; len(plain) > 0 {
			err = w.try(&plain, nil)
			w.behind = cmp.Or(w.behind, failing(err))
		}
		for _, j := range taken {
			if err := w.try(nil, []*job{j}); err != nil {
				j.finish(err)
			}
		}
	}
	if err == nil {
		w.backoff = 0
	} else {
		w.retry = plain
		w.backoff = min(max(2*w.backoff, minBackoff), maxBackoff)
		w.store.log.Error("postgres: records of accepted rows can't be stored; trying again",
			slog.Int("records", len(plain)), slog.Any("error", err))
	}
}

func (j *job) finish(err error) {
	j.err = err
	close(j.done)
}

// write runs a job in the writer's next transaction and waits until it is durable.
func (s *Store) write(ctx context.Context, doing string, n needs, run func(*batch) error) error {
	if s.writer == nil {
		return fmt.Errorf("%s: %w", doing, ErrReadOnly)
	}
	if err := s.writer.do(ctx, n, run); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// flush waits until what was queued before is durable, so that a read sees it.
func (s *Store) flush(ctx context.Context) error {
	if s.writer == nil {
		return nil
	}
	for {
		err := s.writer.do(ctx, needs{}, (*batch).complete)
		if err != errBehind {
			return err
		}
	}
}

// failing is errBehind with the reason why records that were queued can't be stored now; nil of nil.
func failing(err error) error {
	if err != nil {
		err = fmt.Errorf("%w: %w", errBehind, err)
	}
	return err
}

// errBehind: more records wait than one batch may hold.
var errBehind = errors.New("postgres: the store is catching up after failed commits; try again")
