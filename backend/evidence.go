package backend

import (
	"fmt"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
	"github.com/candor-gateway/candor/router"
)

// Reading is how the scores of a field are read: what the policy says, beside the card.
type Reading struct {
	Method candorv1.ConfidenceMethod
	Scale  router.Scale
	// Calibrator of the backend's class probabilities; nil: none.
	Calibrator router.Calibrator
}

// Evidence holds an answer against the card and reads its scores: one Evidence per row and field, in order: all fields of the first
// row, then those of the next. Only the tensors of the scores and of abstention are decoded. rows is what Rows said about the
// request; how has a Reading for each of Fields.
//
// An answer as a whole is unusable when these tensors are missing, or when any tensor that the card declares has
// another datatype, shape or number of rows than declared: then every row's Evidence is faulty. A number that can't be (NaN,
// a probability of 1.7) makes its own row's field faulty, and only that. A row for which the model abstains is faulty too, in every
// field, but no fault of the model: it doesn't count in the Verdict.
//
// The response must have passed its own Validate, as it has in the check that Infer calls. room is where the Evidence goes if it
// is large enough; nil: into new memory.
func (c *Card) Evidence(room []router.Evidence, stage string, resp *wire.Response, rows int, how ...Reading) ([]router.Evidence, Verdict) {
	fields := len(c.fields)
	evidence, cells := room, max(rows, 0)*fields
	if len(room) < cells {
		evidence = make([]router.Evidence, cells)
	}
	evidence = evidence[:cells]
	unusable := func(problem string) ([]router.Evidence, Verdict) {
		for i := range evidence {
			evidence[i] = router.Failed(stage, candorv1.Reason_REASON_CONTRACT_FAILURE, problem)
		}
		return evidence, Verdict{Unusable: problem}
	}
	if len(how) != fields {
		return unusable(fmt.Sprintf("%d ways to read the scores of %d fields", len(how), fields))
	}
	if problem := c.misfit(resp, rows); problem != "" {
		return unusable(problem)
	}
	abstain, problem := c.decodeAbstain(resp, rows)
	if problem != "" {
		return unusable(problem)
	}
	var verdict Verdict
	for k := range fields {
		columns := columns{abstain: abstain}
		in := router.Scores{Stage: stage, Method: how[k].Method, Scale: how[k].Scale, Calibrator: how[k].Calibrator}
		if k < len(c.scores) {
			s := &c.scores[k]
			if problem := s.decode(resp, rows, &columns); problem != "" {
				return unusable(problem)
			}
			in.Kind, in.Labels, in.SumTolerance = s.kind, s.labels, s.sumTolerance
			in.Min, in.Max, in.Coverage = s.min, s.max, s.coverage
		}
		for i := range rows {
			e := &evidence[i*fields+k]
			bad, where := columns.into(&in, i), c.abstain
			if bad == "" {
				router.ScoreInto(e, &in)
				where = c.fields[k].Output
			} else {
				*e = router.Failed(stage, candorv1.Reason_REASON_CONTRACT_FAILURE, bad)
			}
			if len(e.Faults) > 0 && e.Faults[0] != candorv1.Reason_REASON_ABSTAINED {
				if verdict.BadRows == 0 {
					verdict.Detail = fmt.Sprintf("row %d of %q: %s", i, where, e.Detail)
				}
				verdict.BadRows++
			}
		}
	}
	return evidence, verdict
}

// misfit says what in an answer isn't as the card declares it; empty: nothing. A client may have asked for some outputs only,
// so the score's tensors alone must be there; tensors that the card doesn't declare are left to the gateway.
func (c *Card) misfit(resp *wire.Response, rows int) string {
	if rows < 1 {
		return fmt.Sprintf("an answer for %d rows can't be read", rows)
	}
	for i := range resp.Outputs {
		out := &resp.Outputs[i]
		spec := find(c.outputs, out.Name)
		if spec == nil {
			continue
		}
		if out.Datatype != spec.datatype {
			return fmt.Sprintf("output %q is %s, the card says %v", out.Name, out.DatatypeName, spec.datatype)
		}
		if problem := spec.misfit(out.Shape); problem != "" {
			return fmt.Sprintf("output %q: %s", out.Name, problem)
		}
		if spec.perRow && out.Shape[0] != int64(rows) {
			return fmt.Sprintf("output %q has %d rows, the request had %d", out.Name, out.Shape[0], rows)
		}
	}
	for _, name := range c.ScoreOutputs() {
		if resp.Output(name) == nil {
			if name == c.abstain {
				return fmt.Sprintf("output %q, which says where the model abstains, is missing", name)
			}
			return fmt.Sprintf("output %q, which holds the score, is missing", name)
		}
	}
	return ""
}
