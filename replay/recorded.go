package replay

import (
	"slices"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/router"
)

// Outcome is what becomes of a row, limits aside.
type Outcome string

const (
	Accept   Outcome = "ACCEPT"
	Fallback Outcome = "FALLBACK"
	Defer    Outcome = "DEFER"
	Reject   Outcome = "REJECT"
	// Ask sends the row to a fallback whose answer nobody knows, because it wasn't asked.
	Ask Outcome = "ASK"
	// Undecided rows can't be decided again.
	Undecided Outcome = "UNDECIDED"
)

func outcomeOf(r candorv1.Route) Outcome {
	switch r {
	case candorv1.Route_ROUTE_ACCEPT:
		return Accept
	case candorv1.Route_ROUTE_FALLBACK:
		return Fallback
	case candorv1.Route_ROUTE_DEFER:
		return Defer
	case candorv1.Route_ROUTE_REJECT:
		return Reject
	}
	return Undecided
}

// recorded is a row as a record tells it.
type recorded struct {
	prediction *candorv1.PredictionRecord
	row        *candorv1.RowRecord
	index      int
	timeUS     int64
	// says of the primary, and of every tier that was asked about the row, in order.
	says []said
	// route before limits.
	route   candorv1.Route
	outcome Outcome
	// refused: the call ended in an error that no stage could mend.
	refused bool
	was     *Was
}

// said is what a stage said of a row.
type said struct {
	stage
	members  []stage
	evidence router.Evidence
	// ppm is the confidence in parts per million; nil: none.
	ppm *uint32
	// threshold that it was compared with, parts per million; nil: none, or it isn't recorded.
	threshold *uint32
	// covered says how the comparison ended; nil: the record doesn't tell.
	covered *bool
	// method made the confidence; unspecified: the record doesn't tell.
	method candorv1.ConfidenceMethod
	raw    *uint32
	// vague: which faults is not told.
	vague bool
}

// faults are reasons why an answer can't be used.
var faults = []candorv1.Reason{
	candorv1.Reason_REASON_CONTRACT_FAILURE, candorv1.Reason_REASON_BACKEND_FAILURE, candorv1.Reason_REASON_BREAKER_OPEN,
	candorv1.Reason_REASON_DEADLINE, candorv1.Reason_REASON_OVERLOAD, candorv1.Reason_REASON_ABSTAINED,
}

// ofTiers are reasons that only a tier has.
var ofTiers = []candorv1.Reason{
	candorv1.Reason_REASON_QUORUM_MISSED, candorv1.Reason_REASON_MEMBER_MISSING, candorv1.Reason_REASON_REMEDIAL,
	candorv1.Reason_REASON_FALLBACK_EXHAUSTED, candorv1.Reason_REASON_DISAGREEMENT,
}

// policyDefault is the stage that stands for an answer that a policy states; see gateway.
const policyDefault = "policy/default"

// read makes sense of row i of a record.
func read(timeUS int64, p *candorv1.PredictionRecord, i int, was *Was) *recorded {
	r := &recorded{prediction: p, row: p.GetRows()[i], index: i, timeUS: timeUS, was: was}
	if len(p.GetStages()) == 0 {
		r.outcome = Undecided
		return r
	}
	r.says = append(r.says, r.primary())
	spare := r.spare()
	if !spare {
		r.readTiers()
	}
	last := &r.says[len(r.says)-1]
	last.threshold, last.raw = r.row.ThresholdPpm, r.row.RawConfidencePpm
	if last.method = r.row.GetConfidenceMethod(); last.method == candorv1.ConfidenceMethod_CONFIDENCE_METHOD_UNSPECIFIED {
		last.method = p.GetConfidenceMethod()
	}
	if spare {
		last.threshold, last.raw, last.method = r.row.PrimaryThresholdPpm, nil, r.prediction.GetConfidenceMethod()
	} else if len(r.says) == 1 {
		last.ppm = r.row.ConfidencePpm
	} else {
		r.says[0].threshold = r.row.PrimaryThresholdPpm
		last.covered = r.coveredByTier(last)
	}
	r.route = r.beforeLimits()
	if r.outcome = outcomeOf(r.route); r.outcome == Fallback && len(r.says) == 1 {
		r.outcome = Ask
	}
	reasons := r.row.GetReasons()
	r.refused = r.route == candorv1.Route_ROUTE_REJECT && len(r.says) == 1 && len(r.says[0].evidence.Faults) > 0 &&
		r.row.GetCondition() == "" && !slices.Contains(reasons, candorv1.Reason_REASON_NO_REVIEW)
	return r
}

