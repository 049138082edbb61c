package replay

import (
	"math"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/router"
)

// Cause is why a row can't be decided again.
type Cause string

const (
	// CauseVersion: another backend, or another version of it, answered, or said how likely the answer is right.
	CauseVersion Cause = "OTHER_VERSION"
	// CauseCalibrator: the confidence passed another calibrator, or none.
	CauseCalibrator Cause = "OTHER_CALIBRATOR"
	// CauseMethod: the confidence is of another method, and the record holds no scores to make this one of.
	CauseMethod Cause = "OTHER_CONFIDENCE"
	// CauseScale: the confidence was made by numbers (interval_scale, energy_center, distance_scale) that the record doesn't hold.
	CauseScale Cause = "UNKNOWN_SCALE"
	// CauseRounding: the confidence is nearer to the threshold than the record tells.
	CauseRounding Cause = "ROUNDING"
	// CauseCondition: a condition reads what the record doesn't hold.
	CauseCondition Cause = "CONDITION"
	// CauseSegment: a segment does.
	CauseSegment Cause = "SEGMENT"
	// CauseRefused: the call was refused, and the record doesn't tell whether because of the client's own input.
	CauseRefused Cause = "REFUSED"
	// CauseFields: the model has several fields, or had when the row was recorded, and what is decided by is that of models with one.
	CauseFields Cause = "SEVERAL_FIELDS"
	// CauseRecord: the record is not one that a gateway has written.
	CauseRecord Cause = "UNREADABLE"
)

// decided is a row under the configuration that is tried.
type decided struct {
	outcome Outcome
	// by is the stage that was decided on last: 0 the primary, k tier k-1. Of Ask, the tier that would be asked.
	by       int
	decision router.Decision
	policy   router.Policy
	segment  string
	// cause and, for a condition or a segment, its name; of UNDECIDED only.
	cause  Cause
	detail string
}

// world is one of the ways in which a row may have been, as far as its record tells. What the record doesn't tell is a choice.
type world struct {
	model    *Model
	recorded *recorded
	// choices in the order in which they come up, and how many came up.
	choices []bool
	taken   int
	// held are the choices about conditions that are the same at every stage.
	held map[*rule]bool
	// stage that is decided on.
	stage int
	// unknown is the first condition that was not told.
	unknown string
	// vague is why a confidence was not told.
	vague Cause
}

// mostWorlds that are tried for a row; one that may have been in more ways is not decided.
const mostWorlds = 512

// choose answers the next choice, at first false.
func (w *world) choose() bool {
	if w.taken == len(w.choices) {
		w.choices = append(w.choices, false)
	}
	w.taken++
	return w.choices[w.taken-1]
}

// next makes the world after this one; ok is false when all have been seen.
func (w *world) next() (ok bool) {
	for len(w.choices) > 0 && w.choices[len(w.choices)-1] {
		w.choices = w.choices[:len(w.choices)-1]
	}
	if len(w.choices) == 0 {
		return false
	}
	w.choices[len(w.choices)-1] = true
	w.taken, w.stage = 0, 0
	clear(w.held)
	return true
}

// decide decides a row again.
func (m *Model) decide(r *recorded) decided {
	if len(r.says) == 0 {
		return decided{outcome: Undecided, cause: CauseRecord}
	}
	if m.several || r.row.GetField() != "" {
		return decided{outcome: Undecided, cause: CauseFields}
	}
	segment, cause := m.segmentOf(r)
	policy, ok := m.policyOf(r, segment)
	if cause == "" && !ok {
		segment, cause = "", CauseSegment
	}
	if cause != "" {
		return decided{outcome: Undecided, cause: cause, detail: segment}
	}
	primary := &r.says[0]
	if primary.name != m.primary.name || primary.version != m.primary.version {
		return decided{outcome: Undecided, cause: CauseVersion, policy: policy, segment: segment}
	}
	if r.refused && (len(policy.Tiers) > 0 || policy.HasReview) {
		if r.was == nil || string(r.was.digest) != string(m.Digest) {
			return decided{outcome: Undecided, cause: CauseRefused, policy: policy, segment: segment}
		}
		// The same policy had somebody to ask, and still nobody was: it was the client's own input.
		return decided{outcome: Reject, policy: policy, segment: segment, decision: router.Decision{Route: candorv1.Route_ROUTE_REJECT, Reasons: r.row.GetReasons(), Ask: router.NoTier}}
	}
	if r.alone() {
		policy.Tiers = nil
	}
	return m.inAllWorlds(r, policy, segment)
}

// alone says that the call was one of a sequence, which nobody but the primary is asked about.
func (r *recorded) alone() bool {
	return r.was != nil && len(r.was.tiers) > 0 && len(r.says) == 1 && r.prediction.GetMode() == candorv1.Mode_MODE_ENFORCE &&
		r.row.GetCondition() == "" && r.row.GetLimit() == "" && (r.outcome == Defer || r.outcome == Reject) && !r.refused &&
		!r.has(candorv1.Reason_REASON_CERTIFICATE_STALE)
}

func (r *recorded) has(reason candorv1.Reason) bool {
	for _, why := range r.row.GetReasons() {
		if why == reason {
			return true
		}
	}
	return false
}

