package postgres

import "context"

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