func (r *recorded) primary() said {
	s := r.prediction.GetStages()[0]
	out := said{stage: stage{s.GetStage(), s.GetVersion(), s.GetCalibrator()}, method: r.prediction.GetConfidenceMethod()}
	out.evidence = router.Evidence{Stage: s.GetStage(), Top: -1, Label: r.row.GetLabel(), Value: r.row.Value}
	reasons := r.row.GetReasons()
	if s.GetFailure() != candorv1.Reason_REASON_UNSPECIFIED {
		out.evidence.Faults = []candorv1.Reason{s.GetFailure()}
	} else if len(reasons) > 0 && slices.Contains(faults, reasons[0]) {
		out.evidence.Faults = reasons[:1]
		for len(out.evidence.Faults) < len(reasons) && slices.Contains(faults, reasons[len(out.evidence.Faults)]) {
			out.evidence.Faults = reasons[:len(out.evidence.Faults)+1]
		}
	}
	covered := len(reasons) > 0 && reasons[0] == candorv1.Reason_REASON_CONFIDENT
	out.covered = &covered
	if a := r.answer(0); a != nil {
		out.evidence.Label, out.evidence.Value, out.ppm = a.GetLabel(), a.Value, a.ConfidencePpm
	}
	return out
}

func (r *recorded) answer(stage int) *candorv1.RowAnswer {
	for _, a := range r.row.GetAnswers() {
		if int(a.GetStage()) == stage {
			return a
		}
	}
	return nil
}

// readTiers reads the tiers that were asked about the row. A tier's stages stand together: members, the ensemble, remedial stages.
func (r *recorded) readTiers() {
	stages := r.prediction.GetStages()
	var members []stage
	begin := 1
	for i := 1; i < len(stages); i++ {
		s := stages[i]
		switch s.GetKind() {
		case candorv1.StepKind_STEP_KIND_META:
			r.says[0].members = []stage{{s.GetStage(), s.GetVersion(), s.GetCalibrator()}}
			begin = i + 1
			continue
		case candorv1.StepKind_STEP_KIND_MEMBER:
			members = append(members, stage{s.GetStage(), s.GetVersion(), s.GetCalibrator()})
			continue
		case candorv1.StepKind_STEP_KIND_ENSEMBLE:
		default:
			continue
		}
		end := i + 1
		for end < len(stages) && speaks(stages[end]) {
			if stages[end].GetKind() == candorv1.StepKind_STEP_KIND_REMEDIAL {
				members = append(members, stage{stages[end].GetStage(), stages[end].GetVersion(), stages[end].GetCalibrator()})
			}
			end++
		}
		if !r.wasAsked(begin, i, end) {
			return
		}
		r.says = append(r.says, r.tier(members, i, end))
		members, begin = nil, end
	}
}

// speaks says that a stage behind an ensemble answers for it.
func speaks(s *candorv1.StageRecord) bool {
	switch s.GetKind() {
	case candorv1.StepKind_STEP_KIND_REMEDIAL, candorv1.StepKind_STEP_KIND_RULE, candorv1.StepKind_STEP_KIND_CONSTANT:
		return s.GetStage() != policyDefault
	}
	return false
}

