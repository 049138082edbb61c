package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/candor-gateway/candor/internal/defect"
	"github.com/candor-gateway/candor/limits"
	"github.com/candor-gateway/candor/review"
	"github.com/candor-gateway/candor/webhook"
)

var _ interface {
	review.Store
	limits.Store
	webhook.Store
} = (*Store)(nil)

// Store is an open store. It is safe for concurrent use, and so is a database by many open stores. It implements review.Store,
// limits.Store, webhook.Store, and the gateway's ledger, certificates, artefacts and pins.
type Store struct {
	db           database
	identity, id string
	log          *slog.Logger
	guard        defect.Guard

	pool *pgxpool.Pool
	// nil on a store opened read-only.
	writer *writer
	watch  *watch
	clock  clock
	kinds  kinds

	finals, certified feed
	queue, latches    signal
	// alone has a token for each connection that holds a lock of Alone.
	alone chan struct{}

	closeOnce sync.Once
	closed    chan struct{}
	closeErr  error
}

func newStore(d database, log *slog.Logger) *Store {
	return &Store{
		db: d, log: log, guard: defect.Guard{Log: log}, closed: make(chan struct{}), kinds: newKinds(),
		finals: feed{changed: make(chan struct{})}, certified: feed{changed: make(chan struct{})},
		queue: newSignal(), latches: newSignal(), alone: make(chan struct{}, max(1, d.pool.MaxConns-1)),
	}
}

// Identity is the name that Init gave the store.
func (s *Store) Identity() string { return s.identity }

// ID is the random UUID that Init gave the store.
func (s *Store) ID() string { return s.id }

// Now is the store's clock: it never goes back, not even over a restart. Whole microseconds, UTC.
//
// It is the server's clock, as this process measures it (clock.go); stores that are open at once differ by about the time
// that a question to the server takes. After a crash it may give again a time that it gave since the last commit; nothing
// stored rests on one.
func (s *Store) Now() time.Time { return s.clock.now() }

// Changed answers a channel that is closed when the next final answer is stored, by whichever gateway; on a store opened
// read-only, never.
func (s *Store) Changed() <-chan struct{} { return s.finals.next() }

// CertificatesChanged answers a channel that is closed when some certificate is opened, frozen, certified or ended next, by
// whichever gateway: the only times at which what is licensed can change. On a store opened read-only: never.
func (s *Store) CertificatesChanged() <-chan struct{} { return s.certified.next() }

// Stats counts what the store has done since it was opened.
type Stats struct {
	// Queued plain accepts wait for the group commit, or are in the one under way.
	Queued int
	// Committed counts records of predictions that are durable; Batches the commits of the writer, of whatever.
	Committed, Batches uint64
	// Refused counts queued records that could not be stored whatever the server: a prediction id used twice.
	Refused uint64
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
	go s.closeOnce.Do(func() {
		if s.writer != nil {
			s.closeErr = s.writer.stop()
		}
		s.release()
		close(s.closed)
	})
	select {
	case <-s.closed:
		return s.closeErr
	case <-ctx.Done():
		return fmt.Errorf("postgres: close store %s: %d records still queued: %w", s.db.name, s.Stats().Queued, context.Cause(ctx))
	}
}

// release gives back connections.
func (s *Store) release() {
	if s.watch != nil {
		s.watch.stop()
	}
	if s.pool != nil {
		s.pool.Close()
	}
}

// feed wakes those who wait for what one of the rows of feeds counts.
type feed struct {
	mu       sync.Mutex
	position int64
	changed  chan struct{}
}

func (f *feed) next() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

// reached wakes everybody when the position is a new one. Positions are committed in their order: whoever reads after the
// highest finds all before it.
func (f *feed) reached(position int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if position <= f.position {
		return
	}
	f.position = position
	close(f.changed)
	f.changed = make(chan struct{})
}

// signal wakes those who wait for a change, and tells one goroutine to pass it on.
type signal struct {
	mu      sync.Mutex
	changed chan struct{}
	tell    chan struct{}
}

func newSignal() signal { return signal{changed: make(chan struct{}), tell: make(chan struct{}, 1)} }

func (g *signal) next() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.changed
}

func (g *signal) wake() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.changed)
	g.changed = make(chan struct{})
}

// Moved answers a channel that is closed when something in the queue changes next, by whichever gateway; on a store opened
// read-only, never.
func (s *Store) Moved() <-chan struct{} { return s.queue.next() }

// LatchesChanged answers a channel that is closed when the history of a limit goes on next, by whichever gateway; see limits.Latches. On
// a store opened read-only: never.
func (s *Store) LatchesChanged() <-chan struct{} { return s.latches.next() }

// move says that this store has changed something in the queue.
func (s *Store) move() {
	s.queue.wake()
	select {
	case s.queue.tell <- struct{}{}:
	default: // it has been told, and will look after this
	}
}
