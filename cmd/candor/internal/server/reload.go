package server

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/candor-gateway/candor/config"
	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/defect"
	"github.com/candor-gateway/candor/people"
)

// reloadTimeout bounds what one reload waits for the store.
const reloadTimeout = 30 * time.Second

// reloader gives a running gateway what its configuration file says now. run works in one goroutine; config may be called by any.
type reloader struct {
	file string
	// once: the file is none that can be read again. What it said at the start stays, and only the files that it names are read again.
	once    bool
	gateway *gateway.Gateway
	users   people.Store
	tokens  *people.Tokens
	pages   *pages
	log     *slog.Logger
	guard   defect.Guard
	current atomic.Pointer[candorv1.Config]
	metrics reloadMetrics
	// refusal is what was last told, so that the same isn't told again at every look. refused is the configuration that it was about, as far
	// as it could be read; nil: none was.
	refusal string
	refused *candorv1.Config
}

type reloadMetrics struct {
	total   *prometheus.CounterVec
	success prometheus.Gauge
	last    prometheus.Gauge
}

// Results of a reload.
const (
	reloaded  = "success"
	unchanged = "unchanged"
	notTaken  = "refused"
)

func newReloadMetrics(reg *prometheus.Registry) reloadMetrics {
	m := reloadMetrics{
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "candor_config_reload_total", Help: "Reloads of the configuration by result: success, unchanged, refused.",
		}, []string{"result"}),
		success: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "candor_config_last_reload_success_timestamp_seconds", Help: "When the configuration in force was loaded.",
		}),
		last: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "candor_config_last_reload_successful", Help: "0 while the configuration file is one that was refused.",
		}),
	}
	reg.MustRegister(m.total, m.success, m.last)
	for _, result := range []string{reloaded, unchanged, notTaken} {
		m.total.WithLabelValues(result)
	}
	m.success.SetToCurrentTime()
	m.last.Set(1)
	return m
}

// errDefect is what became of a reload that panicked.
var errDefect = errors.New("a defect of the gateway; its log has the details")

// config is the configuration in force.
func (r *reloader) config() *candorv1.Config { return r.current.Load() }

// run reloads when hangup fires and, unless unwatched, when a file has changed, until ctx ends.
func (r *reloader) run(ctx context.Context, hangup <-chan os.Signal, unwatched bool) {
	w := newWatcher(r.log)
	defer func() { _ = w.close() }() // Nothing is lost with it.
	file := r.file
	if r.once {
		file = ""
		r.log.InfoContext(ctx, "the configuration is no regular file: it was read once, and is neither watched nor reloaded", slog.String("file", r.file))
	}
	for {
		if !unwatched {
			w.follow(watched(file, r.config(), r.refused))
		}
		asked := !w.next(ctx, hangup)
		if ctx.Err() != nil {
			return
		}
		if asked && r.once {
			r.log.WarnContext(ctx, "the configuration can't be reloaded: it is no regular file, and what came through it is gone. Only the files that it names are "+
				"read again; to change it restart the gateway, and to reload it serve from a regular file", slog.String("file", r.file))
		}
		if r.reload(ctx, asked) {
			w.forget()
		}
	}
}

// reload does it once. asked: by a person, who is told in any case. again: it was refused, and may pass with the same files. The log has what came
// of it last: whoever reads that finds it everywhere else, too.
func (r *reloader) reload(ctx context.Context, asked bool) (again bool) {
	running := ctx
	ctx, cancel := context.WithTimeout(ctx, reloadTimeout)
	defer cancel()
	began := time.Now()
	changed, err := false, errDefect
	r.guard.Whole("reloading", func() { changed, err = r.try(ctx) })
	switch {
	case err != nil && running.Err() != nil:
		return false // Cut off by the stop, which says nothing about the configuration.
	case err != nil:
		r.metrics.total.WithLabelValues(notTaken).Inc()
		r.metrics.last.Set(0)
		if asked || err.Error() != r.refusal {
			r.gateway.Refused(told(err)...)
			r.tell(ctx, err)
		}
		r.refusal = err.Error()
		return mayPassLater(err)
	case changed:
		r.metrics.total.WithLabelValues(reloaded).Inc()
		r.metrics.success.SetToCurrentTime()
		r.metrics.last.Set(1)
		r.log.InfoContext(ctx, "configuration reloaded", slog.String("file", r.file), slog.Duration("took", time.Since(began)))
	default:
		r.metrics.total.WithLabelValues(unchanged).Inc()
		r.metrics.last.Set(1)
		if asked || r.refusal != "" {
			r.log.InfoContext(ctx, "the configuration is the one in force", slog.String("file", r.file))
		}
	}
	r.refusal = ""
	return false
}

// mayPassLater says that a refusal isn't about what the configuration's files say: a store that didn't answer, or doesn't have yet what
// they name.
func mayPassLater(err error) bool {
	var faults config.Faults
	var restart *gateway.RestartError
	return err != nil && !errors.As(err, &faults) && !errors.As(err, &restart)
}

// try puts what the file says in force, as a whole or not at all.
func (r *reloader) try(ctx context.Context) (changed bool, err error) {
	cfg, warnings, err := r.read()
	r.refused = cfg
	defer func() {
		if err == nil {
			r.refused = nil
		}
	}()
	if err != nil {
		return false, err
	}
	// What can be refused comes first.
	gate, err := r.pages.gateOf(cfg)
	if err != nil {
		return false, err
	}
	tokens := people.NewTokens(people.TokensOptions{Config: cfg, Store: r.users, Log: r.log, Before: r.tokens})
	if changed, err = r.gateway.Reload(ctx, cfg, tokens); err != nil {
		return false, err
	}
	if !changed {
		if gate.SameSecret(r.pages.gate()) {
			return false, nil
		}
		// Of the files that the configuration names this is the one that the gateway knows nothing of.
		r.gateway.Reloaded()
	}
	warn(r.log, warnings)
	r.pages.use(gate)
	r.tokens = tokens
	r.current.Store(cfg)
	return true, nil
}

// read is what to put in force: what the file says, or said.
func (r *reloader) read() (*candorv1.Config, config.Faults, error) {
	switch {
	case r.once:
		return r.config(), nil, nil
	case irregular(r.file):
		return r.config(), nil, config.Faults{{
			File: r.file, Line: 1, Column: 1, Problem: "it isn't a regular file any more, and isn't read", Remedy: "put a regular file in its place",
		}}
	}
	return read(r.file)
}

// tell says why nothing has changed, and what to do, fault by fault.
func (r *reloader) tell(ctx context.Context, err error) {
	faults := told(err)
	r.log.ErrorContext(ctx, "the configuration is refused; the one before stays in force. Correct the faults; candor config lists them again",
		slog.String("file", r.file), slog.Int("faults", len(faults)))
	for _, f := range faults {
		r.log.ErrorContext(ctx, "configuration", slog.String("fault", f))
	}
}

// told is every fault that an error tells of.
func told(err error) []string {
	var faults config.Faults
	if !errors.As(err, &faults) {
		return []string{err.Error()}
	}
	var out []string
	for _, f := range faults.Errors() {
		out = append(out, f.String())
	}
	return out
}
