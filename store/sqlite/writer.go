package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/candor-gateway/candor/audit"
)

const (
	// maxBatch is how many queued records make a commit worth while before their linger is over: a record then costs its own
	// inserts and hardly any of the commit, which takes some 10 ms, and no job waits longer behind it.
	maxBatch = 1024
	// maxWaitingJobs bounds the callers in the channel; more wait to get in, each until its own context ends.
	maxWaitingJobs = 256
	// A commit that fails is tried again after this, doubling up to the maximum. Until then the queue fills and callers wait.
	minBackoff = 50 * time.Millisecond
	maxBackoff = 2 * time.Second
)

// writer owns the connection that writes. Callers hand it jobs, whose transaction is durable before they go on, and plain
// records, which nobody waits for.
type writer struct {
	store *Store
	conn  *sql.Conn
	// Touched by loop only.
	statements map[string]*sql.Stmt
	ordinal    int64
	chain      audit.Chain
	mark       int64 // high-water mark of the last commit, µs
	kinds      map[audit.Kind]int64
	run        run
	retry      []queued
	backoff    time.Duration
	behind     error // why records that were queued before the batch aren't in it; nil: they are

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
	closed   chan struct{}
	stopErr  error

	committed, batches, lost atomic.Uint64
}

// job is a caller's part of a transaction. run may be called more than once, each time in a transaction of its own of which
// at most the last is committed; it must not keep anything from an earlier call.
type job struct {
	run   func(*tx) error
	state atomic.Int32
	err   error
	done  chan struct{}
}

// States of a job. A caller can take its job back until the writer has taken it; after that its end is awaited, whatever
// the caller's context says: so an error always means that nothing was stored.
const (
	jobWaiting = iota
	jobTaken
	jobAbandoned
)

// queued is a plain record on its way.
type queued struct {
	record
	arrived time.Time
}

func startWriter(ctx context.Context, s *Store, opts Options) (*writer, error) {
	conn, err := s.writeDB.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	w := &writer{
		store: s, conn: conn, statements: map[string]*sql.Stmt{}, kinds: map[audit.Kind]int64{}, run: run{known: map[audit.Kind]int{}},
		linger: opts.MaxLinger, jobs: make(chan *job, maxWaitingJobs), queue: newPlainQueue(opts.QueueRecords),
		leaving: make(chan struct{}), stopping: make(chan struct{}), done: make(chan struct{}), closed: make(chan struct{}),
	}
	if err := w.begin(ctx, opts); err != nil {
		w.release()
		return nil, err
	}
	go w.loop()
	return w, nil
}

// do runs a job and waits for its commit. Jobs that come at the same time share one.
func (w *writer) do(ctx context.Context, run func(*tx) error) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	j := &job{run: run, done: make(chan struct{})}
	if err := handOver(ctx, w, w.jobs, j); err != nil {
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

// enqueue leaves a plain record to the group commit. It waits while the queue is full.
func (w *writer) enqueue(ctx context.Context, r record) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.stopped {
		return ErrClosed
	}
	return w.queue.put(ctx, w.leaving, queued{r, time.Now()})
}

func handOver[T any](ctx context.Context, w *writer, to chan<- T, what T) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.stopped {
		return ErrClosed
	}
	select {
	case to <- what:
		return nil
	default:
	}
	select {
	case to <- what:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
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

func (w *writer) stats() Stats {
	return Stats{
		Queued:    w.queue.pending(),
		Committed: w.committed.Load(), Batches: w.batches.Load(), Lost: w.lost.Load(),
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
		w.commit(w.queue.take(nil, w.queue.most), nil)
	}
	w.stopErr = w.end()
	w.release()
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
		if n > 0 && w.backoff == 0 && len(plain)+n >= w.queue.full {
			return w.queue.take(plain, w.queue.most), jobs, true
		}
		if n > 0 && due == nil {
			due = time.After(w.linger - time.Since(first))
		}
		select {
		case j := <-w.jobs:
			return w.drain(plain, append(jobs, j), true)
		case <-w.queue.wake:
		case <-due:
			return w.queue.take(plain, maxBatch-len(plain)), jobs, true
		case <-w.stopping:
			return w.drain(plain, jobs, false)
		}
	}
}

// drain takes what waits, without waiting: the records that were queued before the jobs among it. Only after failed commits
// can there be more of them than it may hold in memory; then behind is set.
func (w *writer) drain(plain []queued, jobs []*job, more bool) ([]queued, []*job, bool) {
	jobs = receive(jobs, w.jobs, cap(w.jobs))
	room := 2*w.queue.most - len(plain)
	plain = w.queue.take(plain, min(w.queue.most, room))
	if w.behind = nil; room < w.queue.most && w.queue.len() > 0 {
		w.behind = errBehind
	}
	return plain, jobs, more
}

// receive appends up to limit elements that from holds now.
func receive[T any](to []T, from <-chan T, limit int) []T {
	for range max(limit, 0) {
		select {
		case v := <-from:
			to = append(to, v)
		default:
			return to
		}
	}
	return to
}

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
	err := w.transact(plain, taken)
	switch {
	case err == nil || len(taken) == 0:
	case len(taken) == 1 && len(plain) == 0:
		taken[0].finish(err)
		err = nil
	default:
		// First what was queued before the jobs: they are told if it isn't there.
		if err = nil; len(plain) > 0 {
			err = w.transact(plain, nil)
			w.behind = cmp.Or(w.behind, failing(err))
		}
		for _, j := range taken {
			if err := w.transact(nil, []*job{j}); err != nil {
				j.finish(err)
			}
		}
	}
	if err == nil {
		w.backoff = 0
		w.queue.giveBack(plain)
	} else {
		w.retry = plain
		w.backoff = min(max(2*w.backoff, minBackoff), maxBackoff)
		w.store.log.Error("sqlite: records of accepted rows can't be stored; trying again",
			slog.Int("records", len(plain)), slog.Any("error", err))
	}
}

func (j *job) finish(err error) {
	j.err = err
	close(j.done)
}
