package backend

import (
	"fmt"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
	"github.com/candor-gateway/candor/router"
)

// Evidence holds an answer against the card and reads its scores: one Evidence per row, in order. Only the score's tensors
// are decoded. rows is what Rows said about the request; intervalScale is the policy's, for CONFIDENCE_METHOD_INTERVAL_WIDTH.
//
// An answer as a whole is unusable when the tensors of the score are missing, or when any tensor that the card declares has
// another datatype, shape or number of rows than declared: then every row's Evidence is faulty. A number that can't be (NaN,
// a probability of 1.7) makes its own row faulty, and only that.
//
// The response must have passed its own Validate, as it has in the check that Infer calls. room is where the Evidence goes if it
// is large enough; nil: into new memory.
func (c *Card) Evidence(room []router.Evidence, stage string, resp *wire.Response, rows int, method candorv1.ConfidenceMethod, intervalScale float64) ([]router.Evidence, Verdict) {
	evidence := room
	if len(room) < rows || rows < 0 {
		evidence = make([]router.Evidence, max(rows, 0))
	}
	evidence = evidence[:max(rows, 0)]
	unusable := func(problem string) ([]router.Evidence, Verdict) {
		for i := range evidence {
			evidence[i] = router.Failed(stage, candorv1.Reason_REASON_CONTRACT_FAILURE, problem)
		}
		return evidence, Verdict{Unusable: problem}
	}
	if problem := c.misfit(resp, rows); problem != "" {
		return unusable(problem)
	}
	in := router.Scores{Stage: stage, Method: method, IntervalScale: intervalScale}
	if c.score == nil {
		for i := range evidence {
			evidence[i] = router.Score(in)
		}
		return evidence, Verdict{}
	}
	in.Kind, in.Labels, in.SumTolerance, in.Min, in.Max = c.score.kind, c.score.labels, c.score.sumTolerance, c.score.min, c.score.max

	scores, problem := c.decode(resp, rows)
	if problem != "" {
		return unusable(problem)
	}
	var verdict Verdict
	for i := range evidence {
		in.Values = scores.value.row(i)
		if scores.lower.per > 0 {
			in.Lower, in.Upper = &scores.lower.row(i)[0], &scores.upper.row(i)[0]
		}
		evidence[i] = router.Score(in)
		if len(evidence[i].Faults) > 0 {
			if verdict.BadRows == 0 {
				verdict.Detail = fmt.Sprintf("row %d of %q: %s", i, c.score.output, evidence[i].Detail)
			}
			verdict.BadRows++
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
			return fmt.Sprintf("output %q, which holds the score, is missing", name)
		}
	}
	return ""
}

// column holds the numbers of one tensor, per of them for each row.
type column struct {
	numbers []float64
	per     int
}

func (c column) row(i int) []float64 {
	return c.numbers[i*c.per : (i+1)*c.per : (i+1)*c.per]
}

// scoreColumns are the tensors of a score; lower and upper are empty without an interval.
type scoreColumns struct{ value, lower, upper column }

// decode reads the score's tensors; problem says why that can't be done.
func (c *Card) decode(resp *wire.Response, rows int) (s scoreColumns, problem string) {
	if s.value, problem = readColumn(resp, c.score.output, rows); problem != "" {
		return s, problem
	}
	one := s.value.per == 1
	switch labels := len(c.score.labels); {
	case c.score.kind == candorv1.ScoreKind_SCORE_KIND_REGRESSION:
		if !one {
			return s, fmt.Sprintf("output %q has %d numbers per row, a regression has one", c.score.output, s.value.per)
		}
	case s.value.per != labels && !(one && labels == 2):
		return s, fmt.Sprintf("output %q has %d numbers per row for %d labels", c.score.output, s.value.per, labels)
	}
	if c.score.lower == "" {
		return s, ""
	}
	for _, bound := range []struct {
		name string
		into *column
	}{{c.score.lower, &s.lower}, {c.score.upper, &s.upper}} {
		if *bound.into, problem = readColumn(resp, bound.name, rows); problem != "" {
			return s, problem
		}
		if bound.into.per != 1 {
			return s, fmt.Sprintf("output %q has %d numbers per row, a bound has one", bound.name, bound.into.per)
		}
	}
	return s, ""
}

func readColumn(resp *wire.Response, name string, rows int) (column, string) {
	numbers, err := resp.Output(name).Floats(nil)
	if err != nil {
		return column{}, fmt.Sprintf("output %q can't be read: %v", name, err)
	}
	if len(numbers) == 0 || len(numbers)%rows != 0 {
		return column{}, fmt.Sprintf("output %q has %d numbers for %d rows", name, len(numbers), rows)
	}
	return column{numbers, len(numbers) / rows}, ""
}
