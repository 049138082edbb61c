// Command serve is a model server for the digit models, over the Open Inference Protocol:
//
//	go run ./examples/digits/serve --model linear --listen 127.0.0.1:9001
//
// It prints its address once it accepts connections. On SIGTERM or an interrupt it takes no new calls, finishes those in
// flight, and exits with 0; after ten seconds, or at a second signal, it stops waiting for them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/candor-gateway/candor/examples/digits"
	"github.com/candor-gateway/candor/examples/digits/modelserver"
)

// drainTimeout is how long calls in flight may take after a signal.
const drainTimeout = 10 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal kills the process, as it would without us
	err := run(ctx, os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, "serve:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	names := flags.String("model", strings.Join(digits.Names(), ","), "models to serve, separated by commas")
	listen := flags.String("listen", "127.0.0.1:0", "host:port to listen on; port 0 takes a free one")
	latency := flags.Duration("latency", 0, "least time that each ModelInfer takes, to play a slow model")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q; models are named by --model", flags.Arg(0))
	}
	if *latency < 0 {
		return fmt.Errorf("--latency: %v is negative", *latency)
	}
	models, err := load(*names)
	if err != nil {
		return err
	}
	lis, err := net.Listen("tcp", *listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	server := modelserver.New(models...)
	server.SetLatency(*latency)
	for _, m := range models {
		fmt.Fprintf(out, "serving %s version %s on %s\n", m.Name, m.Version, lis.Addr())
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(lis) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	impatient := time.AfterFunc(drainTimeout, server.Stop)
	defer impatient.Stop()
	server.GracefulStop()
	return <-served
}

func load(names string) ([]*digits.Model, error) {
	var models []*digits.Model
	seen := make(map[string]bool)
	for name := range strings.SplitSeq(names, ",") {
		if seen[name] {
			return nil, fmt.Errorf("--model: %q twice", name)
		}
		seen[name] = true
		m, err := digits.LoadModel(name)
		if err != nil {
			return nil, fmt.Errorf("--model: %w", err)
		}
		models = append(models, m)
	}
	return models, nil
}
