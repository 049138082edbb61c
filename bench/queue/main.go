// Command queue measures how many review items people could claim and finish a second, on SQLite and on a real PostgreSQL, and how many
// jobs River works there: see docs/queue-benchmark.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:])
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench/queue:", err)
		stop()
		os.Exit(1)
	}
}

// run is the whole benchmark.
func run(ctx context.Context, args []string) (err error) {
	o, err := parse(args)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "candor-queue-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &bench{o: o, dir: dir}
	// Last started, first stopped.
	defer func() {
		for _, stop := range backwards(b.stops) {
			err = errors.Join(err, stop())
		}
	}()
	if err := b.start(ctx); err != nil {
		return err
	}
	samples, err := b.rounds(ctx)
	if err != nil {
		return err
	}
	r := newReport(b, samples)
	if err := r.text(os.Stdout); err != nil {
		return err
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(o.out, "queue.json"))
	if err != nil {
		return err
	}
	if err := errors.Join(r.json(f), f.Close()); err != nil {
		return err
	}
	fmt.Printf("\nwrote every sample to %s\n", f.Name())
	return nil
}
