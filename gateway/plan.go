package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/backend"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
	"github.com/candor-gateway/candor/router"
	"github.com/candor-gateway/candor/webhook"
)

// plan is what is made of one configuration. It is read-only: a call that has begun under one ends under it, whatever is reloaded
// meanwhile, so that everything about a decision is of one configuration. What must outlive a configuration (connections and breakers
// of backends that are as they were, desks, budgets, monitors) is handed on from plan to plan by identity, and guards itself.
//
// Whoever uses a plan's backends holds it, see hold.
type plan struct {
	cfg *candorv1.Config
	// digest of cfg, as GetConfiguration tells it.
	digest     string
	principals *principals
	backends   map[string]*backend.Backend
	// shares are this plan's in its backends.
	shares []*sharedBackend
	models map[string]*model
	// calibrators by backend.
	calibrators map[string]router.Calibrator
	// modelNames sorted, for messages.
	modelNames []string
	// promises: a policy promises something.
	promises bool
	// desks of the queues that have a capacity, by name.
	desks map[string]*desk
	// hours of the queues that have some.
	hours      map[string]*review.Hours
	dispatcher *webhook.Dispatcher
	// receivers are told of trips, by limit.
	receivers map[string][]receiver
	// limitUnits are what the amounts of its limits are in.
	limitUnits limitUnits
	// tls of the listeners; nil: plain text.
	tls *serverTLS

	// since is when it came into force.
	since time.Time
	// replaced is closed when another plan has taken its place.
	replaced chan struct{}
	// holders are those that use it, the gateway's current pointer among them.
	holders atomic.Int64
	// abandon gives back what it has, once.
	abandon func()
}

// newPlan makes the plan of a configuration that config.Load has checked and filled with defaults. before is the one in force; nil: it is the
// first. Nothing that is in use changes. Errors name the field of the configuration, or are the store's; nothing is left open then.
func (g *Gateway) newPlan(ctx context.Context, cfg *candorv1.Config, who People, before *plan) (_ *plan, err error) {
	pl := &plan{
		cfg: cfg, backends: map[string]*backend.Backend{}, models: map[string]*model{},
		calibrators: map[string]router.Calibrator{}, replaced: make(chan struct{}), limitUnits: unitsOf(cfg),
	}
	if pl.digest, err = digestOf(cfg); err != nil {
		return nil, err
	}
	pl.holders.Store(1)
	pl.abandon = sync.OnceFunc(func() { g.giveBack(pl.shares) })
	defer func() {
		if err != nil {
			pl.abandon()
		}
	}()
	if pl.tls, err = loadServerTLS(cfg.GetListen().GetTls(), before); err != nil {
		return nil, err
	}
	pl.principals = newPrincipals(cfg, who, pl.tls)
	for name, bc := range cfg.GetBackends() {
		if err := g.addBackend(ctx, pl, name, bc, before); err != nil {
			return nil, err
		}
	}
	for name := range cfg.GetModels() {
		m, err := newModel(ctx, name, g, pl)
		if err != nil {
			return nil, err
		}
		pl.models[name] = m
		pl.modelNames = append(pl.modelNames, name)
	}
	slices.Sort(pl.modelNames)
	if err := g.layPromises(ctx, pl, before); err != nil {
		return nil, err
	}
	pl.watch(before)
	if err := g.openDesks(ctx, pl, before); err != nil {
		return nil, err
	}
	if err := g.openWebhooks(ctx, pl, before); err != nil {
		return nil, err
	}
	if pl.receivers, err = newReceivers(cfg); err != nil {
		return nil, err
	}
	// The last: what has been pinned can't be taken back when something else is refused.
	return pl, pinEnsembles(ctx, cfg, g.pins)
}

// sharedBackend is a backend that plans have in common.
type sharedBackend struct {
	*backend.Backend
	cfg   *candorv1.Backend
	plans atomic.Int64
}

// addBackend takes over the backend of the plan before, with its connections, its breaker and its counts, where its configuration is the
// same, and makes a new one otherwise.
func (g *Gateway) addBackend(ctx context.Context, pl *plan, name string, bc *candorv1.Backend, before *plan) error {
	share := before.share(name, bc)
	if share == nil {
		b, err := backend.Dial(name, bc, backend.Options{
			MaxMessageBytes: int(pl.cfg.GetListen().GetMaxMessageBytes()), Observer: g.metrics, Logger: g.log, Panicked: g.metrics.panics.Inc,
		})
		if err != nil {
			return fmt.Errorf("backends.%s: %w", name, err)
		}
		share = &sharedBackend{Backend: b, cfg: bc}
	}
	share.plans.Add(1)
	pl.shares = append(pl.shares, share)
	pl.backends[name] = share.Backend
	return g.loadCalibrator(ctx, pl, name, bc)
}

// share finds a backend of the same name and configuration; nil: there is none.
func (pl *plan) share(name string, bc *candorv1.Backend) *sharedBackend {
	if pl == nil {
		return nil
	}
	i := slices.IndexFunc(pl.shares, func(s *sharedBackend) bool { return s.Name() == name && proto.Equal(s.cfg, bc) })
	if i < 0 {
		return nil
	}
	return pl.shares[i]
}

// giveBack closes the backends that no plan has any more.
func (g *Gateway) giveBack(shares []*sharedBackend) {
	for _, s := range shares {
		if s.plans.Add(-1) == 0 {
			// Beside whoever was the last to use it, and need not wait.
			g.closing.Go(func() { g.guard().Whole("closing a backend", func() { g.closed(s.Close()) }) })
		}
	}
}

// closed keeps what went wrong when something was closed.
func (g *Gateway) closed(err error) {
	g.closeMu.Lock()
	defer g.closeMu.Unlock()
	g.closeErr = errors.Join(g.closeErr, err)
}

// plan is the one in force now, for those who only look. It must not be asked twice where both answers have to be of one configuration.
func (g *Gateway) plan() *plan { return g.current.Load() }

// hold answers the plan in force, whose backends stay open until drop.
func (g *Gateway) hold() *plan {
	for {
		// One that was replaced and has no holder any more is not to be had; then there is another one.
		if pl := g.current.Load(); pl.keep() {
			return pl
		}
	}
}

func (pl *plan) keep() bool {
	for {
		n := pl.holders.Load()
		if n == 0 {
			return false
		}
		if pl.holders.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// drop ends what hold began.
func (pl *plan) drop() {
	if pl.holders.Add(-1) == 0 {
		pl.abandon()
	}
}
