package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/calibration/certificate"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

const (
	// lookEvery is how old the views may get when nothing tells of a change: another gateway's verdict, a certificate that goes
	// stale.
	lookEvery = time.Second
	// blindAfter is how long certificates that can't be read stay in force.
	blindAfter = 10 * time.Second
)

// layPromises lays out the certificates of every model that promises something. Nothing is licensed until they are looked at.
func (g *Gateway) layPromises(ctx context.Context, pl, before *plan) error {
	for _, name := range pl.modelNames {
		m := pl.models[name]
		var err error
		m.calibratorDigest = pl.calibratorDigest(m.primary.Name())
		if m.promise, err = newPromise(m, pl.cfg, func(ref string) (*candorv1.Artefact, error) { return g.artefact(ctx, ref) }); err != nil {
			return fmt.Errorf("models.%s.policy.%w", name, err)
		}
		if m.promise == nil {
			continue
		}
		pl.promises = true
		if had := before.promiseOf(name); had != nil && proto.Equal(had.cfg.GetAudit(), m.promise.cfg.GetAudit()) {
			// It knows how busy the model is, which takes an hour to learn.
			m.promise.budget = had.budget
		}
		if m.segments, err = newSegments(m.promise.cfg.GetSegments()); err != nil {
			return fmt.Errorf("models.%s.policy.accept.promise.%w", name, err)
		}
		m.coinScope = m.primary.Name() + "\x00" + m.backendCfg.GetVersion()
		for k := range m.fields {
			f := &m.fields[k]
			if f.coinScope = m.coinScope; f.Name != "" {
				f.coinScope += "\x00" + f.Name
			}
		}
		if m.alone != nil {
			m.alone.promise, m.alone.coinScope, m.alone.segments = m.promise, m.coinScope, m.segments
		}
		m.promise.look(m, nil, g.ledger.Now())
	}
	if pl.promises && g.certificates == nil {
		return errors.New("models: a policy promises an error rate, and there is no store for certificates")
	}
	return nil
}

// promiseOf is a model's promise; nil: there is none.
func (pl *plan) promiseOf(model string) *promise {
	if pl == nil || pl.models[model] == nil {
		return nil
	}
	return pl.models[model].promise
}

// errPanicked is what became of a look that panicked: licenses rest on it no longer than on one that failed.
var errPanicked = errors.New("a defect of the gateway; its log has the details")

// keepPromises keeps the views fresh until ctx ends.
func (g *Gateway) keepPromises(ctx context.Context) {
	if g.certificates == nil {
		return
	}
	seen := g.ledger.Now()
	for {
		changed := g.certificates.CertificatesChanged()
		err := errPanicked
		g.guarded(ctx, func(ctx context.Context) { err = g.lookAtCertificates(ctx) })
		g.guarded(ctx, func(ctx context.Context) {
			now := g.ledger.Now()
			switch {
			case err == nil:
				seen = now
			case ctx.Err() != nil:
			case now.Sub(seen) > blindAfter:
				g.log.ErrorContext(ctx, "the certificates can't be read: nothing is licensed", slog.Any("error", err))
				g.looking.Lock()
				defer g.looking.Unlock()
				for _, m := range g.plan().models {
					if m.promise != nil {
						m.promise.look(m, nil, now)
					}
				}
			default:
				g.log.WarnContext(ctx, "the certificates could not be read; trying again", slog.Any("error", err))
			}
		})
		timer := time.NewTimer(lookEvery)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-changed:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// lookAtCertificates makes new views of what the store says.
func (g *Gateway) lookAtCertificates(ctx context.Context) error {
	// One at a time: what was read before a revocation must not become the view after it.
	g.looking.Lock()
	defer g.looking.Unlock()
	return g.lookFor(ctx, g.plan(), g.coins.Load() == nil)
}

// lookFor is lookAtCertificates for one plan. looking is held. open opens the certificates that are missing first.
func (g *Gateway) lookFor(ctx context.Context, pl *plan, open bool) error {
	if !pl.promises {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	if open {
		if err := g.openCertificates(ctx, pl); err != nil {
			return err
		}
	}
	states, err := g.certificates.Certificates(ctx, "", false)
	if err != nil {
		return err
	}
	if states == nil {
		states = []*candorv1.CertificateState{}
	}
	now := g.ledger.Now()
	for _, m := range pl.models {
		if m.promise == nil {
			continue
		}
		m.promise.budget.tick(now)
		m.promise.look(m, states, now)
	}
	g.metrics.watchCertificates(states, now)
	return nil
}

// openCertificates opens those of a plan that are missing, and fetches the coins.
func (g *Gateway) openCertificates(ctx context.Context, pl *plan) error {
	var openings []certificate.Opening
	for _, name := range pl.modelNames {
		if p := pl.models[name].promise; p != nil {
			openings = append(openings, p.openings()...)
		}
	}
	if _, err := g.certificates.OpenCertificates(ctx, openings); err != nil || g.coins.Load() != nil {
		return err
	}
	secret, err := g.certificates.CoinSecret(ctx)
	if err != nil {
		return err
	}
	coins, err := newCoins(secret)
	if err != nil {
		return err
	}
	g.coins.Store(coins)
	return nil
}
