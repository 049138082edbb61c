package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
)

// exported are all tables of a store but those of runs, each after those that it refers to.
var exported = []string{
	"store", "clock", "writers", "log", "decision_kinds", "decisions", "outcomes",
	"review_items", "review_exclusions", "review_verdicts", "review_requests", "review_events", "review_payloads", "finals",
	"review_golden", "review_golden_shown",
	"certificates", "certificate_units", "certificate_rows", "certificate_inputs", "certificate_revocations", "secrets",
	"artefacts", "ensemble_pins",
	"limit_counts", "limit_leases", "limit_tallies", "limit_reporters", "limit_trips", "limit_latches", "limit_resets", "limit_asks", "limit_events",
	"limit_messages",
	"people_users", "people_passkeys", "people_sessions", "people_tokens", "people_tries", "people_challenges",
	"webhooks", "webhook_secrets", "webhook_deliveries",
}

// standingVerdicts is one more column of review_items: the verdicts that stand, the first first, in hexadecimal with a blank
// between them.
const standingVerdicts = `(SELECT group_concat(hex(verdict), ' ' ORDER BY position) FROM review_verdicts v
	WHERE v.item_id = review_items.id AND v.undone = 0)`

// OpenExport opens the store at path to be moved away: no gateway can serve from it until it is closed, and nothing in it is
// changed. Errors: an *OpenError with ErrAbsent, ErrLocked, ErrNewer, ErrOlder or ErrNotStore; the file system's.
func OpenExport(ctx context.Context, path string) (_ *Store, err error) {
	if err := checkPath(path); err != nil {
		return nil, err
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	lock, err := lockProcess(real + ".lock")
	if errors.Is(err, ErrLocked) {
		return nil, &OpenError{path, err, "stop candor serve first: what it recorded during the move would stay behind"}
	}
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	s := &Store{
		path: path, log: slog.New(slog.DiscardHandler), lock: lock,
		changed: make(chan struct{}), certified: make(chan struct{}), moved: make(chan struct{}),
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.release())
		}
	}()
	if err := s.identify(ctx, real, ""); err != nil {
		return nil, err
	}
	if s.readDB, err = connectReaders(real, "ro"); err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	return s, nil
}

// Export hands out everything in the store, from one snapshot, and changes nothing: each is called for every table, after those
// that it refers to, with the names of its columns, how many rows it has, and the rows. It ends with the first error of each. A
// table that it doesn't know is an error, so that nothing is left behind.
//
// Columns are those of the migrations, without generated ones. Records that are stored in runs are handed out with log and decisions. review_items has one more, "verdicts": the verdicts that stand, the
// first first, each a candor.v1.Verdict in hexadecimal, with a blank between them; NULL: none.
//
// rows hands out int64, float64, string, []byte or nil for each column; the caller owns a row. It ends after its first error. It is
// to be used once, before each returns.
func (s *Store) Export(ctx context.Context, each func(table string, columns []string, count int64, rows iter.Seq2[[]any, error]) error) error {
	const doing = "sqlite: export the store"
	tx, err := s.readDB.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	defer func() { _ = tx.Rollback() }()
	if err := knowsAll(ctx, tx); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	for _, name := range exported {
		columns, chosen, err := columnsOf(ctx, tx, name)
		var count int64
		if err == nil {
			err = tx.QueryRowContext(ctx, `SELECT count(*) FROM `+name).Scan(&count)
		}
		rows := rowsOf(ctx, tx, `SELECT `+chosen+` FROM `+name, len(columns))
		if more := unpacked[name]; more != "" && err == nil {
			var ofRuns int64
			err = tx.QueryRowContext(ctx, more).Scan(&ofRuns)
			count, rows = count+ofRuns, withRuns(ctx, tx, name, rows)
		}
		if err == nil {
			err = each(name, columns, count, rows)
		}
		if err != nil {
			return fmt.Errorf("%s: %s: %w", doing, name, err)
		}
	}
	return nil
}

// knowsAll refuses a store with a table that isn't exported.
func knowsAll(ctx context.Context, tx *sql.Tx) error {
	known := map[string]bool{"goose_db_version": true}
	for _, name := range slices.Concat(exported, packed) {
		known[name] = true
	}
	rows, err := tx.QueryContext(ctx, `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'`)
	if err != nil {
		return err
	}
	return scanAll(rows, func(row scanner) error {
		var name string
		if err := row.Scan(&name); err != nil {
			return err
		}
		if !known[name] {
			return fmt.Errorf("the table %q isn't one of a store's: remove it, or move the store with the version of candor that made it", name)
		}
		return nil
	})
}

// columnsOf answers what a table's columns are called, and what to select.
func columnsOf(ctx context.Context, tx *sql.Tx, table string) (columns []string, chosen string, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0 ORDER BY cid`, table)
	if err != nil {
		return nil, "", err
	}
	err = scanAll(rows, func(row scanner) error {
		var column string
		err := row.Scan(&column)
		columns = append(columns, column)
		return err
	})
	chosen = strings.Join(columns, ", ")
	if table == "review_items" {
		columns = append(columns, "verdicts")
		chosen += ", " + standingVerdicts
	}
	return columns, chosen, err
}

func rowsOf(ctx context.Context, tx *sql.Tx, query string, columns int) iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) {
		rows, err := tx.QueryContext(ctx, query)
		if err != nil {
			yield(nil, err)
			return
		}
		defer rows.Close()
		for rows.Next() {
			row, into := make([]any, columns), make([]any, columns)
			for i := range row {
				into[i] = &row[i]
			}
			if err := rows.Scan(into...); err != nil {
				yield(nil, err)
				return
			}
			for i, v := range row {
				// The driver's empty blob is a nil one, which is not NULL.
				if b, ok := v.([]byte); ok && b == nil {
					row[i] = []byte{}
				}
			}
			if !yield(row, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(nil, err)
		}
	}
}
