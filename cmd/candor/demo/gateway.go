package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/candor-gateway/candor/cmd/candor/internal/server"
	"github.com/candor-gateway/candor/gateway"
)

// running is a gateway that serves the data directory's configuration in this process.
type running struct {
	addrs gateway.Addrs
	// pages is the address of the pages for people.
	pages string
	// alive ends when the demo is interrupted, or when the gateway ends by itself; its cause says why.
	alive  context.Context
	cancel context.CancelCauseFunc
	done   chan struct{}
	err    error
	log    *os.File
}

// startGateway starts what candor serve --config starts, and waits until it listens.
func startGateway(ctx context.Context, dir *dataDir) (*running, error) {
	log, err := os.OpenFile(dir.in(logName), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	g := &running{done: make(chan struct{}), log: log}
	g.alive, g.cancel = context.WithCancelCause(ctx)
	ready := make(chan gateway.Addrs, 1)
	go func() {
		defer close(g.done)
		g.err = server.Run(g.alive, server.Options{
			Config: dir.in(startName), Log: slog.New(slog.NewTextHandler(log, nil)), Stdout: io.Discard, Version: "demo",
			Pages: func(url string) { g.pages = url },
			Ready: func(a gateway.Addrs) { ready <- a },
		})
		g.cancel(fmt.Errorf("the gateway ended: %w", g.err))
	}()
	select {
	case g.addrs = <-ready:
		return g, nil
	case <-g.done:
		return nil, errors.Join(g.err, log.Close())
	}
}

// stop drains the gateway and waits for its end.
func (g *running) stop() error {
	g.cancel(nil)
	<-g.done
	return errors.Join(g.err, g.log.Close())
}
