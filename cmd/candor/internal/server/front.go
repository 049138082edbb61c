package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/candor-gateway/candor/cmd/candor/internal/stores"
	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/people"
)

// frontTimeout bounds one attempt to make the gateway, which asks the store several things.
const frontTimeout = 30 * time.Second

// front is the gateway over an open store, with what it tells: all that is made anew when making it is tried again.
type front struct {
	*gateway.Gateway
	registry   *prometheus.Registry
	closeSpans func() error
	log        *slog.Logger
}

// newFront makes it. panics is among its metrics. An error leaves nothing open.
func newFront(ctx context.Context, o Options, cfg *candorv1.Config, store stores.Store, who *people.Tokens, panics prometheus.Counter) (*front, error) {
	f := &front{registry: prometheus.NewRegistry(), log: o.Log}
	f.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), panics)
	spans, closeSpans, err := openSpans(ctx, cfg.GetTelemetry(), o.Stdout)
	if err != nil {
		return nil, err
	}
	f.closeSpans = closeSpans
	making, cancel := context.WithTimeout(ctx, frontTimeout)
	defer cancel()
	// The gateway closes its exporters when it is closed, and when it can't be made.
	f.Gateway, err = gateway.New(making, cfg, gateway.Deps{
		Ledger: store, Reviews: store, Limits: store, Certificates: store, Artefacts: store, Pins: store, Webhooks: store,
		Users: store.People(), People: who, Log: o.Log, Registry: f.registry, Spans: spans, Version: o.Version,
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", o.Config, err), closeSpans())
	}
	return f, nil
}

// begin is the last step of a start, in one attempt; see gateway.Begin.
func (f *front) begin(ctx context.Context, file string) error {
	beginning, cancel := context.WithTimeout(ctx, frontTimeout)
	defer cancel()
	if err := f.Gateway.Begin(beginning); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// close gives back what it has. Spans that a collector doesn't take any more are a loss, and no reason to call the drain unclean.
func (f *front) close() error {
	if err := f.Gateway.Close(); err != nil {
		f.log.Warn("the gateway was not closed cleanly", slog.Any("error", err))
	}
	return f.closeSpans()
}
