package gateway

import (
	"context"
	"fmt"

	"github.com/candor-gateway/candor/calibration"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// loadCalibrator finds the calibrator that a backend's configuration names, among those given or in the store. One that is missing
// would let raw numbers pass for calibrated ones, and one that nothing names, or of another model, would change them unseen.
func (g *Gateway) loadCalibrator(ctx context.Context, pl *plan, name string, bc *candorv1.Backend) error {
	ref := bc.GetCalibrator()
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("backends.%s.calibrator: %w", name, fmt.Errorf(format, args...))
	}
	if c := g.given[name]; c != nil {
		if c.Name() != ref {
			return wrong("the configuration names %q, and %q is given; correct the name", ref, c.Name())
		}
		pl.calibrators[name] = c
		return nil
	}
	if ref == "" {
		return nil
	}
	a, err := g.artefact(ctx, ref)
	if err != nil {
		return wrong("%w", err)
	}
	c, err := calibration.New(a)
	if err != nil {
		return wrong("%s: %w", ref, err)
	}
	score := bc.GetCard().GetScores()
	if len(score) == 0 {
		return wrong("the card declares no score that %s could calibrate", ref)
	}
	if err := c.Suits(&candorv1.ArtefactScope{
		Model: bc.GetModel(), Version: bc.GetVersion(), Kind: score[0].GetKind(), Labels: score[0].GetLabels(),
	}); err != nil {
		return wrong("%w", err)
	}
	pl.calibrators[name] = c
	return nil
}

// calibratorDigest names what a backend's calibrator does, whatever it is called; empty: there is none.
func (pl *plan) calibratorDigest(backend string) string {
	switch c := pl.calibrators[backend].(type) {
	case nil:
		return ""
	case interface{ Digest() string }:
		return c.Digest()
	default:
		return c.Name()
	}
}
