package fallback

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/router"
)

// Remedial is a stage behind the members: a backend, or what a person declared (a rule, a label, a value). The first of these
// that is set is what it is. Rules and constants claim no confidence: their Evidence is Unconditional.
type Remedial struct {
	Backend string
	// Rule is its source, handed to the caller's [Rule].
	Rule          string
	ConstantLabel string
	ConstantValue *float64
}

// stageName names the k-th remedial stage in the record.
func (e *Ensemble) stageName(k int) string {
	r := &e.Remedials[k]
	switch {
	case r.Backend != "":
		return r.Backend
	case r.Rule == "":
		return e.Name + "/constant"
	}
	name, rules := e.Name+"/rule", 0
	for _, before := range e.Remedials[:k] {
		if before.Rule != "" {
			rules++
		}
	}
	if rules > 0 {
		name += strconv.Itoa(rules + 1)
	}
	return name
}

// SpeaksAs says whether a stage of this name answers for the ensemble as a whole: itself, or a remedial stage. A member that
// is no remedial stage answers for itself alone.
func (e *Ensemble) SpeaksAs(stage string) bool {
	if stage == e.Name {
		return true
	}
	for k := range e.Remedials {
		if e.stageName(k) == stage {
			return true
		}
	}
	return false
}

// backendsAfter counts the remedial backends behind the k-th remedial stage; k is -1 for the members.
func (e *Ensemble) backendsAfter(k int) int {
	n := 0
	for _, r := range e.Remedials[k+1:] {
		if r.Backend != "" {
			n++
		}
	}
	return n
}

// remedy asks the remedial stages in order for the rows at positions missed, each in one sub-batch.
func (e *Ensemble) remedy(ctx context.Context, rows, missed []int, ask Ask, rule Rule, res *Result) {
	for k := range e.Remedials {
		if len(missed) == 0 {
			return
		}
		asked := make([]int, len(missed))
		for j, i := range missed {
			asked[j] = rows[i]
		}
		stage := e.askRemedial(ctx, k, asked, ask, rule)
		var open []int
		for j, i := range missed {
			if stage.Failure != nil || len(stage.Evidence[j].Faults) > 0 {
				open = append(open, i)
				continue
			}
			ev := stage.Evidence[j]
			// Why the members had no answer, and what the backend itself has to say.
			ev.Notes = slices.Concat(res.Evidence[i].Faults, []candorv1.Reason{candorv1.Reason_REASON_REMEDIAL}, ev.Notes)
			res.Evidence[i], res.AnsweredBy[i] = ev, len(res.Stages)
		}
		res.Stages = append(res.Stages, stage)
		missed = open
	}
	for _, i := range missed {
		res.Evidence[i].Notes = append(slices.Clone(res.Evidence[i].Notes), candorv1.Reason_REASON_FALLBACK_EXHAUSTED)
	}
}

// askRemedial asks the k-th remedial stage for rows.
func (e *Ensemble) askRemedial(ctx context.Context, k int, rows []int, ask Ask, rule Rule) Stage {
	start, r := time.Now(), &e.Remedials[k]
	if r.Backend != "" {
		ctx, cancel := shareOfTime(ctx, 1, e.backendsAfter(k))
		defer cancel()
		return begin(ctx, candorv1.StepKind_STEP_KIND_REMEDIAL, r.Backend, rows, ask)()
	}
	stage := Stage{Kind: candorv1.StepKind_STEP_KIND_CONSTANT, Name: e.stageName(k), Version: e.Version, Rows: rows}
	if r.Rule != "" {
		stage.Kind = candorv1.StepKind_STEP_KIND_RULE
	}
	for _, row := range rows {
		stage.Evidence = append(stage.Evidence, e.declared(stage.Name, r, row, rule))
	}
	stage.Start, stage.Duration = start, time.Since(start)
	return stage
}

// declared is the Evidence of what a person declared for this row.
func (e *Ensemble) declared(stage string, r *Remedial, row int, rule Rule) router.Evidence {
	if r.Rule == "" && r.ConstantLabel == "" {
		if r.ConstantValue == nil {
			return router.Failed(stage, candorv1.Reason_REASON_CONTRACT_FAILURE, "nothing is declared")
		}
		v := *r.ConstantValue
		return router.Evidence{Stage: stage, Kind: candorv1.ScoreKind_SCORE_KIND_REGRESSION, Value: &v, Top: -1, Unconditional: true}
	}
	label := r.ConstantLabel
	if r.Rule != "" {
		if rule == nil {
			return router.Failed(stage, candorv1.Reason_REASON_CONTRACT_FAILURE, "nobody can compute the rule")
		}
		var err error
		label, err = rule(r.Rule, row)
		switch {
		case err != nil:
			return router.Failed(stage, candorv1.Reason_REASON_CONTRACT_FAILURE, "the rule: "+err.Error())
		case label == "":
			return router.Failed(stage, candorv1.Reason_REASON_ABSTAINED, "the rule abstains")
		}
	}
	top := slices.Index(e.Labels, label)
	if top < 0 && r.Rule != "" {
		return router.Failed(stage, candorv1.Reason_REASON_CONTRACT_FAILURE, fmt.Sprintf("the rule answers %.64q, which is none of the labels", label))
	}
	return router.Evidence{Stage: stage, Label: label, Labels: e.Labels, Top: top, Unconditional: true}
}
