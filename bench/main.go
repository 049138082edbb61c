// Command bench measures what Candor costs, beside other proxies, in one run: see README.md in this folder.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/candor-gateway/candor/bench/proxy"
	"github.com/candor-gateway/candor/bench/stub"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:])
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// run is the benchmark, or, for the processes that it starts of itself, the stub or a proxy:
//
//	bench stub LISTEN
//	bench proxy KIND LISTEN UPSTREAM METRICS
func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 2 && args[0] == "stub":
		lis, err := net.Listen("tcp", args[1])
		if err != nil {
			return err
		}
		rest()
		return stub.New().Serve(ctx, lis)
	case len(args) == 5 && args[0] == "proxy":
		return serveProxy(ctx, args[1], args[2], args[3], args[4])
	}
	return bench(ctx, args)
}

// rest turns the garbage collector of load generator and stub off as long as there is memory, so that it doesn't show in the
// latencies of what is measured. The proxies keep Go's defaults.
func rest() {
	const memory = 1 << 30
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(memory)
}

func serveProxy(ctx context.Context, kind, listen, upstream, metrics string) error {
	lis, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	closeMetrics, err := proxy.ServeMetrics(metrics)
	if err != nil {
		return err
	}
	return errors.Join(proxy.Serve(ctx, kind, lis, upstream), closeMetrics())
}
