package explain

import (
	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Compared is one comparison that decided a row: a stage's confidence with the policy's threshold, and where that sent the row.
type Compared struct {
	Stage      string   `json:"stage"`
	Confidence *float64 `json:"confidence,omitempty"`
	// Threshold is absent where the policy names none.
	Threshold *float64 `json:"threshold,omitempty"`
	Passed    bool     `json:"passed"`
	Route     string   `json:"route"`
}

// comparedOf tells the comparisons of a row in order: the primary's, then the fallback's. It decides nothing: what passed is
// read from the reasons and the route that the router recorded.
func comparedOf(rec *candorv1.PredictionRecord, rr *candorv1.RowRecord, path []Step) []Compared {
	if len(path) == 0 {
		return []Compared{}
	}
	second := fallbackStep(path, rr)
	primary := Compared{Stage: path[0].Stage, Confidence: path[0].Confidence, Threshold: fromPPM(rr.ThresholdPpm)}
	if second == nil {
		primary.Passed = hasReason(rr, candorv1.Reason_REASON_CONFIDENT)
		primary.Route = cli.Enum(rr.GetRoute())
		if primary.Passed {
			// What a limit did afterwards is told with the limit.
			primary.Route = cli.Enum(candorv1.Route_ROUTE_ACCEPT)
		}
		return []Compared{primary}
	}
	primary.Threshold, primary.Route = fromPPM(rr.PrimaryThresholdPpm), cli.Enum(candorv1.Route_ROUTE_FALLBACK)
	if primary.Passed = hasReason(rr, candorv1.Reason_REASON_CONFIDENT); primary.Passed {
		// What a condition did afterwards is told with the condition.
		primary.Route = cli.Enum(candorv1.Route_ROUTE_ACCEPT)
	}
	fallback := Compared{Stage: second.Stage, Confidence: fromPPM(rr.ConfidencePpm), Threshold: fromPPM(rr.ThresholdPpm)}
	raised := hasReason(rr, candorv1.Reason_REASON_CONDITION) && rr.ConfidencePpm != nil && rr.ThresholdPpm != nil
	fallback.Passed = rr.GetRoute() == candorv1.Route_ROUTE_FALLBACK || (withheld(rr) || raised) && rr.GetConfidencePpm() >= rr.GetThresholdPpm()
	fallback.Route = cli.Enum(rr.GetRoute())
	if fallback.Passed {
		fallback.Route = cli.Enum(candorv1.Route_ROUTE_FALLBACK)
	}
	return []Compared{primary, fallback}
}

// fallbackStep is the stage whose answer the second pass decided on: the remedial stage's or the constant where the row got that
// far, or else the ensemble's. nil: the row never went there.
func fallbackStep(path []Step, rr *candorv1.RowRecord) *Step {
	remedied := hasReason(rr, candorv1.Reason_REASON_REMEDIAL)
	var found *Step
	for i := range path[1:] {
		step := &path[i+1]
		switch step.Kind {
		case cli.Enum(candorv1.StepKind_STEP_KIND_ENSEMBLE):
			found = step
		case cli.Enum(candorv1.StepKind_STEP_KIND_REMEDIAL), cli.Enum(candorv1.StepKind_STEP_KIND_CONSTANT), cli.Enum(candorv1.StepKind_STEP_KIND_RULE):
			if remedied {
				found = step
			}
		}
	}
	return found
}

func withheld(rr *candorv1.RowRecord) bool {
	return hasReason(rr, candorv1.Reason_REASON_LIMIT_TRIPPED, candorv1.Reason_REASON_LIMIT_UNAVAILABLE)
}

func (c Compared) String() string {
	arrow := " -> " + c.Route
	switch {
	case c.Confidence == nil && c.Passed:
		return "declared without a confidence" + arrow
	case c.Confidence == nil:
		return "no answer to compare" + arrow
	case c.Threshold == nil:
		return cli.Number(*c.Confidence) + ", and the policy names no threshold" + arrow
	case c.Passed:
		return cli.Number(*c.Confidence) + " >= " + cli.Number(*c.Threshold) + arrow
	}
	return cli.Number(*c.Confidence) + " < " + cli.Number(*c.Threshold) + arrow
}
