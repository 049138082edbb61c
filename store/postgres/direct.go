package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// direct is a transaction of its own, beside the writer's: of what isn't chained to the log.
type direct struct {
	ctx  context.Context
	conn *pgxpool.Conn
	now  time.Time
}

func (d *direct) exec(query string, args ...any) (int64, error) {
	tag, err := d.conn.Exec(d.ctx, query, args...)
	return tag.RowsAffected(), err
}

func (d *direct) query(query string, args []any, one func(scanner) error) error {
	return each(d.ctx, d.conn, query, args, one)
}

// queryRow scans the one row of a query; pgx.ErrNoRows: there is none.
func (d *direct) queryRow(query string, args []any, into ...any) error {
	return d.conn.QueryRow(d.ctx, query, args...).Scan(into...)
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
	token := [16]byte(uuid.New())
	p := &pgx.Batch{}
	p.Queue(`BEGIN`)
	p.Queue(`INSERT INTO commit_tokens (token) VALUES ($1)`, token)
	if err := conn.SendBatch(ctx, p).Close(); err != nil {
		return broken(conn, err)
	}
	if err := run(&direct{ctx, conn, s.Now()}); err != nil {
		err = broken(conn, err)
		rolling, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectTimeout)
		defer cancel()
		_, _ = conn.Exec(rolling, `ROLLBACK`)
		return err
	}
	// From here on the caller waits, whatever its context says: so an error always means that nothing was stored.
	committing, cancel := context.WithTimeout(context.WithoutCancel(ctx), batchTimeout)
	defer cancel()
	tag, err := conn.Exec(committing, `COMMIT`)
	if err == nil {
		if tag.String() != "COMMIT" {
			return errors.New("the transaction had failed before its commit")
		}
		return nil
	}
	if err = broken(conn, err); !lost(err) {
		return err
	}
	happened, uerr := s.redeem(token)
	switch {
	case uerr != nil:
		return uerr
	case happened:
		return nil
	}
	return err
}

// broken marks the error of a connection that broke.
func broken(conn *pgxpool.Conn, err error) error {
	if err != nil && !lost(err) && conn.Conn().IsClosed() {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	return err
}

// redeem finds out whether the transaction with that token was committed. To store the token once more waits until that transaction
// has ended, if the server still works on it; then there is one already, or there isn't. The same is asked for as long as it
// takes; see (*writer).happened. Errors: ErrUnknown.
func (s *Store) redeem(token [16]byte) (bool, error) {
	var give <-chan time.Time
	stopping := s.writer.stopping
	for {
		ctx, cancel := context.WithTimeout(context.Background(), batchTimeout)
		tag, err := s.pool.Exec(ctx, `INSERT INTO commit_tokens (token) VALUES ($1) ON CONFLICT DO NOTHING`, token)
		cancel()
		if err == nil {
			return tag.RowsAffected() == 0, nil
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
