package gateway

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/config"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// RestartError is why a configuration can't be reloaded: it changes what only a restart changes.
type RestartError struct {
	// Fields of the configuration, as in listen.grpc.
	Fields []string
}

func (e *RestartError) Error() string {
	return fmt.Sprintf("%s: can't change while the gateway runs; restart it, or undo the change", strings.Join(e.Fields, ", "))
}

// Reload puts another configuration in force, which config.Load has checked and filled with defaults, and reads the files of listen.tls and of the
// secrets of alerts again. People know the tokens that it doesn't; nil: nobody does. changed says that something is different.
//
// It is all or nothing. A call that has begun ends under the configuration that it began under, and every later one is under
// the new one; none fails for it. Backends, queues, limits and promises whose settings are the same go on with their
// connections, breakers, counts and latches. An error names the field of the configuration, or is the store's, or a *RestartError; everything goes on
// as before then. It may be called by any number of goroutines, while Run serves.
func (g *Gateway) Reload(ctx context.Context, cfg *candorv1.Config, who People) (changed bool, err error) {
	g.reloading.Lock()
	defer g.reloading.Unlock()
	before := g.plan()
	if fields := config.RestartOnly(before.cfg, cfg); len(fields) > 0 {
		return false, &RestartError{Fields: fields}
	}
	if same, err := before.same(cfg); same || err != nil {
		if same {
			g.noteReload(candorv1.ReloadResult_RELOAD_RESULT_UNCHANGED, nil)
		}
		return false, err
	}
	pl, err := g.newPlan(ctx, cfg, who, before)
	if err != nil {
		return false, err
	}
	if err := g.replace(ctx, pl); err != nil {
		pl.drop()
		return false, err
	}
	g.noteReload(candorv1.ReloadResult_RELOAD_RESULT_SUCCESS, nil)
	return true, nil
}

// reloadOutcome is what came of the last reload; faults are why the configuration was refused, where it was.
type reloadOutcome struct {
	at     time.Time
	result candorv1.ReloadResult
	faults []string
}

func (g *Gateway) noteReload(result candorv1.ReloadResult, faults []string) {
	g.reloaded.Store(&reloadOutcome{at: g.ledger.Now(), result: result, faults: faults})
}

// Reloaded notes that something is different now that is of the configuration's files and isn't the gateway's, as the secret of an OpenID client.
func (g *Gateway) Reloaded() { g.noteReload(candorv1.ReloadResult_RELOAD_RESULT_SUCCESS, nil) }

// Refused notes that what the configuration's files hold was refused, and why: GetConfiguration tells until a Reload has no error.
func (g *Gateway) Refused(faults ...string) {
	g.noteReload(candorv1.ReloadResult_RELOAD_RESULT_REFUSED, faults)
}

// same says that a configuration is the plan's, and so are the files that it names.
func (pl *plan) same(cfg *candorv1.Config) (bool, error) {
	if !proto.Equal(pl.cfg, cfg) {
		return false, nil
	}
	now, err := loadServerTLS(cfg.GetListen().GetTls(), pl)
	if err != nil {
		return false, err
	}
	receivers, err := newReceivers(cfg)
	return err == nil && now == pl.tls && sameSecrets(pl.receivers, receivers), err
}

// replace puts a plan in the place of another. Limits come last, because the store keeps what new ones count under their names; but what they can't
// be is asked before certificates are opened, which ends those whose stage has changed.
func (g *Gateway) replace(ctx context.Context, pl *plan) error {
	if err := g.gate.Check(ctx, definitions(pl.cfg)); err != nil {
		return fmt.Errorf("limits: %w", err)
	}
	return g.install(pl, func(err error) error {
		return fmt.Errorf("the certificates can't be read, so that nothing would be licensed: %w", err)
	}, func() error {
		// Between this and the swap calls of before meet the new bounds; that of a limit is no part of a decision's policy.
		if err := g.gate.Update(ctx, definitions(pl.cfg), g.ledger.Now()); err != nil {
			return fmt.Errorf("limits: %w", err)
		}
		return nil
	})
}

// install makes a plan the one in force, and lets go of the one before. blind is asked what becomes of that when the certificates can't
// be read; its error ends it. So does that of last, which is called when nothing else can.
func (g *Gateway) install(pl *plan, blind func(error) error, last func() error) error {
	g.looking.Lock()
	defer g.looking.Unlock()
	if err := g.lookFor(context.Background(), pl, true); err != nil {
		if err := blind(err); err != nil {
			return err
		}
	}
	if err := last(); err != nil {
		return err
	}
	var was *candorv1.Config
	before := g.current.Load()
	if before != nil {
		was = before.cfg
	}
	g.metrics.of(pl.cfg, was)
	g.metrics.ofAlerts(pl)
	g.monitors.set.Show(pl.streams())
	g.tracing.sample(pl.cfg.GetTelemetry().GetSampleRatio())
	pl.staffDesks()
	pl.since = g.ledger.Now()
	g.current.Store(pl)
	if before != nil {
		close(before.replaced)
		before.drop()
		// Another receiver may have to be told of what is latched.
		g.wakeAlerts()
	}
	return nil
}
