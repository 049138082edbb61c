package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// Why a store can't be made or opened. Each comes inside an *OpenError, which has the path and the remedy.
var (
	// ErrExists: Init found something at the path.
	ErrExists = errors.New("the store exists already")
	// ErrAbsent: Open found nothing at the path.
	ErrAbsent = errors.New("there is no store")
	// ErrForeign: the store has another identity than the configuration.
	ErrForeign = errors.New("the store belongs to another gateway")
	// ErrNewer: a later version of Candor has migrated the store.
	ErrNewer = errors.New("the store's schema is newer than this program")
	// ErrOlder: the store needs a migration, which OpenReadOnly doesn't do.
	ErrOlder = errors.New("the store's schema is older than this program")
	// ErrLocked: another process serves from the store.
	ErrLocked = errors.New("another process serves from the store")
	// ErrNotStore: the file isn't a store, or Init didn't finish.
	ErrNotStore = errors.New("the file is no Candor store")
	// ErrDenied: the file system refuses this user what is needed.
	ErrDenied = errors.New("this user may not use the store")
)

var (
	// ErrClosed: the store has been closed.
	ErrClosed = errors.New("sqlite: the store is closed")
	// ErrReadOnly: a store that OpenReadOnly opened was asked to write.
	ErrReadOnly = errors.New("sqlite: the store was opened read-only")
)

// OpenError says why the store at Path can't be used, and what to do.
type OpenError struct {
	Path   string
	Err    error
	Remedy string
}

// Error has the path, the cause and the remedy.
func (e *OpenError) Error() string { return fmt.Sprintf("store %s: %v: %s", e.Path, e.Err, e.Remedy) }

// Unwrap answers the cause.
func (e *OpenError) Unwrap() error { return e.Err }

// refused makes an *OpenError with ErrDenied of what the file system refuses to this user, and puts what was attempted before other
// errors.
func refused(path, attempt string, err error) error {
	no := errors.Is(err, fs.ErrPermission) || hasCode(err, lib.SQLITE_READONLY)
	if hasCode(err, lib.SQLITE_CANTOPEN) {
		f, cause := os.Open(path)
		no = errors.Is(cause, fs.ErrPermission)
		if cause == nil {
			_ = f.Close()
		}
	}
	if !no {
		return fmt.Errorf("%s %s: %w", attempt, path, err)
	}
	return &OpenError{path, fmt.Errorf("%w (%w)", ErrDenied, err), "run it as the user of the gateway, who may write to the file and its " +
		"folder; to read a store takes that, too"}
}

// isConstraint says whether the statement was refused for what it would store, and did nothing.
func isConstraint(err error) bool { return hasCode(err, lib.SQLITE_CONSTRAINT) }

// Passing says of an error of Open that it may be another one, or none, a while later: another process holds up what Open needs. It doesn't
// say so of ErrLocked: whoever serves from the store may go on for ever.
func Passing(err error) bool {
	return hasCode(err, lib.SQLITE_BUSY) || hasCode(err, lib.SQLITE_LOCKED)
}

// hasCode says whether SQLite answered with that primary result code.
func hasCode(err error, code int) bool {
	var e *driver.Error
	return errors.As(err, &e) && e.Code()&0xff == code
}
