package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Gateways that start at once migrate one after the other: each asks for the lock every second, for five minutes.
const (
	migrationLock      = 0x434e4452 // "CNDR"
	lockEverySeconds   = 1
	lockTries          = 300
	unlockEverySeconds = 1
	unlockTries        = 10
)

func migrator(db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(migrationLock), lock.WithLockTimeout(lockEverySeconds, lockTries),
		lock.WithUnlockTimeout(unlockEverySeconds, unlockTries))
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectPostgres, db, files, goose.WithDisableGlobalRegistry(true), goose.WithSessionLocker(locker))
}

// migrate brings the schema to this program's version.
func (d database) migrate(ctx context.Context) (err error) {
	cfg := d.pool.ConnConfig.Copy()
	// A migration may take as long as it needs.
	delete(cfg.RuntimeParams, "statement_timeout")
	delete(cfg.RuntimeParams, "idle_in_transaction_session_timeout")
	db := stdlib.OpenDB(*cfg)
	defer func() { err = errors.Join(err, db.Close()) }()
	m, err := migrator(db)
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	if _, err := m.Up(ctx); err != nil {
		return fmt.Errorf("migrate the schema: %w", err)
	}
	return nil
}

// schemaVersion answers the version that migrate leads to.
func schemaVersion() (int64, error) {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil || len(files) == 0 {
		return 0, fmt.Errorf("read the migrations: %w", err)
	}
	return goose.NumericComponent(files[len(files)-1])
}

// description is what a database says of the store in it before anything in it is trusted.
type description struct {
	// empty: the schema isn't there, or nothing is in it.
	empty bool
	// begun: tables of ours, but no identity: Init didn't finish.
	begun bool
	// moving: Import didn't finish.
	moving       bool
	identity, id string
	version      int64
}

// describe reads who the store belongs to and its schema's version. It changes nothing. Errors: ErrNotStore; the server's.
func describe(ctx context.Context, conn *pgx.Conn) (description, error) {
	var d description
	var tables int
	var goose, store, moving bool
	err := conn.QueryRow(ctx, `
		SELECT count(*), coalesce(bool_or(c.relname = 'goose_db_version'), false), coalesce(bool_or(c.relname = 'store'), false),
			coalesce(bool_or(c.relname = 'moving'), false)
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm')`, schema).
		Scan(&tables, &goose, &store, &moving)
	switch {
	case err != nil:
		return d, err
	case tables == 0:
		d.empty = true
		return d, nil
	case moving:
		d.moving = true
		return d, nil
	case !goose:
		return d, ErrNotStore
	case !store:
		d.begun = true
		return d, nil
	}
	err = conn.QueryRow(ctx, `SELECT identity, store_id::text, (SELECT max(version_id) FROM goose_db_version WHERE is_applied) FROM store`).
		Scan(&d.identity, &d.id, &d.version)
	if errors.Is(err, pgx.ErrNoRows) {
		d.begun, err = true, nil
	}
	if code(err) == codeUndefined {
		err = ErrNotStore
	}
	return d, err
}
