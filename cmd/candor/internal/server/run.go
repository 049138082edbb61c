package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/candor-gateway/candor/cmd/candor/internal/stores"
	"github.com/candor-gateway/candor/config"
	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/defect"
	"github.com/candor-gateway/candor/people"
)

// Options of Run.
type Options struct {
	// Config is the configuration file.
	Config string
	// Log gets what happens; nil: nobody does.
	Log *slog.Logger
	// Stdout gets spans when telemetry.trace_file is "-"; nil: nobody does.
	Stdout io.Writer
	// Version of the program, for clients that ask.
	Version string
	// Pprof is the loopback address at which Go's profiles are served; empty: nowhere.
	Pprof string
	// Hangup asks for the configuration to be read again; nil: nobody does.
	Hangup <-chan os.Signal
	// Unwatched: changes of the configuration's files are not looked for.
	Unwatched bool
	// Pages, when not nil, is called with the address of the pages for people once they are served; before Ready.
	Pages func(url string)
	// Ready, when not nil, is called once the gateway listens.
	Ready func(gateway.Addrs)
}

// closeTimeout bounds how long the store may take to write what is queued: longer than any disk that still works needs.
const closeTimeout = 30 * time.Second

// Run serves the configuration until ctx ends, drains, and gives everything back in the opposite order of taking it. A clean
// stop answers nil. Faults of the configuration are a config.Faults; nothing is opened then.
func Run(ctx context.Context, o Options) error {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Stdout == nil {
		o.Stdout = io.Discard
	}
	served := false
	ready := o.Ready
	o.Ready = func(a gateway.Addrs) {
		served = true
		if ready != nil {
			ready(a)
		}
	}
	err := run(ctx, o)
	return stopped(ctx, o.Log, served, err)
}

// stopped is what becomes of the error with which a process ends that was told to stop: none where that was the stop's doing.
func stopped(ctx context.Context, log *slog.Logger, served bool, err error) error {
	switch {
	case err == nil, ctx.Err() == nil, !errors.Is(err, context.Canceled) && !errors.Is(err, context.Cause(ctx)):
		return err
	case served:
		log.Info("stopped; the stop cut something off", slog.Any("error", err))
	default:
		log.Info("stopped before anything was served")
	}
	return nil
}

func run(ctx context.Context, o Options) (err error) {
	once := irregular(o.Config)
	cfg, err := load(o.Config, o.Log)
	if err != nil {
		return err
	}
	var cleanups cleanups
	defer func() { err = errors.Join(err, cleanups.run()) }()
	cleanups.add(tuneHeap())

	closePprof, err := startPprof(o.Pprof, o.Log)
	if err != nil {
		return err
	}
	cleanups.add(closePprof)

	// It is counted in before there is a gateway whose metric it is.
	panics := gateway.PanicCounter(prometheus.NewRegistry())
	guard := defect.Guard{Log: o.Log, Count: panics.Inc}

	waiting := &vigil{store: stores.Name(cfg), most: cfg.GetStore().GetWait().AsDuration(), log: o.Log, began: time.Now()}
	serves := false
	closeStore := func(store stores.Store) error {
		// Nothing is queued before anything is served: then a store that is held up isn't waited for.
		limit := lastGrace
		if serves {
			limit = closeTimeout
		}
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
		defer cancel()
		err := store.Close(closing)
		if err != nil && !serves {
			o.Log.Warn("the store was not closed cleanly; nothing was stored", slog.Any("error", err))
			return nil
		}
		return err
	}
	store, err := await(ctx, waiting, func(ctx context.Context) (stores.Store, error) { return stores.Open(ctx, cfg, guard) }, closeStore)
	if err != nil {
		return err
	}
	cleanups.add(func() error { return closeStore(store) })

	users := store.People()
	tokens := people.NewTokens(people.TokensOptions{Config: cfg, Store: users, Log: o.Log})
	g, err := await(ctx, waiting, func(ctx context.Context) (*front, error) { return newFront(ctx, o, cfg, store, tokens, panics) }, (*front).close)
	if err != nil {
		return err
	}
	cleanups.add(g.close)

	site, err := openPages(cfg, g.Gateway, users, store.Moved, guard)
	if err != nil {
		return err
	}
	cleanups.add(site.close)
	if err := g.Listen(ctx); err != nil {
		return err
	}
	// All that could refuse this start has been looked at: now the limits may take their names.
	begin := func(ctx context.Context) (struct{}, error) { return struct{}{}, g.begin(ctx, o.Config) }
	if _, err := await(ctx, waiting, begin, func(struct{}) error { return nil }); err != nil {
		return err
	}
	reload := &reloader{file: o.Config, once: once, gateway: g.Gateway, users: users, tokens: tokens, pages: site, log: o.Log, guard: guard, metrics: newReloadMetrics(g.registry)}
	reload.current.Store(cfg)
	cleanups.add(startSweep(ctx, store, func() *candorv1.Retention { return reload.config().GetRetention() }, o.Log, guard))
	ctx, stop := context.WithCancel(ctx)
	var beside sync.WaitGroup
	// Whatever ends the gateway ends the pages, and reloading.
	defer func() { stop(); site.wait(); beside.Wait() }()

	serves = true
	return g.Run(ctx, func(a gateway.Addrs) {
		site.serve(ctx, func() time.Duration { return reload.config().GetListen().GetDrainTimeout().AsDuration() })
		beside.Go(func() {
			guard.Lasting(ctx, "watching the configuration", func() { reload.run(ctx, o.Hangup, o.Unwatched) })
		})
		if o.Pages != nil && site.url != "" {
			o.Pages(site.url)
		}
		o.Log.Info("listening", slog.String("grpc", a.GRPC), slog.String("http", a.HTTP), slog.String("web", site.url), slog.String("store", store.Identity()))
		o.Ready(a)
	})
}

// load reads the configuration; its warnings go to the log.
func load(path string, log *slog.Logger) (*candorv1.Config, error) {
	cfg, warnings, err := read(path)
	warn(log, warnings)
	return cfg, err
}

// read reads the configuration, and makes the names of files in it start at its folder. With an error cfg is what could be read.
func read(path string) (cfg *candorv1.Config, warnings config.Faults, err error) {
	cfg, faults := config.Check(path)
	resolve(cfg, filepath.Dir(path))
	if len(faults.Errors()) > 0 {
		return cfg, nil, faults
	}
	return cfg, faults.Warnings(), nil
}

func warn(log *slog.Logger, warnings config.Faults) {
	for _, w := range warnings {
		log.Warn("configuration", slog.String("fault", w.String()))
	}
}

// cleanups are run last in, first out.
type cleanups []func() error

func (c *cleanups) add(f func() error) { *c = append(*c, f) }

func (c *cleanups) run() error {
	var errs []error
	for i := len(*c) - 1; i >= 0; i-- {
		errs = append(errs, (*c)[i]())
	}
	return errors.Join(errs...)
}
