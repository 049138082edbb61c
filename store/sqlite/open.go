package sqlite

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Defaults of Options.
const (
	DefaultMaxLinger    = 20 * time.Millisecond
	DefaultQueueRecords = 4096
)

// Options of Open; the zero value is good.
type Options struct {
	// Writer names this process's hash chain; empty: a new random one for each Open. A name that the log knows goes on with
	// its chain.
	Writer string
	// MaxLinger is the longest that a plain accept's record waits for company: with the time of one commit, the loss window
	// of a crash. 0: DefaultMaxLinger.
	MaxLinger time.Duration
	// QueueRecords is how many plain accepts may wait; more make Enqueue wait. 0: DefaultQueueRecords.
	QueueRecords int
	// Logger is told of commits that fail; nil: nobody is.
	Logger *slog.Logger

	// wall is the wall clock; nil: time.Now.
	wall func() time.Time
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
	if o.wall == nil {
		o.wall = time.Now
	}
}

// Init makes an empty store at path, readable by its owner only, for the gateway of that identity. It never touches what is
// there already, since a fresh store would free every latch. Errors: an *OpenError with ErrExists or ErrDenied; the file system's.
func Init(ctx context.Context, path, identity string) (err error) {
	if identity == "" {
		return errors.New("store.identity is empty: give the store a name that its gateway's configuration repeats")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return refused(path, "make the folder of store", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return &OpenError{path, ErrExists, "a store is never overwritten, because that would free every latch; serve from it, " +
			"choose another path, or move it away"}
	}
	if err != nil {
		return refused(path, "make store", err)
	}
	// An empty file is what SQLite starts from.
	err = f.Close()
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("make store %s: %w", path, err), os.Remove(path))
		}
	}()
	if err != nil {
		return err
	}
	db, err := connectWriter(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.ExecContext(ctx, fmt.Sprintf(`PRAGMA application_id = %d`, applicationID)); err != nil {
		return fmt.Errorf("mark the file: %w", err)
	}
	if err := migrate(ctx, db); err != nil {
		return err
	}
	// Last: a store without this row was never finished.
	if _, err := db.ExecContext(ctx, `INSERT INTO store (one, identity, store_id, created_us) VALUES (1, ?, ?, ?)`,
		identity, uuid.NewString(), time.Now().UnixMicro()); err != nil {
		return fmt.Errorf("write the identity: %w", err)
	}
	return nil
}

// Open opens the store at path for serving and keeps every other process from doing so. A store with an older schema is
// migrated. Close the store when done.
//
// Errors: an *OpenError with ErrAbsent, ErrForeign, ErrNewer, ErrLocked, ErrNotStore or ErrDenied; the file system's.
func Open(ctx context.Context, path, identity string, opts Options) (_ *Store, err error) {
	opts.setDefaults()
	if err := checkPath(path); err != nil {
		return nil, err
	}
	// The file that the lock stands for, however it is called.
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	lock, err := lockProcess(real + ".lock")
	if errors.Is(err, ErrLocked) {
		return nil, &OpenError{path, err, "stop the other candor serve first; list, explain and verify work beside it"}
	}
	if err != nil {
		return nil, refused(path, "open store", err)
	}
	s := &Store{path: path, log: opts.Logger, lock: lock, changed: make(chan struct{}), certified: make(chan struct{}), moved: make(chan struct{}), latches: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.release())
		}
	}()
	if err := s.identify(ctx, real, identity); err != nil {
		return nil, err
	}
	if s.writeDB, err = connectWriter(real); err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	if err := migrate(ctx, s.writeDB); err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	if s.readDB, err = connectReaders(real, "rw"); err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	if s.writer, err = startWriter(ctx, s, opts); err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	return s, nil
}

// OpenReadOnly opens the store at path for reading: also while another process serves from it. Methods that write answer
// ErrReadOnly. Errors: an *OpenError with ErrAbsent, ErrNewer, ErrOlder, ErrNotStore or ErrDenied; the file system's.
func OpenReadOnly(ctx context.Context, path string) (_ *Store, err error) {
	if err := checkPath(path); err != nil {
		return nil, err
	}
	s := &Store{path: path, log: slog.New(slog.DiscardHandler), changed: make(chan struct{}), certified: make(chan struct{}), moved: make(chan struct{}), latches: make(chan struct{})}
	if err := s.identify(ctx, path, ""); err != nil {
		return nil, err
	}
	if s.readDB, err = connectReaders(path, "ro"); err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.release())
		}
	}()
	s.clock, err = readClock(ctx, s.readDB, time.Now)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	return s, nil
}

func checkPath(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &OpenError{path, ErrAbsent, "run candor init --config FILE once for a new gateway; if there was a store, find it: " +
			"a fresh one would free every latch"}
	case err != nil:
		return refused(path, "look for store", err)
	case info.IsDir():
		return &OpenError{path, ErrNotStore, "it is a folder; name the store's file in it"}
	}
	return nil
}

// identify refuses what isn't ours to open, before anything in it can be changed. identity empty: any will do, but not an
// older schema, for nobody migrates it.
func (s *Store) identify(ctx context.Context, path, identity string) (err error) {
	db, err := connectReaders(path, "ro")
	if err != nil {
		return fmt.Errorf("open store %s: %w", s.path, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	d, err := describe(ctx, db)
	if err != nil && !errors.Is(err, ErrNotStore) {
		return refused(s.path, "read the identity of store", err)
	}
	if err != nil {
		return &OpenError{s.path, err, "name the store's file; if candor init was interrupted, remove the file and run it again"}
	}
	newest, err := schemaVersion(db)
	if err != nil {
		return fmt.Errorf("open store %s: %w", s.path, err)
	}
	switch {
	case identity != "" && d.identity != identity:
		return &OpenError{s.path, ErrForeign, fmt.Sprintf("its identity is %q, the configuration says store.identity: %q; correct "+
			"whichever is wrong", d.identity, identity)}
	case d.version > newest:
		return &OpenError{s.path, ErrNewer, fmt.Sprintf("it is at %d, this program knows %d; run the newer version of candor again",
			d.version, newest)}
	case identity == "" && d.version < newest:
		return &OpenError{s.path, ErrOlder, fmt.Sprintf("it is at %d, this program wants %d; start candor serve once to migrate it",
			d.version, newest)}
	}
	s.identity, s.id = d.identity, d.id
	return nil
}
