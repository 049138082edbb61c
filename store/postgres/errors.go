package postgres

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// Why a store can't be made or opened. Each comes inside an *OpenError, which has the database and the remedy.
var (
	// ErrExists: Init found a store in the database.
	ErrExists = errors.New("the store exists already")
	// ErrAbsent: Open found no store in the database.
	ErrAbsent = errors.New("there is no store")
	// ErrForeign: the store has another identity than the configuration.
	ErrForeign = errors.New("the store belongs to another gateway")
	// ErrNewer: a later version of Candor has migrated the store.
	ErrNewer = errors.New("the store's schema is newer than this program")
	// ErrOlder: the store needs a migration, which OpenReadOnly doesn't do.
	ErrOlder = errors.New("the store's schema is older than this program")
	// ErrNotStore: the schema "candor" holds something else, or Init didn't finish.
	ErrNotStore = errors.New("the database holds no Candor store")
	// ErrMoving: another store was to be moved into the database, and the move didn't finish.
	ErrMoving = errors.New("a move into the database did not finish")
	// ErrServer: the server can't keep a store: it is too old, or the database has another encoding.
	ErrServer = errors.New("the database can't keep a store")
	// ErrUnreachable: nobody answers, or refuses the user.
	ErrUnreachable = errors.New("the database can't be reached")
)

var (
	// ErrClosed: the store has been closed.
	ErrClosed = errors.New("postgres: the store is closed")
	// ErrReadOnly: a store that OpenReadOnly opened was asked to write.
	ErrReadOnly = errors.New("postgres: the store was opened read-only")
	// ErrUnknown: the connection broke during a commit, and before the server could say whether it happened the store was closed, or
	// another one went on with its hash chain. The only error that doesn't mean that nothing was stored.
	ErrUnknown = errors.New("postgres: the connection was lost during the commit, and the server can't be asked whether it happened")
)

// OpenError says why the store in Database can't be used, and what to do.
type OpenError struct {
	// Database names it without user and password.
	Database string
	Err      error
	Remedy   string
}

// Error has the database, the cause and the remedy.
func (e *OpenError) Error() string {
	return fmt.Sprintf("store %s: %v: %s", e.Database, e.Err, e.Remedy)
}

// Unwrap answers the cause.
func (e *OpenError) Unwrap() error { return e.Err }

// Codes of PostgreSQL, Appendix A of its manual.
const (
	codeUnique        = "23505"
	codeSerialization = "40001"
	codeDeadlock      = "40P01"
	codeUndefined     = "42P01"
	codeShutdown      = "57P01"
	codeCrash         = "57P02"
	codeStarting      = "57P03"
	codeIdleTimeout   = "25P03"
)

// code answers the server's error code; empty: the error isn't the server's.
func code(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// violates says whether a unique index of that name refused a row.
func violates(err error, index string) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == codeUnique && e.ConstraintName == index
}

// transient says whether the same transaction may succeed when it is tried again. One that may have happened is never tried again.
func transient(err error) bool {
	if errors.Is(err, ErrUnknown) {
		return false
	}
	switch code(err) {
	case codeSerialization, codeDeadlock:
		return true
	}
	return lost(err)
}

// errLost marks a transaction whose connection broke before its commit was sent.
var errLost = errors.New("postgres: the connection was lost")

// lost says whether there is no connection any more.
func lost(err error) bool {
	switch code(err) {
	case codeShutdown, codeCrash, codeStarting, codeIdleTimeout:
		return true
	}
	return errors.Is(err, errLost)
}
