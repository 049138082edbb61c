package postgres

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// schema holds all tables.
const schema = "candor"

// oldestServer is PostgreSQL 13: the oldest that its makers still kept when this was written.
const oldestServer = 130000

// What a session asks of the server. A gateway that hangs in a transaction holds locks that others wait for: the server ends
// it, and so the wait.
const (
	connectTimeout   = 5 * time.Second
	statementTimeout = "15s"
	lockTimeout      = "5s"
	idleTimeout      = "10s"
	// A grant has locked what all gateways wait for. One that is cut off, or stands still, in its middle holds it no longer than a lease lasts:
	// its next question is on its way after a millisecond.
	grantIdleTimeout = "1s"
)

// Connections that aren't in the pool: the writer's and the listener's.
const ownConnections = 2

// Bounds of Options.MaxConnections.
const (
	DefaultMaxConnections = 16
	MinConnections        = 4
)

// database is where a store is, and how it is reached.
type database struct {
	pool *pgxpool.Config
	// name is what errors call it: without user and password.
	name string
}

// parse reads a connection string. What it leaves out comes from the environment (PGHOST and the like), as with every client
// of PostgreSQL.
func parse(source string, connections int) (database, error) {
	if source == "" {
		return database{}, fmt.Errorf("store.postgres.url is empty: give postgres://USER@HOST:PORT/DATABASE")
	}
	cfg, err := pgxpool.ParseConfig(source)
	if err != nil {
		return database{}, fmt.Errorf("store.postgres.url: %w", err) // without the password
	}
	switch {
	case connections == 0:
		connections = DefaultMaxConnections
	case connections < MinConnections:
		return database{}, fmt.Errorf("store.postgres.max_connections is %d: give at least %d", connections, MinConnections)
	}
	cfg.MaxConns = int32(connections - ownConnections)
	c := cfg.ConnConfig
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectTimeout
	}
	params := c.RuntimeParams
	if params["application_name"] == "" {
		params["application_name"] = "candor"
	}
	// What a reply says is durable before it leaves. Stronger is welcome, weaker isn't.
	if params["synchronous_commit"] != "remote_apply" {
		params["synchronous_commit"] = "on"
	}
	params["search_path"] = schema
	params["default_transaction_isolation"] = "read committed"
	params["statement_timeout"] = statementTimeout
	params["lock_timeout"] = lockTimeout
	params["idle_in_transaction_session_timeout"] = idleTimeout
	return database{cfg, nameOf(c)}, nil
}

// Name is what errors call the store in the database that url names: without user and password; empty for no such url.
func Name(url string) string {
	d, err := parse(url, 0)
	if err != nil {
		return ""
	}
	return d.name
}

func nameOf(c *pgx.ConnConfig) string {
	u := url.URL{Scheme: "postgres", Host: net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port))), Path: "/" + c.Database}
	if strings.HasPrefix(c.Host, "/") {
		u.Host, u.RawQuery = "", url.Values{"host": {c.Host}}.Encode()
	}
	return u.String()
}

// connect opens one connection of its own.
func (d database) connect(ctx context.Context) (*pgx.Conn, error) {
	return pgx.ConnectConfig(ctx, d.pool.ConnConfig.Copy())
}

// checkServer refuses a database that can't keep a store.
func (d database) checkServer(ctx context.Context, conn *pgx.Conn) error {
	var version, encoding string
	err := conn.QueryRow(ctx, `SELECT current_setting('server_version_num'), current_setting('server_encoding')`).Scan(&version, &encoding)
	if err != nil {
		return fmt.Errorf("open store %s: ask the server's version: %w", d.name, err)
	}
	if n, err := strconv.Atoi(version); err != nil || n < oldestServer {
		return &OpenError{d.name, ErrServer, fmt.Sprintf("the server is of version %s; use PostgreSQL %d or later", version, oldestServer/10000)}
	}
	if encoding != "UTF8" {
		return &OpenError{d.name, ErrServer, fmt.Sprintf("its encoding is %s; make it with CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0", encoding)}
	}
	return nil
}
