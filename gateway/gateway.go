package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/inside"
	"github.com/candor-gateway/candor/limits"
	"github.com/candor-gateway/candor/people"
	"github.com/candor-gateway/candor/review"
	"github.com/candor-gateway/candor/router"
	"github.com/candor-gateway/candor/webhook"
)

// Deps are what a Gateway is made of, beside its configuration. The caller owns them and closes them after Run has returned.
type Deps struct {
	Ledger  Ledger
	Reviews review.Store
	Limits  limits.Store
	// Certificates keep promises; nil: a policy that promises something is refused.
	Certificates Certificates
	// Artefacts are calibrators and the like.
	Artefacts Artefacts
	// People know the tokens that the configuration doesn't; nil: nobody does.
	People People
	// Users are administered by PeopleService; nil: none are.
	Users people.Store
	// Log; nil: slog.Default().
	Log *slog.Logger
	// Registry of the metrics; nil: a new one.
	Registry *prometheus.Registry
	// Spans go to these exporters; none: nothing is traced.
	Spans []sdktrace.SpanExporter
	// Webhooks keep what is delivered to receivers; nil: a configuration that has some is refused.
	Webhooks webhook.Store
	// Pins keep what each version of an ensemble means; nil: nobody does.
	Pins Pins
	// Version of the program, for ServerMetadata.
	Version string
	// Calibrators of the embedding program's own, by the backend whose configuration names them; all others are read from Artefacts.
	Calibrators map[string]router.Calibrator
}

// Gateway serves one configuration at a time. It is made by New and serves by Run, once; Reload gives it another configuration.
type Gateway struct {
	log        *slog.Logger
	version    string
	ledger     Ledger
	reviews    review.Store
	gate       *limits.Gate
	limitStore limits.Store
	// certificates are nil where no policy may promise anything.
	certificates Certificates
	coins        atomic.Pointer[coins]
	// looking is held from reading the certificates until their views are made.
	looking   sync.Mutex
	artefacts Artefacts
	pins      Pins
	// given calibrators, by backend.
	given    map[string]router.Calibrator
	users    people.Store
	metrics  *metrics
	monitors *monitors
	tracing  *tracing
	memory   memory
	registry *prometheus.Registry
	gap      gap
	// inside is how pages of this process call.
	inside *inside.Pipe
	// due wakes the work that makes answers final, and heldAfter is where that goes on among answers that limits hold.
	due       chan struct{}
	heldAfter review.HeldPlace
	webhooks  webhook.Store
	// sender is for webhooks and for the alerts of limits.
	sender *webhook.Sender
	// tripped wakes the work on alerts.
	tripped chan struct{}
	// unfollowed: the last look at the stored latches failed, and the log knows.
	unfollowed bool
	// ports are open from Listen until Run has them.
	ports *ports
	// leaving is closed when the gateway is to stop: who asks how it is hears it from now on.
	leaving chan struct{}
	// stopping is closed when draining begins, so that streams without an end of their own end.
	stopping chan struct{}
	stopOnce sync.Once
	// streaming are the goroutines of clients' streams, which end a little after their handlers.
	streaming sync.WaitGroup

	// current is the plan in force; see plan and hold.
	current   atomic.Pointer[plan]
	reloading sync.Mutex
	// reloaded is what came of the last reload; nil: there was none.
	reloaded atomic.Pointer[reloadOutcome]
	// closing are backends that are being closed, closeErr what went wrong.
	closing  sync.WaitGroup
	closeMu  sync.Mutex
	closeErr error
}

// New makes a Gateway of a configuration that config.Load has checked and filled with defaults. It loads the state of the
// limits from the store, where it notes nothing of them before Begin, and dials nothing: connections come up when they are first used. An error names the field of the configuration, or is the
// store's; nothing is left open then.
func New(ctx context.Context, cfg *candorv1.Config, d Deps) (*Gateway, error) {
	g := &Gateway{
		log: d.Log, version: d.Version, ledger: d.Ledger, reviews: d.Reviews, limitStore: d.Limits, artefacts: d.Artefacts, registry: d.Registry,
		users: d.Users, pins: d.Pins, given: d.Calibrators, certificates: d.Certificates, webhooks: d.Webhooks,
		sender: webhook.NewSender(), due: make(chan struct{}, 1), tripped: make(chan struct{}, 1), leaving: make(chan struct{}), stopping: make(chan struct{}),
	}
	if g.log == nil {
		g.log = slog.Default()
	}
	if g.registry == nil {
		g.registry = prometheus.NewRegistry()
	}
	g.memory.limit, g.memory.receiving.patience = cfg.GetListen().GetMaxInFlightBytes(), comingPatience
	g.metrics = newMetrics(g.registry)
	g.metrics.guard = g.guard()
	g.metrics.watchMemory(&g.memory)
	g.monitors = newMonitors()
	g.tracing = newTracing(d.Spans)
	if err := g.open(ctx, cfg, d.People); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	return g, nil
}

func (g *Gateway) open(ctx context.Context, cfg *candorv1.Config, who People) error {
	var err error
	if g.inside, err = inside.New(int(cfg.GetListen().GetMaxMessageBytes())); err != nil {
		return err
	}
	pl, err := g.newPlan(ctx, cfg, who, nil)
	if err != nil {
		return err
	}
	g.gate, err = limits.Open(ctx, definitions(cfg), g.limitStore, g.ledger.Now(), limits.Options{
		OnTrip: g.onTrip, OnStoreError: g.onLimitStoreError, OnOverflow: g.onLimitOverflow, OnWalls: g.onWalls, OnVoided: g.onVoided, Clock: time.Now,
	})
	if err != nil {
		pl.drop()
		return fmt.Errorf("limits: %w", err)
	}
	if err := g.install(pl, func(err error) error {
		g.log.ErrorContext(ctx, "the certificates can't be read: nothing is licensed until they can", slog.Any("error", err))
		return nil
	}, func() error { return nil }); err != nil {
		return err
	}
	g.metrics.watchBackends(g)
	g.metrics.watchReplicas(g)
	g.metrics.watchMonitors(g.monitors.set)
	g.metrics.watchLimits(g.gate, g.ledger.Now)
	g.metrics.watchWebhooks(g)
	g.metrics.watchAlerts(g)
	return nil
}

// Close releases connections and flushes spans. Call it after Run, or when Run is never called.
func (g *Gateway) Close() error {
	var errs []error
	if g.ports != nil {
		errs = append(errs, g.ports.close())
		g.ports = nil
	}
	if g.inside != nil {
		errs = append(errs, g.inside.Close())
	}
	if pl := g.plan(); pl != nil {
		// Not by drop: whoever looks at it later, such as a scrape, still finds one.
		pl.abandon()
	}
	g.closing.Wait()
	g.sender.Close()
	errs = append(errs, g.closeErr, g.tracing.close())
	return errors.Join(errs...)
}