// inAllWorlds decides the row in every way in which it may have been. Where all agree, that is the decision.
func (m *Model) inAllWorlds(r *recorded, policy router.Policy, segment string) decided {
	w := &world{model: m, recorded: r}
	first := w.decide(policy)
	first.policy, first.segment = policy, segment
	for n := 1; w.next(); n++ {
		if n < mostWorlds && w.decide(policy).outcome == first.outcome {
			continue
		}
		out := decided{outcome: Undecided, policy: policy, segment: segment, cause: w.vague, decision: first.decision}
		if out.cause == "" {
			out.cause, out.detail = CauseCondition, w.unknown
		}
		return out
	}
	return first
}

// decide runs the row through the policy, stage after stage, as a gateway does.
func (w *world) decide(p router.Policy) decided {
	r := w.recorded
	ev := w.evidence(0, p.Primary)
	d := router.Apply(p, router.Decide(p, ev), &ev, w)
	for d.Ask != router.NoTier {
		k := d.Ask
		if k+1 >= len(r.says) || !w.model.isTier(k, &r.says[k+1]) {
			return decided{outcome: Ask, by: k + 1, decision: d}
		}
		w.stage = k + 1
		ev = w.evidence(k+1, p.Tiers[k])
		d = router.Apply(p, router.DecideTier(p, d, ev), &ev, w)
	}
	return decided{outcome: outcomeOf(d.Route), by: w.stage, decision: d}
}

// isTier says whether what a tier said is what the k-th tier of the configuration would have said.
func (m *Model) isTier(k int, s *said) bool {
	if k >= len(m.tiers) || m.tiers[k].name != s.name || m.tiers[k].version != s.version {
		return false
	}
	for _, was := range s.members {
		known := false
		for _, is := range m.tiers[k].members {
			// A stage that failed has no calibrator to tell of.
			known = known || is.name == was.name && is.version == was.version && (is.calibrator == was.calibrator || was.calibrator == "")
		}
		if !known {
			return false
		}
	}
	return true
}

// evidence is a stage's Evidence in this world, to be held against a license.
func (w *world) evidence(stage int, l router.License) router.Evidence {
	s := &w.recorded.says[stage]
	ev := s.evidence
	if len(ev.Faults) > 0 || ev.Unconditional {
		return ev
	}
	cause := w.model.comparable(w.recorded, stage, l.Method)
	if cause == "" && s.ppm == nil {
		return ev
	}
	ev.Confidence = fromPPM(s.ppm)
	if l.Threshold == nil {
		if ev.Confidence == nil {
			ev.Confidence = new(float64)
		}
		return ev
	}
	t := *l.Threshold
	above := s.ppm != nil && float64(*s.ppm) > t*million+halfPPM
	below := s.ppm != nil && float64(*s.ppm) < t*million-halfPPM
	switch {
	case cause != "":
	case above || below:
		return ev
	case s.threshold != nil && s.covered != nil && *s.threshold == toPPM(t):
		ev.Confidence = at(t, *s.covered)
		return ev
	default:
		cause = CauseRounding
	}
	if w.vague == "" {
		w.vague = cause
	}
	ev.Confidence = at(t, w.choose())
	return ev
}

// at is a confidence that passes a threshold, or one that doesn't.
func at(threshold float64, passes bool) *float64 {
	if !passes {
		threshold = math.Nextafter(threshold, math.Inf(-1))
	}
	return &threshold
}

// comparable says why a stage's recorded confidence is not the one that a threshold of this method is about; empty: it is.
func (m *Model) comparable(r *recorded, stage int, method candorv1.ConfidenceMethod) Cause {
	s := &r.says[stage]
	was := s.method
	if stage > 0 && was == candorv1.ConfidenceMethod_CONFIDENCE_METHOD_UNSPECIFIED && r.was != nil && stage <= len(r.was.tiers) {
		was = r.was.tiers[stage-1]
	}
	if was != method {
		return CauseMethod
	}
	if stage == 0 && s.calibrator != m.primary.calibrator {
		return CauseCalibrator
	}
	switch method {
	case candorv1.ConfidenceMethod_CONFIDENCE_METHOD_META:
		if len(s.members) != 1 || s.members[0].name != m.meta.name || s.members[0].version != m.meta.version {
			return CauseVersion
		}
		if s.members[0].calibrator != m.meta.calibrator && s.ppm != nil {
			return CauseCalibrator
		}
	case candorv1.ConfidenceMethod_CONFIDENCE_METHOD_INTERVAL_WIDTH, candorv1.ConfidenceMethod_CONFIDENCE_METHOD_ENERGY,
		candorv1.ConfidenceMethod_CONFIDENCE_METHOD_DISTANCE, candorv1.ConfidenceMethod_CONFIDENCE_METHOD_SPREAD:
		for _, p := range m.Policies {
			if r.was == nil || r.was.scale != p.Scale {
				return CauseScale
			}
		}
	}
	return ""
}

const (
	million = 1e6
	// halfPPM is what rounding may have changed, and a little for the arithmetic of binary numbers.
	halfPPM = 0.5 + 1e-6
)

func toPPM(v float64) uint32 { return uint32(math.Round(min(max(v, 0), 1) * million)) }

func fromPPM(v *uint32) *float64 {
	if v == nil {
		return nil
	}
	out := float64(*v) / million
	return &out
}
