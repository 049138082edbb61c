package postgres

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/candor-gateway/candor/audit"
)

// Source hands out the tables of a store elsewhere; see the Export of store/sqlite. A table comes after those that it refers to.
type Source func(ctx context.Context, each func(table string, columns []string, count int64, rows iter.Seq2[[]any, error]) error) error

// Imported says what Import has moved.
type Imported struct {
	// Tables are in the order in which they came.
	Tables []ImportedTable
	// Log is the decision log as the new store has it, verified before the commit.
	Log audit.VerifyReport
}

// ImportedTable is how many rows of a table the source said it has, and how many the database has.
type ImportedTable struct {
	Name            string
	Source, Arrived int64
}

// Import makes a store, in the database that url names, of everything in another one: its identity, its decision log byte by byte,
// its latches. The database must have no store. It is one transaction: on an error, or when the process is killed, the database has no
// store, and a mark that one was to be moved into it, which Open and Init refuse. Import may be called again. Before the commit the rows are counted again and the log is verified. progress is told of every table that
// has arrived; nil: nobody is.
//
// Errors: an *OpenError with ErrExists, ErrNotStore, ErrServer or ErrUnreachable; ErrIncomplete; the source's; the server's.
func Import(ctx context.Context, url string, from Source, progress func(ImportedTable)) (done Imported, err error) {
	d, err := parse(url, 0)
	if err != nil {
		return done, err
	}
	// As long as it takes: nobody else waits for a store that isn't one yet.
	for _, limit := range []string{"statement_timeout", "idle_in_transaction_session_timeout", "lock_timeout"} {
		delete(d.pool.ConnConfig.RuntimeParams, limit)
	}
	conn, err := d.prepare(ctx)
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		in := &importing{ctx: ctx, tx: tx, owner: uuid.New(), kinds: map[string]bool{}}
		err := from(ctx, func(table string, columns []string, count int64, rows iter.Seq2[[]any, error]) error {
			t, err := in.table(table, columns, count, rows)
			if err == nil && progress != nil {
				progress(t)
			}
			return err
		})
		if err == nil {
			err = in.complete()
		}
		if err == nil {
			_, err = tx.Exec(ctx, `DROP TABLE moving`)
		}
		if err == nil {
			done = Imported{in.done, in.log}
		}
		return err
	})
	if err != nil {
		return Imported{}, fmt.Errorf("make store %s of another: %w", d.name, err)
	}
	return done, nil
}

