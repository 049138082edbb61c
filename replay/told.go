package replay

import (
	"slices"
	"strings"
	"time"

	"github.com/candor-gateway/candor/condition"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// holds says whether a condition holds for the Evidence of the stage that is decided on: as it computes from the record, as the record
// tells it, or as this world has it.
func (w *world) holds(i int) (bool, error) {
	c := &w.model.conditions[i]
	if holds, ok, err := w.compute(c); ok {
		return holds, err
	}
	if holds, ok := w.told(c); ok {
		return holds, nil
	}
	if w.unknown == "" {
		w.unknown = c.name
	}
	if c.program.ReadsEvidence() {
		return w.choose(), nil
	}
	held, ok := w.held[c]
	if !ok {
		held = w.choose()
		if w.held == nil {
			w.held = map[*rule]bool{}
		}
		w.held[c] = held
	}
	return held, nil
}

// compute evaluates a condition that reads only what the record holds; ok is false when it doesn't, or when rounding might matter.
func (w *world) compute(c *rule) (holds, ok bool, err error) {
	r, s := w.recorded, &w.recorded.says[w.stage]
	if c.program.ReadsParams() {
		return false, false, nil
	}
	rounded := false
	for _, field := range c.program.EvidenceFields() {
		known := true
		switch field {
		case "stage", "label", "value":
		case "score_kind":
			known = w.stage == 0
		case "faults":
			known = !s.vague
		case "confidence", "raw_confidence":
			known = w.stage == 0 && w.model.comparable(r, 0, w.method()) == "" || w.stage > 0 && s.method != candorv1.ConfidenceMethod_CONFIDENCE_METHOD_UNSPECIFIED
			if field == "raw_confidence" {
				known = known && (w.stage == len(r.says)-1 || s.calibrator == "" && w.stage == 0)
			}
			rounded = true
		default:
			// Of an answer that can't be used nothing but its faults is shown.
			known = len(s.evidence.Faults) > 0
		}
		if !known {
			return false, false, nil
		}
	}
	vars := w.vars()
	holds, err = c.program.Bool(vars)
	if !rounded {
		return holds, true, err
	}
	for _, off := range []float64{-halfPPM / million, halfPPM / million} {
		vars.Evidence.Set(w.shown(off))
		other, otherErr := c.program.Bool(vars)
		if other != holds || (otherErr == nil) != (err == nil) {
			return false, false, nil
		}
	}
	return holds, true, err
}

// method is the one that the primary's confidence has under the configuration that is tried.
func (w *world) method() candorv1.ConfidenceMethod {
	for _, p := range w.model.Policies {
		return p.Method
	}
	return candorv1.ConfidenceMethod_CONFIDENCE_METHOD_UNSPECIFIED
}

func (w *world) vars() *condition.Vars {
	e := w.shown(0)
	return w.model.callVars(w.recorded, &e)
}

// callVars are what expressions may see of a call.
func (m *Model) callVars(r *recorded, e *condition.Evidence) *condition.Vars {
	card := m.card
	card.Age = time.UnixMicro(r.timeUS).Sub(card.Created)
	return &condition.Vars{Evidence: e, Card: &card, Consumer: r.prediction.GetConsumer(), Model: m.Name, Row: r.index}
}

// shown is a stage's Evidence as conditions see it, its confidences moved by off, within [0,1].
func (w *world) shown(off float64) condition.Evidence {
	s := &w.recorded.says[w.stage]
	out := condition.Evidence{Stage: s.evidence.Stage, ScoreKind: w.model.kind}
	if len(s.evidence.Faults) > 0 {
		for _, f := range s.evidence.Faults {
			out.Faults = append(out.Faults, strings.TrimPrefix(f.String(), "REASON_"))
		}
		return out
	}
	out.Label, out.Value = s.evidence.Label, s.evidence.Value
	move := func(ppm *uint32) *float64 {
		v := fromPPM(ppm)
		if v != nil {
			*v = min(max(*v+off, 0), 1)
		}
		return v
	}
	out.Confidence, out.RawConfidence = move(s.ppm), move(s.raw)
	return out
}

// told says what the record tells of a condition: that it raised the route; or that it didn't, where it would have. It needs to be
// known that the policy had the condition then.
func (w *world) told(c *rule) (holds, ok bool) {
	r := w.recorded
	if r.was == nil || !slices.ContainsFunc(r.was.conditions, c.same) {
		return false, false
	}
	if r.row.GetLimit() != "" && (r.row.GetCondition() != "" || r.route != candorv1.Route_ROUTE_ACCEPT && r.route != candorv1.Route_ROUTE_FALLBACK) {
		// What was decided before the limit held it isn't certain.
		return false, false
	}
	ofCall := !c.program.ReadsEvidence()
	for stage := range r.says {
		if (stage == w.stage || ofCall) && r.wouldRaise(c, stage, ofCall) {
			return false, true
		}
	}
	held := r.row.GetCondition() == c.name && (ofCall || r.heldAt(c, w.stage))
	return held, held
}

// heldAt says whether a condition that the record names as the last to have raised the route must have held for this stage's answer.
func (r *recorded) heldAt(c *rule, stage int) bool {
	last := len(r.says) - 1
	switch {
	case last == 0, stage == last && c.route != candorv1.Route_ROUTE_FALLBACK:
		// What it raises to anything else than FALLBACK is asked about no further.
		return true
	case stage > 0 || c.route != candorv1.Route_ROUTE_FALLBACK || r.says[0].covered == nil || !*r.says[0].covered:
		return false
	}
	// The primary was sure, and still a tier was asked. With another such condition it may have been that one.
	others := 0
	for _, other := range r.was.conditions {
		others += int(one(other.route == candorv1.Route_ROUTE_FALLBACK))
	}
	return others == 1
}

// wouldRaise says whether a condition that held would have made what was decided after a stage more cautious; see router.Condition.
func (r *recorded) wouldRaise(c *rule, stage int, ofCall bool) bool {
	route, released := candorv1.Route_ROUTE_FALLBACK, false
	if stage == len(r.says)-1 {
		route = r.route
		released = stage > 0 && route == candorv1.Route_ROUTE_FALLBACK
	}
	if c.route == candorv1.Route_ROUTE_FALLBACK {
		return route == candorv1.Route_ROUTE_ACCEPT || released && !ofCall
	}
	return route != candorv1.Route_ROUTE_UNSPECIFIED && c.route > route
}

// segmentOf answers the segment that the row is in under the configuration that is tried. With a cause it is the name of the one
// that can't be told.
func (m *Model) segmentOf(r *recorded) (string, Cause) {
	if len(m.segments) == 0 {
		return "", ""
	}
	if r.was != nil && slices.EqualFunc(r.was.segments, m.segments, rule.same) {
		if s := r.row.GetSegment(); s != "" {
			return s, ""
		}
		return Rest, ""
	}
	vars := m.callVars(r, nil)
	for i := range m.segments {
		s := &m.segments[i]
		if s.program.ReadsParams() {
			return s.name, CauseSegment
		}
		switch in, err := s.program.Bool(vars); {
		case err != nil:
			return Rest, ""
		case in:
			return s.name, ""
		}
	}
	return Rest, ""
}
