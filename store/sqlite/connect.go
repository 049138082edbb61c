package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"

	"github.com/pressly/goose/v3"
	lib "modernc.org/sqlite/lib"
)

// applicationID marks the file as ours ("CNDR"), for us and for file(1).
const applicationID = 0x434e4452

// busyTimeoutMS is how long a connection waits for a lock that another process holds: a checkpoint, or a person with the
// sqlite3 shell.
const busyTimeoutMS = "5000"

// maxReaders bounds the read pool. Reads are short, and SQLite's own reading takes a core each.
const maxReaders = 4

// dsn is the driver's name for the file at path, which may hold any character.
func dsn(path string, params url.Values) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("find %s: %w", path, err)
	}
	params.Set("_busy_timeout", busyTimeoutMS)
	params.Set("_dqs", "0")
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(abs), RawQuery: params.Encode()}
	return u.String(), nil
}

// connectWriter opens the one connection that writes. The file must exist.
func connectWriter(path string) (*sql.DB, error) {
	name, err := dsn(path, url.Values{
		"mode":          {"rw"},
		"_txlock":       {"immediate"},
		"_journal_mode": {"WAL"},
		"_synchronous":  {"FULL"},
		"_foreign_keys": {"1"},
		"_pragma": {
			// Of the log's last pages every commit writes a new copy into the WAL; of many copies a checkpoint moves one. 16 MiB.
			"wal_autocheckpoint(4096)",
			"secure_delete(1)",   // what retention removes is overwritten, too
			"temp_store(MEMORY)", // or every savepoint would write a file
		},
	})
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// connectReaders opens the read pool. mode is rw beside a writer of ours, ro without one.
func connectReaders(path, mode string) (*sql.DB, error) {
	name, err := dsn(path, url.Values{"mode": {mode}, "_query_only": {"1"}})
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(maxReaders)
	db.SetMaxIdleConns(maxReaders)
	return db, nil
}

//go:embed migrations/*.sql
var migrations embed.FS

func migrator(db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true))
}

// description is what a file says of itself before anything in it is trusted.
type description struct {
	identity, id string
	version      int64
}

// describe reads who the store belongs to and its schema's version. It changes nothing. Errors: ErrNotStore; the disk's.
func describe(ctx context.Context, db *sql.DB) (description, error) {
	var d description
	var application int64
	err := db.QueryRowContext(ctx, `PRAGMA application_id`).Scan(&application)
	if err == nil && application != applicationID {
		return d, ErrNotStore
	}
	if err == nil {
		err = db.QueryRowContext(ctx, `SELECT identity, store_id, (SELECT max(version_id) FROM goose_db_version) FROM store`).
			Scan(&d.identity, &d.id, &d.version)
	}
	// No database, no such table, no row.
	if hasCode(err, lib.SQLITE_NOTADB) || hasCode(err, lib.SQLITE_ERROR) || errors.Is(err, sql.ErrNoRows) {
		err = fmt.Errorf("%w (%w)", ErrNotStore, err)
	}
	return d, err
}

// schemaVersion answers the version that migrate leads to.
func schemaVersion(db *sql.DB) (int64, error) {
	m, err := migrator(db)
	if err != nil {
		return 0, fmt.Errorf("read the migrations: %w", err)
	}
	sources := m.ListSources()
	return sources[len(sources)-1].Version, nil
}

func migrate(ctx context.Context, db *sql.DB) error {
	m, err := migrator(db)
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	if _, err := m.Up(ctx); err != nil {
		return fmt.Errorf("migrate the schema: %w", err)
	}
	return nil
}
