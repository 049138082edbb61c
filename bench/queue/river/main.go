// Command river measures River (https://riverqueue.com) on a database: how many jobs a second it works that do nothing. It is a module
// of its own, so that Candor doesn't depend on River; bench/queue builds and runs it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// order is a measurement that is asked for, a line of JSON on standard input.
type order struct {
	Jobs    int `json:"jobs"`
	Workers int `json:"workers"`
	// Transaction: each job is completed in a transaction of its own, which the worker waits for.
	Transaction bool `json:"transaction"`
}

// answer to an order, a line of JSON on standard output. Seconds are from the client's start to the last job's completion in the database.
type answer struct {
	Jobs    int     `json:"jobs"`
	Seconds float64 `json:"seconds"`
}

func main() {
	url := flag.String("database", "", "URL of a database; its schema river is made and filled")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *url); err != nil {
		fmt.Fprintln(os.Stderr, "river:", err)
		stop()
		os.Exit(1)
	}
}

// schema keeps River's tables apart from whatever else the database has.
const schema = "river"

func run(ctx context.Context, url string) error {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return err
	}
	// A worker that completes its job itself needs a connection while it does; all others are as idle as River leaves them.
	config.MaxConns = 64
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return err
	}
	defer pool.Close()
	if _, err := pool.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+schema); err != nil {
		return err
	}
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Schema: schema, Logger: quiet()})
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var o order
		if err := in.Decode(&o); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		a, err := measure(ctx, pool, o)
		if err != nil {
			return err
		}
		if err := out.Encode(a); err != nil {
			return err
		}
	}
}

func quiet() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
}

// none is a job that does nothing.
type none struct {
	N int `json:"n"`
}

func (none) Kind() string { return "none" }

// worker completes jobs in a transaction of its own, where it has a pool to do it with, and otherwise leaves it to River's batches.
type worker struct {
	river.WorkerDefaults[none]
	pool *pgxpool.Pool
}

func (w *worker) Work(ctx context.Context, job *river.Job[none]) error {
	if w.pool == nil {
		return nil
	}
	return pgx.BeginFunc(ctx, w.pool, func(tx pgx.Tx) error {
		_, err := river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, job)
		return err
	})
}

// measure works off a number of jobs that are all there before it begins.
func measure(ctx context.Context, pool *pgxpool.Pool, o order) (answer, error) {
	if _, err := pool.Exec(ctx, "TRUNCATE "+schema+".river_job"); err != nil {
		return answer{}, err
	}
	w := &worker{}
	if o.Transaction {
		w.pool = pool
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, w)
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		// What River's own benchmark sets, so as not to wait between fetches: its defaults are 100 ms and 1 s.
		FetchCooldown: 2 * time.Millisecond, FetchPollInterval: 20 * time.Millisecond,
		Logger: quiet(), Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: o.Workers}}, Schema: schema, Workers: workers,
	})
	if err != nil {
		return answer{}, err
	}
	const perInsert = 5000
	for from := 0; from < o.Jobs; from += perInsert {
		params := make([]river.InsertManyParams, min(perInsert, o.Jobs-from))
		for i := range params {
			params[i] = river.InsertManyParams{Args: none{N: from + i}}
		}
		if _, err := client.InsertManyFast(ctx, params); err != nil {
			return answer{}, err
		}
	}
	events, cancel := client.SubscribeConfig(&river.SubscribeConfig{
		ChanSize: o.Jobs, Kinds: []river.EventKind{river.EventKindJobCompleted, river.EventKindJobFailed, river.EventKindJobCancelled},
	})
	defer cancel()
	start := time.Now()
	if err := client.Start(ctx); err != nil {
		return answer{}, err
	}
	for range o.Jobs {
		select {
		case event := <-events:
			if event.Kind != river.EventKindJobCompleted {
				return answer{}, fmt.Errorf("job %d: %s", event.Job.ID, event.Kind)
			}
		case <-ctx.Done():
			return answer{}, ctx.Err()
		}
	}
	took := time.Since(start)
	return answer{o.Jobs, took.Seconds()}, client.Stop(ctx)
}
