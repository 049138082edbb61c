package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Pins keep what each version of an ensemble means, for ever: records, weights and certificates name versions. Implementations are
// safe for concurrent use.
type Pins interface {
	// PinEnsemble stores the digest for an ensemble's version if none is stored yet, durably, and answers the one that is.
	PinEnsemble(ctx context.Context, name, version, digest string) (pinned string, err error)
}

// pinEnsembles refuses an ensemble that has changed and kept its version.
func pinEnsembles(ctx context.Context, cfg *candorv1.Config, pins Pins) error {
	if pins == nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.GetEnsembles())) {
		e := cfg.GetEnsembles()[name]
		digest := ensembleDigest(cfg, e)
		pinned, err := pins.PinEnsemble(ctx, name, e.GetVersion(), digest)
		if err != nil {
			return fmt.Errorf("ensembles.%s.version: what it means can't be looked up: %w", name, err)
		}
		if pinned != digest {
			return fmt.Errorf("ensembles.%s.version: %q was another ensemble when it was first served (its members, their versions, weights or stages have changed); write a new version, or undo the change",
				name, e.GetVersion())
		}
	}
	return nil
}

// ensembleDigest is the hex SHA-256 of what makes an ensemble answer as it does. What only bounds its time and cost (timeouts,
// addresses, breakers) is not in it.
func ensembleDigest(cfg *candorv1.Config, e *candorv1.Ensemble) string {
	h := sha256.New()
	// The length of every part stands before it: no two lists of parts have one encoding.
	part := func(format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		fmt.Fprintf(h, "%d:%s", len(text), text)
	}
	who := func(name string) {
		b := cfg.GetBackends()[name]
		part("%s", name)
		part("%s", b.GetModel())
		part("%s", b.GetVersion())
		part("%s", b.GetCalibrator())
	}
	part("candor ensemble 1")
	part("%d quorum %d agree %d members %d", e.GetCombiner(), e.GetQuorum(), e.GetAgree(), len(e.GetMembers()))
	part("%s", e.GetFitted())
	for _, m := range e.GetMembers() {
		who(m.GetBackend())
		part("%v", m.GetWeight())
	}
	for _, r := range remedials(e) {
		switch stage := r.GetStage().(type) {
		case *candorv1.Remedial_Backend:
			part("backend")
			who(stage.Backend)
		default:
			text, _ := proto.MarshalOptions{Deterministic: true}.Marshal(r) // Can't fail: a message of one scalar.
			part("%s", text)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}
