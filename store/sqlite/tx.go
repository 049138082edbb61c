package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/candor-gateway/candor/audit"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// tx is the transaction under way, as jobs see it. Its methods are for the writer's goroutine only, while run runs.
type tx struct {
	w   *writer
	now time.Time
	// chain is where the log will end if this is committed.
	chain audit.Chain
	// dirty: there is something to commit. final: a final answer is among it; certified: what a certificate licenses; moved: a change
	// of a review item; ofLimits: an entry in the history of a limit.
	dirty, final, certified, moved, ofLimits bool
	// predictions counts records of predictions.
	predictions uint64
}

// The writer has no caller whose context it could use: a transaction serves many.
var background = context.Background()

func (w *writer) statement(query string) (*sql.Stmt, error) {
	if st := w.statements[query]; st != nil {
		return st, nil
	}
	st, err := w.conn.PrepareContext(background, query)
	if err == nil {
		w.statements[query] = st
	}
	return st, err
}

func (w *writer) exec(query string, args ...any) (int64, error) {
	st, err := w.statement(query)
	if err != nil {
		return 0, err
	}
	res, err := st.ExecContext(background, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// exec runs a statement that changes something, and answers how many rows it changed.
func (t *tx) exec(query string, args ...any) (int64, error) {
	n, err := t.w.exec(query, args...)
	t.dirty = t.dirty || n > 0
	return n, err
}

// queryRow scans the one row of a query; sql.ErrNoRows: there is none.
func (t *tx) queryRow(query string, args []any, into ...any) error {
	st, err := t.w.statement(query)
	if err != nil {
		return err
	}
	return st.QueryRowContext(background, args...).Scan(into...)
}

// query calls each for every row.
func (t *tx) query(query string, args []any, each func(scanner) error) error {
	st, err := t.w.statement(query)
	if err != nil {
		return err
	}
	rows, err := st.QueryContext(background, args...)
	if err != nil {
		return err
	}
	return scanAll(rows, each)
}

// scanner is a row.
type scanner interface{ Scan(into ...any) error }

func scanAll(rows *sql.Rows, each func(scanner) error) error {
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// append chains an encoded record to the log. predictionID is set for predictions only.
func (t *tx) append(data, predictionID []byte) (seq uint64, err error) {
	chain := t.chain
	e := chain.Append(data)
	if _, err := t.exec(`INSERT INTO log (writer, seq, prediction_id, data, hash) VALUES (?, ?, ?, ?, ?)`,
		t.w.ordinal, int64(e.Seq), predictionID, data, e.Hash[:]); err != nil {
		return 0, fmt.Errorf("append to the decision log: %w", err)
	}
	t.chain = chain
	return e.Seq, nil
}

// appendRecord encodes a record of ours and chains it to the log.
func (t *tx) appendRecord(rec *candorv1.Record) (seq uint64, err error) {
	data, err := audit.Encode(rec)
	if err != nil {
		return 0, err
	}
	return t.append(data, nil)
}