// prepare makes the schema of a store without an identity, and answers a connection that keeps others from doing so.
func (d database) prepare(ctx context.Context) (_ *pgx.Conn, err error) {
	conn, err := d.reach(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
		}
	}()
	// Held until the connection is closed.
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock($1)`, initLock); err != nil {
		return nil, fmt.Errorf("make store %s: wait for another candor: %w", d.name, err)
	}
	found, err := describe(ctx, conn)
	switch {
	case errors.Is(err, ErrNotStore):
		return nil, &OpenError{d.name, err, fmt.Sprintf("the schema %q holds something else; choose another database", schema)}
	case err != nil:
		return nil, fmt.Errorf("make store %s: look what is there: %w", d.name, err)
	case !found.empty && !found.begun && !found.moving:
		return nil, &OpenError{d.name, ErrExists, "a store is moved into a database without one, and never added to another; choose another " +
			"database, and don't run candor init for it"}
	}
	// The mark comes with the schema, and goes with the commit of the move: what is in between is nobody's store.
	if _, err := conn.Exec(ctx, `CREATE SCHEMA IF NOT EXISTS `+schema+`; CREATE TABLE IF NOT EXISTS `+schema+`.moving ()`); err != nil {
		return nil, fmt.Errorf("make store %s: %w", d.name, err)
	}
	if err := d.migrate(ctx); err != nil {
		return nil, fmt.Errorf("make store %s: %w", d.name, err)
	}
	return conn, nil
}

// importing is the transaction under way.
type importing struct {
	ctx   context.Context
	tx    pgx.Tx
	owner uuid.UUID
	// clock is the source's high-water mark, in microseconds.
	clock int64
	// kinds of decisions that have come, by their keys.
	kinds map[string]bool
	done  []ImportedTable
	log   audit.VerifyReport
}

// table copies one table.
func (in *importing) table(name string, columns []string, count int64, rows iter.Seq2[[]any, error]) (ImportedTable, error) {
	t := ImportedTable{Name: name, Source: count}
	if name == "clock" {
		// It has no table here: each writer keeps the time of its last commit.
		for row, err := range rows {
			if err != nil {
				return t, err
			}
			in.clock, _ = row[len(row)-1].(int64)
			t.Arrived++
		}
		in.done = append(in.done, t)
		return t, nil
	}
	target, types, err := in.columns(name)
	if err != nil {
		return t, err
	}
	next, stop := iter.Pull2(rows)
	defer stop()
	p := &pulled{next: next, convert: func(row []any) ([]any, error) { return in.convert(name, columns, row, target, types) }}
	if _, err := in.tx.CopyFrom(in.ctx, pgx.Identifier{name}, target, p); err != nil {
		return t, err
	}
	if err := in.tx.QueryRow(in.ctx, `SELECT count(*) FROM `+pgx.Identifier{name}.Sanitize()).Scan(&t.Arrived); err != nil {
		return t, err
	}
	if t.Arrived != t.Source {
		return t, fmt.Errorf("%w: %d rows of %d", ErrIncomplete, t.Arrived, t.Source)
	}
	in.done = append(in.done, t)
	// The planner knows nothing of the rows otherwise until the server comes to it.
	_, err = in.tx.Exec(in.ctx, `ANALYZE `+pgx.Identifier{name}.Sanitize())
	return t, err
}

// columns answers a table's columns that aren't generated from others, and their types.
func (in *importing) columns(table string) (names []string, types map[string]string, err error) {
	types = map[string]string{}
	err = each(in.ctx, in.tx, `SELECT column_name, data_type FROM information_schema.columns
		WHERE table_schema = $1 AND table_name = $2 AND is_generated = 'NEVER' ORDER BY ordinal_position`, []any{schema, table}, func(row scanner) error {
		var name, typ string
		err := row.Scan(&name, &typ)
		names, types[name] = append(names, name), typ
		return err
	})
	if err == nil && len(names) == 0 {
		err = errors.New("the database has no such table: the source's version of candor is another")
	}
	return names, types, err
}

// convert makes a row of the table here of a row of the source. Every column of both is accounted for.
func (in *importing) convert(table string, columns []string, row []any, target []string, types map[string]string) ([]any, error) {
	values := make(map[string]any, len(target))
	for i, c := range columns {
		values[c] = row[i]
	}
	if err := in.adapt(table, values); err != nil {
		return nil, err
	}
	out := make([]any, len(target))
	for i, c := range target {
		v, ok := values[c]
		if !ok {
			return nil, fmt.Errorf("column %s: the source has none", c)
		}
		var err error
		if out[i], err = typed(v, types[c]); err != nil {
			return nil, fmt.Errorf("column %s: %w", c, err)
		}
		delete(values, c)
	}
	for c := range values {
		return nil, fmt.Errorf("column %s: there is no place for it", c)
	}
	return out, nil
}

// complete sets what follows from the rows, and verifies the log.
func (in *importing) complete() error {
	for _, statement := range []string{
		`INSERT INTO certificate_keys (digest) SELECT DISTINCT digest FROM certificates`,
		`UPDATE feeds SET position = (SELECT coalesce(max(position), 0) FROM finals) WHERE name = '` + finalsFeed + `'`,
		`UPDATE feeds SET position = (SELECT coalesce(max(position), 0) FROM certificates) WHERE name = '` + certificatesFeed + `'`,
	} {
		if _, err := in.tx.Exec(in.ctx, statement); err != nil {
			return err
		}
	}
	if _, err := in.tx.Exec(in.ctx, `UPDATE writers SET clock_us = $1`, in.clock); err != nil {
		return err
	}
	var numbered [][2]string
	if err := each(in.ctx, in.tx, `SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = $1 AND is_identity = 'YES'`,
		[]any{schema}, func(row scanner) error {
			var n [2]string
			err := row.Scan(&n[0], &n[1])
			numbered = append(numbered, n)
			return err
		}); err != nil {
		return err
	}
	for _, n := range numbered {
		table, column := pgx.Identifier{n[0]}.Sanitize(), pgx.Identifier{n[1]}.Sanitize()
		var last int64
		if err := in.tx.QueryRow(in.ctx, `SELECT coalesce(max(`+column+`), 0) FROM `+table).Scan(&last); err != nil {
			return err
		}
		// Unlike setval this is undone with the transaction.
		if _, err := in.tx.Exec(in.ctx, fmt.Sprintf(`ALTER TABLE %s ALTER COLUMN %s RESTART WITH %d`, table, column, last+1)); err != nil {
			return err
		}
	}
	var err error
	if in.log, err = audit.VerifyStored(keptLog{readerOn(in.ctx, in.tx)}); err != nil {
		return fmt.Errorf("verify the decision log: %w", err)
	}
	if fault := in.log.Fault(); fault != nil {
		return fmt.Errorf("%w: the decision log: %w", ErrIncomplete, fault)
	}
	return nil
}

// pulled is rows as CopyFrom wants them.
type pulled struct {
	next    func() ([]any, error, bool)
	convert func([]any) ([]any, error)
	row     []any
	err     error
}

// Next goes to the next row.
func (p *pulled) Next() bool {
	row, err, ok := p.next()
	if ok && err == nil {
		p.row, err = p.convert(row)
	}
	p.err = err
	return ok && err == nil
}

// Values answers the row.
func (p *pulled) Values() ([]any, error) { return p.row, nil }

// Err answers why there are no more.
func (p *pulled) Err() error { return p.err }

// cleaned is what a TEXT column can hold of s.
func cleaned(s string) string { return strings.ToValidUTF8(text(s), "\uFFFD") }
