package fallback

import (
	"context"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/router"
)

// Ensemble is several backends whose answers are combined, and what is asked when that makes no answer.
type Ensemble struct {
	Name, Version string
	Members       []Member
	// Quorum is the fewest members that must have a usable answer for a row; at least 1.
	Quorum int
	// Combiner makes one answer of the members'. Unspecified: no row is answered.
	Combiner candorv1.Combiner
	// Stacking is wanted by COMBINER_STACKING and for nothing else.
	Stacking *candorv1.Stacking
	// Agree is for COMBINER_AGREEMENT the fewest members that must say the same; 0: all.
	Agree int
	// Labels in the order of every member's probabilities; none for regressions.
	Labels []string
	// Method makes the combined confidence.
	Method candorv1.ConfidenceMethod
	// IntervalScale is the width, in the model's unit, that counts as knowing nothing; 0: not known. Regressions only.
	IntervalScale float64
	// Remedials are asked in order, each for the rows that still have no answer.
	Remedials []Remedial
}

// Member is a backend with the longest that the ensemble waits for it; 0: as long as the caller's deadline allows.
type Member struct {
	Backend string
	Timeout time.Duration
	// Weight in weighted combiners, at least 0; they are divided by their sum. All 0: equal weights.
	Weight float64
}

// Result is the outcome of a run.
type Result struct {
	// Evidence has one element per row asked, in order. A row that nobody could answer has faulty Evidence.
	Evidence []router.Evidence
	// AnsweredBy has, per row, the index into Stages of the stage whose answer Evidence is; -1: none.
	AnsweredBy []int
	// Stages in the order: members as configured, the ensemble itself, the remedial stages that were asked.
	Stages []Stage
}

// Run asks the members for rows, at least one, in parallel and combines row by row; the rows without an answer go to the
// remedial stages. Its latency is that of the slowest member that is still allowed to answer, plus that of the remedial stages
// that are asked. It has no error: what failed stands in the Stages, and a row without an answer has faulty Evidence. It keeps
// rows. rule may be nil where no remedial stage has one.
func (e *Ensemble) Run(ctx context.Context, rows []int, ask Ask, rule Rule) Result {
	start := time.Now()
	membersCtx, cancel := shareOfTime(ctx, memberShares, e.backendsAfter(-1))
	defer cancel()
	res := Result{Evidence: make([]router.Evidence, len(rows)), AnsweredBy: make([]int, len(rows))}
	res.Stages = e.askMembers(membersCtx, rows, ask)

	combined := Stage{Kind: candorv1.StepKind_STEP_KIND_ENSEMBLE, Name: e.Name, Version: e.Version, Rows: rows}
	combined.Evidence = make([]router.Evidence, len(rows))
	shares := e.shares()
	var missed []int
	for i := range rows {
		ev, ok := e.combine(res.Stages, i, shares)
		combined.Evidence[i], res.Evidence[i], res.AnsweredBy[i] = ev, ev, len(res.Stages)
		if !ok {
			res.AnsweredBy[i] = -1
			missed = append(missed, i)
		}
	}
	combined.Start, combined.Duration = start, time.Since(start)
	if len(missed) == len(rows) {
		combined.Failure = &Failure{
			Reason: res.Evidence[missed[0]].Faults[0], Source: candorv1.FailureSource_FAILURE_SOURCE_INFERRED,
			Detail: res.Evidence[missed[0]].Detail,
		}
	}
	res.Stages = append(res.Stages, combined)
	if len(e.Remedials) > 0 {
		e.remedy(ctx, rows, missed, ask, rule, &res)
	}
	return res
}

// shares are the members' shares of all weight, missing members included; they sum to 1.
func (e *Ensemble) shares() []float64 {
	out := make([]float64, len(e.Members))
	sum := 0.0
	switch e.Combiner {
	case candorv1.Combiner_COMBINER_WEIGHTED_MEAN, candorv1.Combiner_COMBINER_LOG_POOL, candorv1.Combiner_COMBINER_WEIGHTED_VOTE:
		for i, m := range e.Members {
			out[i] = m.Weight
			sum += m.Weight
		}
	}
	for i := range out {
		if sum > 0 {
			out[i] /= sum
		} else {
			out[i] = 1 / float64(len(out))
		}
	}
	return out
}
