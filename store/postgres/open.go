package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Defaults of Options.
const (
	DefaultMaxLinger    = 20 * time.Millisecond
	DefaultQueueRecords = 4096
)

// Options of Open; the zero value is good.
type Options struct {
	// Writer names this store's hash chain; empty: a new random one for each Open. A name that the log knows goes on with
	// its chain, and a store that is still open under it can't write any more.
	Writer string
	// MaxLinger is the longest that a plain accept's record waits for company: with the time of one commit, the loss window
	// of a crash. 0: DefaultMaxLinger.
	MaxLinger time.Duration
	// QueueRecords is how many plain accepts may wait; more make Enqueue wait. 0: DefaultQueueRecords.
	QueueRecords int
	// MaxConnections to the server that the store opens, at least MinConnections. 0: DefaultMaxConnections.
	MaxConnections int
	// Logger is told of commits that fail and connections that break; nil: nobody is.
	Logger *slog.Logger
	// Panicked is called once for each panic that the store gets over, which Logger is told of; nil: nobody is.
	Panicked func()
}

func (o *Options) setDefaults() {
	if o.Writer == "" {
		o.Writer = strings.ToLower(rand.Text()[:12])
	}
	if o.MaxLinger <= 0 {
		o.MaxLinger = DefaultMaxLinger
	}
	if o.QueueRecords <= 0 {
		o.QueueRecords = DefaultQueueRecords
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// initLock keeps two Inits of one database apart.
const initLock = 0x434e4453

// Init makes an empty store in the database that url names, in the schema "candor", for gateways of that identity. It never
// touches a store that is there already, since a fresh one would free every latch; one that an Init began and didn't finish it
// completes. One that an Import began it refuses: an empty store isn't what was asked for. The user must be allowed to create the
// schema. Errors: an *OpenError with ErrExists, ErrMoving, ErrNotStore, ErrServer or ErrUnreachable; the server's.
func Init(ctx context.Context, url, identity string) (err error) {
	if identity == "" {
		return errors.New("store.identity is empty: give the store a name that its gateways' configuration repeats")
	}
	d, err := parse(url, 0)
	if err != nil {
		return err
	}
	conn, err := d.reach(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	// Held until the connection is closed.
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock($1)`, initLock); err != nil {
		return fmt.Errorf("make store %s: wait for another candor init: %w", d.name, err)
	}
	found, err := describe(ctx, conn)
	switch {
	case errors.Is(err, ErrNotStore):
		return &OpenError{d.name, err, fmt.Sprintf("the schema %q holds something else; choose another database", schema)}
	case err != nil:
		return fmt.Errorf("make store %s: look what is there: %w", d.name, err)
	case found.moving:
		return d.halfMoved()
	case !found.empty && !found.begun:
		return &OpenError{d.name, ErrExists, "a store is never overwritten, because that would free every latch; serve from it, or choose another database"}
	}
	if _, err := conn.Exec(ctx, `CREATE SCHEMA IF NOT EXISTS `+schema); err != nil {
		return fmt.Errorf("make store %s: %w", d.name, err)
	}
	if err := d.migrate(ctx); err != nil {
		return fmt.Errorf("make store %s: %w", d.name, err)
	}
	// Last: a store without this row was never finished.
	if _, err := conn.Exec(ctx, `INSERT INTO store (one, identity, store_id, created_us)
		VALUES (true, $1, $2, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)`, identity, [16]byte(uuid.New())); err != nil {
		return fmt.Errorf("make store %s: write the identity: %w", d.name, err)
	}
	return nil
}

func (d database) halfMoved() error {
	return &OpenError{d.name, ErrMoving, "run candor migrate --from FILE --to FILE again; to begin with an empty store instead, which has " +
		"none of the latches of the one that was to be moved, drop the schema " + schema + " (DROP SCHEMA " + schema + " CASCADE) and run candor init"}
}

// openTimeout bounds what Open asks before it migrates, and after that: a server that is held up answers nothing, and a session's own
// timeouts are the server's to keep.
const openTimeout = 15 * time.Second

// Open opens the store in the database that url names for serving, beside as many other gateways as the server has connections
// for. A store with an older schema is migrated. Close the store when done.
//
// Errors: an *OpenError with ErrAbsent, ErrForeign, ErrNewer, ErrNotStore, ErrServer or ErrUnreachable; the server's. Passing says which
// waiting may mend.
func Open(ctx context.Context, url, identity string, opts Options) (_ *Store, err error) {
	opts.setDefaults()
	d, err := parse(url, opts.MaxConnections)
	if err != nil {
		return nil, err
	}
	s := newStore(d, opts.Logger)
	s.guard.Count = opts.Panicked
	defer func() {
		if err != nil {
			s.release()
		}
	}()
	asking, cancel := context.WithTimeout(ctx, openTimeout)
	older, err := s.identify(asking, identity)
	late := asking.Err() != nil && ctx.Err() == nil
	cancel()
	switch {
	case err != nil && late:
		return nil, d.unreachable(err)
	case err != nil:
		return nil, err
	}
	if older {
		if err := d.migrate(ctx); err != nil {
			return nil, fmt.Errorf("open store %s: %w", d.name, err)
		}
	}
	ctx, cancel = context.WithTimeout(ctx, openTimeout)
	defer cancel()
	if s.pool, err = pgxpool.NewWithConfig(ctx, d.pool); err != nil {
		return nil, fmt.Errorf("open store %s: %w", d.name, err)
	}
	if err := s.clock.measure(ctx, s.pool); err != nil {
		return nil, fmt.Errorf("open store %s: %w", d.name, err)
	}
	w, err := startWriter(ctx, s, opts)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", d.name, err)
	}
	s.writer = w
	if s.watch, err = startWatch(ctx, s); err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w", d.name, err), w.stop())
	}
	return s, nil
}

// OpenReadOnly opens the store for reading: also while gateways serve from it. Methods that write answer ErrReadOnly. Errors: an
// *OpenError with ErrAbsent, ErrNewer, ErrOlder, ErrNotStore, ErrServer or ErrUnreachable; the server's.
func OpenReadOnly(ctx context.Context, url string) (_ *Store, err error) {
	d, err := parse(url, 0)
	if err != nil {
		return nil, err
	}
	d.pool.ConnConfig.RuntimeParams["default_transaction_read_only"] = "on"
	s := newStore(d, slog.New(slog.DiscardHandler))
	defer func() {
		if err != nil {
			s.release()
		}
	}()
	older, err := s.identify(ctx, "")
	if err != nil {
		return nil, err
	}
	if older {
		return nil, &OpenError{d.name, ErrOlder, "start candor serve once to migrate it"}
	}
	if s.pool, err = pgxpool.NewWithConfig(ctx, d.pool); err != nil {
		return nil, fmt.Errorf("open store %s: %w", d.name, err)
	}
	if err := s.clock.measure(ctx, s.pool); err != nil {
		return nil, fmt.Errorf("open store %s: %w", d.name, err)
	}
	return s, nil
}

// identify refuses what isn't ours to open, before anything in it can be changed. identity empty: any will do.
func (s *Store) identify(ctx context.Context, identity string) (older bool, err error) {
	conn, err := s.db.reach(ctx)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	name := s.db.name
	found, err := describe(ctx, conn)
	if err != nil && !errors.Is(err, ErrNotStore) {
		return false, fmt.Errorf("open store %s: read its identity: %w", name, err)
	}
	newest, verr := schemaVersion()
	switch {
	case verr != nil:
		return false, fmt.Errorf("open store %s: %w", name, verr)
	case err != nil:
		return false, &OpenError{name, err, fmt.Sprintf("the schema %q holds something else; name the store's database", schema)}
	case found.empty:
		return false, &OpenError{name, ErrAbsent, "run candor init --config FILE once for a new gateway; if there was a store, find it: a " +
			"fresh one would free every latch"}
	case found.moving:
		return false, s.db.halfMoved()
	case found.begun:
		return false, &OpenError{name, ErrNotStore, "candor init was interrupted; run it again"}
	case identity != "" && found.identity != identity:
		return false, &OpenError{name, ErrForeign, fmt.Sprintf("its identity is %q, the configuration says store.identity: %q; correct "+
			"whichever is wrong", found.identity, identity)}
	case found.version > newest:
		return false, &OpenError{name, ErrNewer, fmt.Sprintf("it is at %d, this program knows %d; run the newer version of candor again",
			found.version, newest)}
	}
	s.identity, s.id = found.identity, found.id
	return found.version < newest, nil
}
