package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

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

// openPromises lays out the certificates of every model that promises something. A store that can't be read now is tried again:
// until then nothing is licensed.
func (g *Gateway) openPromises(ctx context.Context) error {
	any := false
	for _, name := range g.modelNames {
		m := g.models[name]
		var err error
		m.calibratorDigest = g.calibratorDigest(m.primary.Name())
		if m.promise, err = newPromise(m, g.cfg, func(ref string) (*candorv1.Artefact, error) { return g.artefact(ctx, ref) }); err != nil {
			return fmt.Errorf("models.%s.policy.%w", name, err)
		}
		if m.promise == nil {
			continue
		}
		any = true
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
	if !any {
		g.certificates = nil
		return nil
	}
	if g.certificates == nil {
		return errors.New("models: a policy promises an error rate, and there is no store for certificates")
	}
	if err := g.lookAtCertificates(ctx, true); err != nil {
		g.log.ErrorContext(ctx, "the certificates can't be read: nothing is licensed until they can", slog.Any("error", err))
	}
	return nil
}

// keepPromises keeps the views fresh until ctx ends.
func (g *Gateway) keepPromises(ctx context.Context) {
	if g.certificates == nil {
		return
	}
	seen := g.ledger.Now()
	for {
		changed := g.certificates.CertificatesChanged()
		g.guarded(ctx, func(ctx context.Context) {
			err := g.lookAtCertificates(ctx, g.coins.Load() == nil)
			now := g.ledger.Now()
			switch {
			case err == nil:
				seen = now
			case ctx.Err() != nil:
			case now.Sub(seen) > blindAfter:
				g.log.ErrorContext(ctx, "the certificates can't be read: nothing is licensed", slog.Any("error", err))
				g.looking.Lock()
				defer g.looking.Unlock()
				for _, m := range g.models {
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

// lookAtCertificates makes new views of what the store says. open opens those that are missing first.
func (g *Gateway) lookAtCertificates(ctx context.Context, open bool) error {
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	// One at a time: what was read before a revocation must not become the view after it.
	g.looking.Lock()
	defer g.looking.Unlock()
	if open {
		var openings []certificate.Opening
		for _, name := range g.modelNames {
			if p := g.models[name].promise; p != nil {
				openings = append(openings, p.openings()...)
			}
		}
		if _, err := g.certificates.OpenCertificates(ctx, openings); err != nil {
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
	}
	states, err := g.certificates.Certificates(ctx, "", false)
	if err != nil {
		return err
	}
	if states == nil {
		states = []*candorv1.CertificateState{}
	}
	now := g.ledger.Now()
	for _, m := range g.models {
		if m.promise == nil {
			continue
		}
		m.promise.budget.tick(now)
		m.promise.look(m, states, now)
	}
	g.metrics.watchCertificates(states, now)
	return nil
}
