package postgres

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"
)

// querier is whatever can be read from: the pool, a connection, a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// scanner is a row.
type scanner interface{ Scan(into ...any) error }

// queryFunc runs a query on whichever connection the caller reads from, and calls each for every row.
type queryFunc func(query string, args []any, each func(scanner) error) error

// question is a query, and what is called for every row of its answer.
type question struct {
	query string
	args  []any
	each  func(scanner) error
}

// askFunc asks questions together: one way to the server and back, however many they are. Each sees what was committed when its turn came.
type askFunc func(questions ...question) error

// queue adds questions to what is sent.
func queue(p *pgx.Batch, questions []question) {
	for _, q := range questions {
		p.Queue(q.query, acceptable(q.args)...)
	}
}

// acceptable are arguments as the server takes them: see cleaned. What callers name things is theirs to choose. args stay as they are.
func acceptable(args []any) []any {
	own := false
	for i, arg := range args {
		var clean any
		switch v := arg.(type) {
		case string:
			if said := cleaned(v); said != v {
				clean = said
			}
		case []string:
			if !slices.ContainsFunc(v, func(s string) bool { return cleaned(s) != s }) {
				continue
			}
			said := slices.Clone(v)
			for j := range said {
				said[j] = cleaned(said[j])
			}
			clean = said
		}
		if clean == nil {
			continue
		}
		if !own {
			args, own = slices.Clone(args), true
		}
		args[i] = clean
	}
	return args
}

// answer reads the answers to n statements that nobody needs but for their errors, and those to the questions after them.
func answer(results pgx.BatchResults, n int, questions []question) error {
	err := drain(results, n)
	for _, q := range questions {
		if err != nil {
			return err
		}
		var rows pgx.Rows
		if rows, err = results.Query(); err == nil {
			err = scanAll(rows, q.each)
		}
	}
	return err
}

// atOnce asks questions that see one state of the database, all in one.
func (s *Store) atOnce(ctx context.Context, questions ...question) error {
	p := &pgx.Batch{}
	p.Queue(`BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`)
	queue(p, questions)
	p.Queue(`COMMIT`)
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	// After an error the transaction is still open: the pool gives such a connection up.
	defer conn.Release()
	results := conn.SendBatch(ctx, p)
	err = answer(results, 1, questions)
	if cerr := results.Close(); err == nil {
		err = cerr
	}
	return err
}

// reader reads what is committed.
func (s *Store) reader(ctx context.Context) queryFunc {
	return readerOn(ctx, s.pool)
}

func readerOn(ctx context.Context, on querier) queryFunc {
	return func(query string, args []any, one func(scanner) error) error { return each(ctx, on, query, args, one) }
}

func each(ctx context.Context, on querier, query string, args []any, one func(scanner) error) error {
	rows, err := on.Query(ctx, query, acceptable(args)...)
	if err != nil {
		return err
	}
	return scanAll(rows, one)
}

func scanAll(rows pgx.Rows, one func(scanner) error) error {
	defer rows.Close()
	for rows.Next() {
		if err := one(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// snapshot runs read in a transaction that sees one state of the database and keeps nobody from writing.
func (s *Store) snapshot(ctx context.Context, read func(queryFunc) error) error {
	return pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		return read(readerOn(ctx, tx))
	})
}

// ignore is for rows that only say that they are there.
func ignore(scanner) error { return nil }
