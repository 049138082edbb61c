package gateway

import (
	"crypto/sha256"
	"encoding/hex"

	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/router"
)

// A certificate's key names all that decides which numbers are compared, and for which rows: where any of it changes, the evidence is of
// something else. What is long stands in the key as a digest.

// scaleDigest names what makes the confidences of a model's field: the score as the card declares it, the policy's numbers, and the meta
// model with its version.
func scaleDigest(cfg *candorv1.Config, m *model, field int) string {
	p := m.cfg.GetPolicy()
	if name := m.fields[field].Name; name != "" {
		p = router.ForField(p, name)
	}
	parts := []proto.Message{&candorv1.Policy{
		IntervalScale: p.IntervalScale, EnergyCenter: p.EnergyCenter, DistanceScale: p.DistanceScale, Meta: p.GetMeta(),
	}}
	if scores := m.backendCfg.GetCard().GetScores(); field < len(scores) {
		score := proto.CloneOf(scores[field])
		// Labels stand in the key themselves. How far a sum may be off changes no confidence, it refuses an answer.
		score.Labels, score.SumTolerance, score.Field = nil, nil, ""
		parts = append(parts, score)
	}
	if name := p.GetMeta().GetBackend(); name != "" {
		parts = append(parts, answersAs(cfg.GetBackends()[name]))
	}
	return shortDigest(parts...)
}

// membersDigest names what an ensemble's answers are made of: its members and how they are combined, each with its version and calibrator.
func membersDigest(cfg *candorv1.Config, name string) string {
	e := proto.CloneOf(cfg.GetEnsembles()[name])
	for _, member := range e.GetMembers() {
		member.Timeout = nil
	}
	parts := []proto.Message{e}
	for _, member := range e.GetMembers() {
		parts = append(parts, answersAs(cfg.GetBackends()[member.GetBackend()]))
	}
	remedials := e.GetThen()
	if r := e.GetRemedial(); r != nil {
		remedials = append([]*candorv1.Remedial{r}, remedials...)
	}
	for _, r := range remedials {
		if b := cfg.GetBackends()[r.GetBackend()]; b != nil {
			parts = append(parts, answersAs(b))
		}
	}
	return shortDigest(parts...)
}

// answersAs is what of a backend decides its answers. Where it runs, and how long one waits for it, does not.
func answersAs(b *candorv1.Backend) *candorv1.Backend {
	return &candorv1.Backend{
		Model: b.GetModel(), Version: b.GetVersion(), Calibrator: b.GetCalibrator(), Card: &candorv1.ModelCard{Scores: b.GetCard().GetScores()},
	}
}

// populationDigest names what chooses the rows that a stage answers in a segment; empty: nothing does, every row is its. What the
// certificate of a tier before licenses is not part of it: the store begins the tier anew when that changes.
func populationDigest(cfg *candorv1.Config, policy *candorv1.Policy, segment string, stage int) string {
	promise := policy.GetAccept().GetPromise()
	var parts []proto.Message
	// The first that matches is the row's, so that those before it take from it.
	for _, s := range promise.GetSegments() {
		parts = append(parts, &candorv1.Segment{When: s.GetWhen()})
		if s.GetName() == segment {
			break
		}
	}
	if stage > 0 {
		parts = append(parts, &candorv1.Promise{HeldOut: promise.GetHeldOut()})
		for _, c := range policy.GetConditions() {
			parts = append(parts, &candorv1.Condition{When: c.GetWhen(), Route: c.GetRoute()})
		}
		for _, f := range router.Cascade(policy)[:stage-1] {
			if f.GetThreshold() != nil {
				parts = append(parts, f, &candorv1.Ensemble{Version: membersDigest(cfg, f.GetEnsemble())})
			}
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return shortDigest(parts...)
}

// shortDigest is 16 hex digits of the SHA-256 of messages, each with its length.
func shortDigest(parts ...proto.Message) string {
	h := sha256.New()
	for _, part := range parts {
		// Only text that isn't UTF-8 fails, which no configuration has.
		data, _ := proto.MarshalOptions{Deterministic: true}.Marshal(part)
		h.Write([]byte{byte(len(data) >> 24), byte(len(data) >> 16), byte(len(data) >> 8), byte(len(data))})
		h.Write(data)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
