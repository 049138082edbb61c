package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// RunMigrations runs the migrations in the database that url names.
func RunMigrations(ctx context.Context, url string) error {
	d, err := parse(url, 0)
	if err != nil {
		return err
	}
	return d.migrate(ctx)
}

// Setting answers a setting of the store's own sessions.
func (s *Store) Setting(ctx context.Context, name string) (value string, err error) {
	err = s.pool.QueryRow(ctx, `SELECT current_setting($1)`, name).Scan(&value)
	return value, err
}

// WaitingJobs is how many callers wait for the writer.
func WaitingJobs(s *Store) int { return len(s.writer.jobs) }

// TriedAgain says whether a transaction that ended with the error is tried again.
func TriedAgain(err error) bool { return transient(err) }

// Clock is a store's clock, without a store.
type Clock struct{ clock }

// Measure estimates the clock of a server that says what its clock is, and that nothing was committed since mark.
func (c *Clock) Measure(ctx context.Context, server func() time.Time, mark time.Time) error {
	return c.measure(ctx, clockSaying{now: server, mark: mark})
}

// Now is the clock's time.
func (c *Clock) Now() time.Time { return c.now() }

// clockSaying is a server of which only the clock is asked.
type clockSaying struct {
	querier
	now  func() time.Time
	mark time.Time
}

func (s clockSaying) QueryRow(context.Context, string, ...any) pgx.Row { return s }

// Scan is of pgx.Row.
func (s clockSaying) Scan(into ...any) error {
	*into[0].(*int64), *into[1].(*int64) = s.now().UnixMicro(), s.mark.UnixMicro()
	return nil
}

// SweepTokens is a turn of removing the tokens of commits.
func SweepTokens(ctx context.Context, conn *pgx.Conn) error { return sweepTokens(ctx, conn) }
