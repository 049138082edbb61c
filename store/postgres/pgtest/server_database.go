package pgtest

import (
	"context"
	"net/url"

	"github.com/jackc/pgx/v5"
)

// Make makes an empty database on the server that url names, and answers its URL. The name must be one that SQL needs no quotes for.
func Make(server, name string) (string, error) {
	u, err := url.Parse(server)
	if err != nil {
		return "", err
	}
	if err := execute(server, createDatabase(name, "template0")); err != nil {
		return "", err
	}
	u.Path = "/" + name
	return u.String(), nil
}

// Drop removes a database, whoever is connected to it.
func Drop(server, name string) error { return execute(server, dropDatabase(name)) }

// About says in a line which server it is, and what it does for what it has said it keeps.
func About(ctx context.Context, server string) (about string, err error) {
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing is lost with it
	err = conn.QueryRow(ctx, `SELECT 'PostgreSQL ' || current_setting('server_version') || ', fsync ' || current_setting('fsync') ||
		', synchronous_commit ' || current_setting('synchronous_commit')`).Scan(&about)
	return about, err
}
