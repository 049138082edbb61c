package main

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/candor-gateway/candor/bench/stub"
	"github.com/candor-gateway/candor/store/postgres"
	"github.com/candor-gateway/candor/store/postgres/pgtest"
	"github.com/candor-gateway/candor/store/sqlite"
)

// bench is everything that runs.
type bench struct {
	o     options
	dir   string
	stops []func() error
	cells []cell

	// candor is the built gateway, model the address of its model server, server the URL of the PostgreSQL.
	candor, model, server string
	// about PostgreSQL and River, for the report.
	postgresAbout, riverAbout string
	// absent has a line for each subject that was left out.
	absent []string
}

// identity of every store.
const identity = "bench-queue"

// start starts what was asked for, and makes the cells. Whatever the error, stops must be called.
func (b *bench) start(ctx context.Context) error {
	if b.o.only["postgres"] || b.o.only["gateway-postgres"] || b.o.only["river"] {
		if err := b.startPostgres(ctx); err != nil {
			return err
		}
	}
	if b.o.only["gateway-sqlite"] || b.o.only["gateway-postgres"] {
		if err := b.startModel(ctx); err != nil {
			return err
		}
	}
	for _, s := range []struct {
		name  string
		start func(context.Context) error
	}{
		{"sqlite", b.startSQLite}, {"postgres", b.startInPostgres}, {"gateway-sqlite", b.gatewaySQLite},
		{"gateway-postgres", b.gatewayPostgres}, {"river", b.startRiver},
	} {
		if b.o.only[s.name] {
			if err := s.start(ctx); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	return nil
}

func (b *bench) startPostgres(ctx context.Context) error {
	b.server = b.o.postgres
	if b.server == "" {
		server, err := pgtest.Start(true)
		if err != nil {
			return err
		}
		b.stops = append(b.stops, server.Close)
		b.server = server.URL("postgres")
	}
	about, err := pgtest.About(ctx, b.server)
	b.postgresAbout = about
	return err
}

// database is an empty database of its own.
func (b *bench) database(name string) (string, error) {
	name = fmt.Sprintf("candor_queue_%s_%d", name, b.o.seed)
	url, err := pgtest.Make(b.server, name)
	if err == nil && b.o.postgres != "" {
		// This server goes on without us.
		b.stops = append(b.stops, func() error { return pgtest.Drop(b.server, name) })
	}
	return url, err
}

// startModel builds Candor, and starts the model server that it asks.
func (b *bench) startModel(ctx context.Context) error {
	b.candor = filepath.Join(b.dir, "candor")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", b.candor, "github.com/candor-gateway/candor/cmd/candor").CombinedOutput(); err != nil {
		return fmt.Errorf("go build of cmd/candor: %w\n%s", err, out)
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	b.model = lis.Addr().String()
	serving, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() { done <- stub.New().Serve(serving, lis) }()
	b.stops = append(b.stops, func() error {
		cancel()
		return <-done
	})
	return nil
}

func (b *bench) startSQLite(ctx context.Context) error {
	path := filepath.Join(b.dir, "store.db")
	if err := sqlite.Init(ctx, path, identity); err != nil {
		return err
	}
	s, err := sqlite.Open(ctx, path, identity, sqlite.Options{})
	if err != nil {
		return err
	}
	b.stops = append(b.stops, func() error { return s.Close(context.Background()) })
	b.add("sqlite", inStore{s}, b.queues())
	return nil
}

func (b *bench) startInPostgres(ctx context.Context) error {
	url, err := b.database("store")
	if err != nil {
		return err
	}
	if err := postgres.Init(ctx, url, identity); err != nil {
		return err
	}
	s, err := postgres.Open(ctx, url, identity, postgres.Options{})
	if err != nil {
		return err
	}
	b.stops = append(b.stops, func() error { return s.Close(context.Background()) })
	b.add("postgres", inStore{s}, b.queues())
	return nil
}

func (b *bench) gatewaySQLite(ctx context.Context) error {
	return b.gateway(ctx, "gateway-sqlite", fmt.Sprintf("{identity: %s, sqlite: {path: gateway.db}}", identity))
}

func (b *bench) gatewayPostgres(ctx context.Context) error {
	url, err := b.database("gateway")
	if err != nil {
		return err
	}
	return b.gateway(ctx, "gateway-postgres", fmt.Sprintf("{identity: %s, postgres: {url: %q}}", identity, url))
}

func (b *bench) gateway(ctx context.Context, name, store string) error {
	queues := b.queues()
	g, err := b.serve(ctx, name, store, slices.Max(claimers), queues)
	if err != nil {
		return err
	}
	b.add(name, g, queues)
	return nil
}

// queues are as many names as a subject's measurements need.
func (b *bench) queues() []string {
	names := make([]string, b.o.rounds*len(claimers)*len([]string{claims, cycles}))
	for i := range names {
		names[i] = fmt.Sprintf("queue-%d", i)
	}
	return names
}

// add makes a subject's cells.
func (b *bench) add(name string, s subject, queues []string) {
	next := func() string {
		q := queues[0]
		queues = queues[1:]
		return q
	}
	for _, unit := range [...]string{claims, cycles} {
		for _, people := range claimers {
			b.cells = append(b.cells, b.queued(name, s, unit, people, next))
		}
	}
}

// backwards are the stops, the last one first.
func backwards(stops []func() error) []func() error {
	stops = slices.Clone(stops)
	slices.Reverse(stops)
	return stops
}
