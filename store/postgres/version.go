package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
)

// Versions answers the version of the schema of the store in the database that url names, and the one that this program wants. It
// changes nothing. Errors: an *OpenError with ErrAbsent, ErrForeign, ErrNewer, ErrNotStore, ErrServer or ErrUnreachable.
func Versions(ctx context.Context, url, identity string) (stored, wanted int64, err error) {
	d, err := parse(url, 0)
	if err != nil {
		return 0, 0, err
	}
	if _, err := newStore(d, slog.New(slog.DiscardHandler)).identify(ctx, identity); err != nil {
		return 0, 0, err
	}
	conn, err := d.reach(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	found, err := describe(ctx, conn)
	if err != nil {
		return 0, 0, fmt.Errorf("open store %s: %w", d.name, err)
	}
	wanted, err = schemaVersion()
	return found.version, wanted, err
}

// Migrate brings the schema of the store to the version that this program wants, and answers both, as Versions does. Gateways that
// serve from the store go on; of several that migrate at once each waits for the one before.
func Migrate(ctx context.Context, url, identity string) (from, to int64, err error) {
	if from, to, err = Versions(ctx, url, identity); err != nil || from == to {
		return from, to, err
	}
	d, err := parse(url, 0)
	if err != nil {
		return from, from, err
	}
	if err := d.migrate(ctx); err != nil {
		return from, from, fmt.Errorf("open store %s: %w", d.name, err)
	}
	return from, to, nil
}