// wasAsked says whether the row was among those that the tier of these stages was asked about.
func (r *recorded) wasAsked(begin, ensemble, end int) bool {
	if int(r.prediction.GetStages()[ensemble].GetRows()) == len(r.prediction.GetRows()) {
		return true
	}
	for i := begin; i < end; i++ {
		if r.answer(i) != nil {
			return true
		}
	}
	before := &r.says[len(r.says)-1]
	switch {
	// The row's confidence is that of the stage that was decided on last.
	case (before.ppm == nil) != (r.row.ConfidencePpm == nil) || before.ppm != nil && *before.ppm != r.row.GetConfidencePpm():
		return len(r.row.GetAnswers()) > 0 || len(before.evidence.Faults) > 0
	case len(r.says) > 1:
		// A tier that couldn't answer is followed by the next, unless a condition ended it.
		return len(before.evidence.Faults) > 0 && (r.row.GetCondition() == "" || r.raisedToFallback())
	}
	return r.row.PrimaryThresholdPpm != nil || slices.ContainsFunc(r.row.GetReasons(), func(why candorv1.Reason) bool { return slices.Contains(ofTiers, why) })
}

// raisedToFallback says that the last condition to have raised the route is known to have asked for the fallback.
func (r *recorded) raisedToFallback() bool {
	return r.was != nil && slices.ContainsFunc(r.was.conditions, func(c rule) bool {
		return c.name == r.row.GetCondition() && c.route == candorv1.Route_ROUTE_FALLBACK
	})
}

// tier is what the ensemble at a stage, or the remedial stage behind it up to end, said.
func (r *recorded) tier(members []stage, ensemble, end int) said {
	s := r.prediction.GetStages()[ensemble]
	out := said{stage: stage{name: s.GetStage(), version: s.GetVersion()}, members: members}
	out.evidence = router.Failed(s.GetStage(), candorv1.Reason_REASON_QUORUM_MISSED, "")
	out.vague = true
	for i := ensemble; i < end; i++ {
		a := r.answer(i)
		if a == nil {
			continue
		}
		by := r.prediction.GetStages()[i]
		out.vague, out.ppm = false, a.ConfidencePpm
		out.evidence = router.Evidence{Stage: by.GetStage(), Top: -1, Label: a.GetLabel(), Value: a.Value}
		switch by.GetKind() {
		case candorv1.StepKind_STEP_KIND_CONSTANT, candorv1.StepKind_STEP_KIND_RULE:
			out.evidence.Unconditional = true
		}
	}
	return out
}

// coveredByTier says whether the last tier's answer was good enough; nil: the record doesn't tell.
func (r *recorded) coveredByTier(last *said) *bool {
	var covered bool
	switch {
	case len(last.evidence.Faults) > 0:
	case last.evidence.Unconditional:
		covered = true
	case r.row.GetCondition() != "" || r.row.GetLimit() != "":
		return nil
	default:
		covered = r.row.GetRoute() == candorv1.Route_ROUTE_FALLBACK && !r.shed()
	}
	return &covered
}

// shed says that the row was deferred, and took the fallback because nobody had time for it.
func (r *recorded) shed() bool {
	return slices.Contains(r.row.GetReasons(), candorv1.Reason_REASON_REVIEW_CAPACITY)
}

// spare says that a tier was asked only because nobody had time for the row: what it said was compared with nothing.
func (r *recorded) spare() bool {
	return r.shed() && r.row.ThresholdPpm == nil && r.row.PrimaryThresholdPpm != nil
}

// beforeLimits is the route that the row had before a limit held it, or its queue let it go.
func (r *recorded) beforeLimits() candorv1.Route {
	route := r.row.GetRoute()
	if r.shed() {
		return candorv1.Route_ROUTE_DEFER // Whether people have time for it is no matter of the policy.
	}
	if r.row.GetLimit() == "" || r.row.GetCondition() != "" {
		return route
	}
	last := &r.says[len(r.says)-1]
	switch {
	case len(r.says) == 1 && *last.covered:
		return candorv1.Route_ROUTE_ACCEPT
	case len(r.says) == 1:
		return route
	case last.evidence.Unconditional, last.ppm != nil && last.threshold != nil && *last.ppm > *last.threshold:
		return candorv1.Route_ROUTE_FALLBACK
	}
	return route
}
