package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Store is an open store. It is safe for concurrent use. It implements review.Store, limits.Store, webhook.Store,
// and the gateway's ledger, certificates and artefacts.
type Store struct {
	path         string
	identity, id string
	log          *slog.Logger
	lock         *processLock

	// writeDB has one connection, and writer holds it; both nil on a store opened read-only.
	writeDB *sql.DB
	writer  *writer
	readDB  *sql.DB
	clock   clock

	mu                                 sync.Mutex
	changed, certified, moved, latches chan struct{}
	// alone has the ids of review items that somebody has for themselves.
	alone sync.Map

	closeOnce sync.Once
	closeErr  error
}

// Identity is the name that Init gave the store.
func (s *Store) Identity() string { return s.identity }

// ID is the random UUID that Init gave the store.
func (s *Store) ID() string { return s.id }

// Now is the store's clock: it never goes back, not even over a restart. Whole microseconds, UTC.
//
// It starts at the later of the wall clock and the time of the last commit, and runs by the machine's monotonic clock: a step
// of the wall clock moves nothing until the next start, and nothing backward ever. After a crash it may give again a time
// that it gave since the last commit; nothing stored rests on one.
func (s *Store) Now() time.Time { return s.clock.now() }

// Changed answers a channel that is closed when the next final answer is stored; on a store opened read-only, never.
func (s *Store) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// Moved answers a channel that is closed when the next change of a review item is stored; on a store opened read-only, never.
func (s *Store) Moved() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.moved
}

// LatchesChanged answers a channel that is closed when the history of a limit goes on next; see limits.Latches. On a store opened
// read-only: never.
func (s *Store) LatchesChanged() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.latches
}

// announce wakes those who wait for one of the channels.
func (s *Store) announce(to *chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(*to)
	*to = make(chan struct{})
}

// Stats counts what the store has done since it was opened.
type Stats struct {
	// Queued plain accepts wait for the group commit, or are in the one under way.
	Queued int
	// Committed counts records of predictions that are durable; Batches the commits, of whatever.
	Committed, Batches uint64
	// Lost counts queued records that Close could not store. It stays 0 until then.
	Lost uint64
}

// Stats answers the counts of now.
func (s *Store) Stats() Stats {
	if s.writer == nil {
		return Stats{}
	}
	return s.writer.stats()
}

// Close stores everything that is queued and closes the store; methods answer ErrClosed from then on. ctx bounds the wait
// only: what is left then goes on being stored. Calling it again answers the same.
func (s *Store) Close(ctx context.Context) error {
	if s.writer == nil {
		s.closeOnce.Do(func() { s.closeErr = s.release() })
		return s.closeErr
	}
	go s.closeOnce.Do(func() {
		s.closeErr = errors.Join(s.writer.stop(), s.release())
		close(s.writer.closed)
	})
	select {
	case <-s.writer.closed:
		return s.closeErr
	case <-ctx.Done():
		return fmt.Errorf("sqlite: close store %s: %d records still queued: %w", s.path, s.Stats().Queued, context.Cause(ctx))
	}
}

// release gives back files and the lock, the lock last.
func (s *Store) release() error {
	var errs []error
	if s.readDB != nil {
		errs = append(errs, s.readDB.Close())
	}
	if s.writeDB != nil {
		errs = append(errs, s.writeDB.Close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.release())
	}
	return errors.Join(errs...)
}

// write runs a job in the writer's next transaction and waits until it is durable.
func (s *Store) write(ctx context.Context, doing string, run func(*tx) error) error {
	if s.writer == nil {
		return fmt.Errorf("%s: %w", doing, ErrReadOnly)
	}
	if err := s.writer.do(ctx, run); err != nil {
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
		err := s.writer.do(ctx, func(t *tx) error { return t.w.behind })
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
var errBehind = errors.New("sqlite: the store is catching up after failed commits; try again")
