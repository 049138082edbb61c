package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// writing is a transaction, the writer's or one beside it.
type writing interface {
	// later runs a statement that changes something, at the latest with the commit.
	later(query string, args ...any)
	// query calls each for every row, and sees all that the transaction has changed before.
	query(query string, args []any, each func(scanner) error) error
	// queryRow scans the one row of a query; pgx.ErrNoRows: there is none.
	queryRow(query string, args []any, into ...any) error
	// ask is query of several questions, together.
	ask(questions ...question) error
}

// direct is a transaction of its own, beside the writer's: of what isn't chained to the log.
//
// Its beginning and its end, and statements whose result nobody needs, are sent together with the next question: a transaction takes as
// many ways to the server as it asks questions, and one for its commit.
type direct struct {
	ctx        context.Context
	conn       *pgxpool.Conn
	now        time.Time
	statements []statement
	// moved: something in the queue has changed.
	moved bool
}

func (d *direct) later(query string, args ...any) {
	d.statements = append(d.statements, statement{query, args})
}

// pack moves what was left for later into p, and answers how many statements that is.
func (d *direct) pack(p *pgx.Batch) int {
	for _, st := range d.statements {
		p.Queue(st.query, acceptable(st.args)...)
	}
	n := len(d.statements)
	d.statements = nil
	return n
}

// run sends what was left for later, and one more statement, whose tag it answers.
func (d *direct) run(ctx context.Context, query string, args ...any) (tag pgconn.CommandTag, err error) {
	p := &pgx.Batch{}
	n := d.pack(p)
	p.Queue(query, acceptable(args)...)
	results := d.conn.SendBatch(ctx, p)
	if err = drain(results, n); err == nil {
		tag, err = results.Exec()
	}
	if cerr := results.Close(); err == nil {
		err = cerr
	}
	return tag, err
}

// exec runs a statement now, and answers how many rows it changed.
func (d *direct) exec(query string, args ...any) (int64, error) {
	tag, err := d.run(d.ctx, query, args...)
	return tag.RowsAffected(), err
}

// ask asks several questions together, which see all that the transaction has changed before.
func (d *direct) ask(questions ...question) error {
	p := &pgx.Batch{}
	n := d.pack(p)
	queue(p, questions)
	results := d.conn.SendBatch(d.ctx, p)
	err := answer(results, n, questions)
	if cerr := results.Close(); err == nil {
		err = cerr
	}
	return err
}

func (d *direct) query(query string, args []any, each func(scanner) error) error {
	return d.ask(question{query, args, each})
}

func (d *direct) queryRow(query string, args []any, into ...any) error {
	found := false
	err := d.query(query, args, func(row scanner) error {
		found = true
		return row.Scan(into...)
	})
	if err == nil && !found {
		return pgx.ErrNoRows
	}
	return err
}

// directly runs a transaction until it is durable; run may be called more than once. An error means that nothing is stored.
func (s *Store) directly(ctx context.Context, doing string, run func(*direct) error) error {
	if s.writer == nil {
		return fmt.Errorf("%s: %w", doing, ErrReadOnly)
	}
	for attempt := 1; ; attempt++ {
		if s.writer.closing() {
			return fmt.Errorf("%s: %w", doing, ErrClosed)
		}
		err := s.attempt(ctx, run)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if attempt >= maxTries || !transient(err) {
			return fmt.Errorf("%s: %w", doing, err)
		}
		select {
		case <-time.After(rand.N(retryPause * time.Duration(attempt))):
		case <-ctx.Done():
		}
	}
}

func (s *Store) attempt(ctx context.Context, run func(*direct) error) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	// A connection that isn't idle by then is closed, and what was under way rolled back.
	defer conn.Release()
	// Only a transaction whose commit was sent is asked for.
	token := [16]byte(uuid.New())
	d := &direct{ctx: ctx, conn: conn, now: s.Now()}
	d.later(`BEGIN`)
	d.later(`INSERT INTO commit_tokens (token) VALUES ($1)`, token)
	err = run(d)
	if err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return d.rollback(err)
	}
	// From here on the caller waits, whatever its context says: so an error always means that nothing was stored.
	committing, cancel := context.WithTimeout(context.WithoutCancel(ctx), batchTimeout)
	defer cancel()
	tag, err := d.run(committing, `COMMIT`)
	if err == nil {
		if tag.String() != "COMMIT" {
			return errors.New("the transaction had failed before its commit")
		}
		d.done(s)
		return nil
	}
	if err = d.rollback(err); !lost(err) {
		return err
	}
	// Before others are asked for: where every connection has broken like this one, nobody could ask.
	conn.Release()
	happened, uerr := s.redeem(token)
	switch {
	case uerr != nil:
		return uerr
	case happened:
		d.done(s)
		return nil
	}
	return err
}

// rollback ends a transaction that has begun, and answers why.
func (d *direct) rollback(why error) error {
	why = broken(d.conn, why)
	const idle = 'I' // outside of a transaction
	if d.conn.Conn().IsClosed() || d.conn.Conn().PgConn().TxStatus() == idle {
		return why
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(d.ctx), connectTimeout)
	defer cancel()
	_, _ = d.conn.Exec(ctx, `ROLLBACK`)
	return why
}

// done tells others what was committed.
func (d *direct) done(s *Store) {
	if d.moved {
		s.move()
	}
}

// broken marks the error of a connection that broke.
func broken(conn *pgxpool.Conn, err error) error {
	if err != nil && !lost(err) && conn.Conn().IsClosed() {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	return err
}

const (
	// takeToken stores the token $1 in the place of a transaction that can't any more, and with it $2, which says so: the answer to this may get
	// lost as well.
	takeToken = `WITH taken AS (INSERT INTO commit_tokens (token) VALUES ($1) ON CONFLICT DO NOTHING RETURNING token)
		INSERT INTO commit_tokens (token) SELECT $2::uuid FROM taken`
	tookToken = `SELECT EXISTS (SELECT FROM commit_tokens WHERE token = $1)`
)

// redeem finds out whether the transaction with that token was committed. To store the token once more waits until that transaction
// has ended, if the server still works on it; then there is one already, or there isn't. The same is asked for as long as it
// takes; see (*writer).happened. Errors: ErrUnknown.
func (s *Store) redeem(token [16]byte) (bool, error) {
	var give <-chan time.Time
	stopping := s.writer.stopping
	ours := [16]byte(uuid.New())
	for {
		happened, err := s.committed(token, ours)
		if err == nil {
			return happened, nil
		}
		select {
		case <-time.After(askEvery):
		case <-stopping:
			stopping, give = nil, time.After(closingPatience)
		case <-give:
			return false, fmt.Errorf("%w: %w", ErrUnknown, err)
		}
	}
}

// committed asks once whether the transaction with that token was committed. ours is stored with the token where it wasn't.
func (s *Store) committed(token, ours [16]byte) (bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), batchTimeout)
	defer cancel()
	tag, err := s.pool.Exec(ctx, takeToken, token, ours)
	if err != nil || tag.RowsAffected() > 0 {
		return false, err
	}
	took := false
	err = s.pool.QueryRow(ctx, tookToken, ours).Scan(&took)
	return !took, err
}
