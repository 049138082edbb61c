package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/candor-gateway/candor/backend"
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

// Gateway serves one configuration. It is made by New and serves by Run, once.
type Gateway struct {
	cfg        *candorv1.Config
	log        *slog.Logger
	version    string
	ledger     Ledger
	reviews    review.Store
	gate       *limits.Gate
	limitStore limits.Store
	// certificates is nil when no policy promises anything.
	certificates Certificates
	coins        atomic.Pointer[coins]
	// looking is held from reading the certificates until their views are made.
	looking    sync.Mutex
	artefacts  Artefacts
	principals *principals
	users      people.Store
	backends   map[string]*backend.Backend
	models     map[string]*model
	// calibrators by backend; read-only.
	calibrators map[string]router.Calibrator
	// modelNames sorted, for messages.
	modelNames []string
	metrics    *metrics
	monitors   *monitors
	tracing    *tracing
	registry   *prometheus.Registry
	gap        gap
	// inside is how pages of this process call.
	inside *inside.Pipe
	// desks of the queues that have a capacity, by name.
	desks map[string]*desk
	// hours of the queues that have some.
	hours map[string]*review.Hours
	// due wakes the work that makes answers final.
	due        chan struct{}
	webhooks   webhook.Store
	dispatcher *webhook.Dispatcher
	// sender is for webhooks and for the alerts of limits.
	sender *webhook.Sender
	// tripped wakes the work on alerts, and receivers are told of trips, by limit.
	tripped   chan struct{}
	receivers map[string][]receiver
	// unfollowed: the last look at the stored latches failed, and the log knows.
	unfollowed bool
	// stopping is closed when draining begins, so that streams without an end of their own end.
	stopping chan struct{}
	stopOnce sync.Once
	// streaming are the goroutines of clients' streams, which end a little after their handlers.
	streaming sync.WaitGroup
}

// New makes a Gateway of a configuration that config.Load has checked and filled with defaults. It loads the state of the
// limits from the store, and dials nothing: connections come up when they are first used. An error names the field of the configuration, or is the
// store's; nothing is left open then.
func New(ctx context.Context, cfg *candorv1.Config, d Deps) (*Gateway, error) {
	g := &Gateway{
		cfg: cfg, log: d.Log, version: d.Version, ledger: d.Ledger, reviews: d.Reviews, limitStore: d.Limits, artefacts: d.Artefacts, registry: d.Registry,
		principals: newPrincipals(cfg, d.People), users: d.Users, backends: map[string]*backend.Backend{}, models: map[string]*model{},
		certificates: d.Certificates, calibrators: map[string]router.Calibrator{},
		sender: webhook.NewSender(), due: make(chan struct{}, 1), tripped: make(chan struct{}, 1), stopping: make(chan struct{}),
	}
	if g.log == nil {
		g.log = slog.Default()
	}
	if g.registry == nil {
		g.registry = prometheus.NewRegistry()
	}
	g.metrics = newMetrics(g.registry, cfg)
	g.tracing = newTracing(cfg.GetTelemetry(), d.Spans)
	if err := g.open(ctx, d); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	return g, nil
}

func (g *Gateway) open(ctx context.Context, d Deps) error {
	var err error
	if g.inside, err = inside.New(int(g.cfg.GetListen().GetMaxMessageBytes())); err != nil {
		return err
	}
	if err := pinEnsembles(ctx, g.cfg, d.Pins); err != nil {
		return err
	}
	for name, bc := range g.cfg.GetBackends() {
		b, err := backend.Dial(name, bc, backend.Options{
			MaxMessageBytes: int(g.cfg.GetListen().GetMaxMessageBytes()), Observer: g.metrics, Logger: g.log,
		})
		if err != nil {
			return fmt.Errorf("backends.%s: %w", name, err)
		}
		g.backends[name] = b
		if err := g.loadCalibrator(ctx, name, bc, d.Calibrators); err != nil {
			return err
		}
		g.metrics.watchBackend(b)
		g.metrics.watchReplicas(b)
	}
	for name := range g.cfg.GetModels() {
		m, err := newModel(ctx, name, g)
		if err != nil {
			return err
		}
		g.models[name] = m
		g.modelNames = append(g.modelNames, name)
	}
	slices.Sort(g.modelNames)
	if err := g.openPromises(ctx); err != nil {
		return err
	}
	g.monitors = newMonitors(g.cfg, g.models)
	g.metrics.watchMonitors(g.monitors.set)
	var defs []limits.Definition
	for name, l := range g.cfg.GetLimits() {
		defs = append(defs, limits.Definition{
			Name: name, Action: l.GetAction(), Model: l.GetModel(), Consumer: l.GetConsumer(), MaxCount: l.GetMaxCount(),
			Window: l.GetWindow().AsDuration(), OnTrip: l.GetOnTrip(), DryRun: l.GetDryRun(), After: aftermath(l),
		})
	}
	g.gate, err = limits.New(ctx, defs, g.limitStore, g.ledger.Now(), limits.Options{
		OnTrip: g.onTrip, OnStoreError: g.onLimitStoreError, Clock: time.Now,
	})
	if err != nil {
		return fmt.Errorf("limits: %w", err)
	}
	if g.receivers, err = newReceivers(g.cfg); err != nil {
		return err
	}
	g.metrics.watchLimits(g.gate, g.ledger.Now)
	if g.desks, g.hours, err = newDesks(g.cfg); err != nil {
		return err
	}
	if len(g.desks) > 0 {
		// Before the first call: what a day's budget was spent on before a restart counts.
		if err := g.lookAtDesks(ctx, true); err != nil {
			return fmt.Errorf("queues: %w", err)
		}
	}
	return g.openWebhooks(ctx, d.Webhooks)
}

// Close releases connections and flushes spans. Call it after Run, or when Run is never called.
func (g *Gateway) Close() error {
	var errs []error
	if g.inside != nil {
		errs = append(errs, g.inside.Close())
	}
	for _, b := range g.backends {
		errs = append(errs, b.Close())
	}
	g.sender.Close()
	errs = append(errs, g.tracing.close())
	return errors.Join(errs...)
}
