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
	// RawConfidence is what Confidence was before Calibrator, name@version; both absent: there is none, or the record doesn't know.
	RawConfidence *float64 `json:"raw_confidence,omitempty"`
	Calibrator    string   `json:"calibrator,omitempty"`
	// Judge is the model whose word Confidence is; empty: the stage's own.
	Judge string `json:"judge,omitempty"`
	// between: a tier that the record keeps no threshold of.
	between bool
}

// comparedOf tells the comparisons of a row in order: the primary's, then the tiers'. It decides nothing: what passed is
// read from the reasons and the route that the router recorded.
func comparedOf(rec *candorv1.PredictionRecord, rr *candorv1.RowRecord, path []Step) []Compared {
	if len(path) == 0 {
		return []Compared{}
	}
	second := fallbackStep(path, rr)
	primary := Compared{Stage: path[0].Stage, Confidence: path[0].Confidence, Threshold: fromPPM(rr.ThresholdPpm)}
	calibrator := path[0].Calibrator
	for _, step := range path {
		if step.Kind == cli.Enum(candorv1.StepKind_STEP_KIND_META) && step.Confidence != nil {
			primary.Judge, calibrator = step.Stage, step.Calibrator
		}
	}
	if second == nil {
		primary.calibrated(rr, calibrator)
		primary.Passed = hasReason(rr, candorv1.Reason_REASON_CONFIDENT)
		primary.Route = cli.Enum(rr.GetRoute())
		if primary.Passed {
			// What a limit did afterwards is told with the limit.
			primary.Route = cli.Enum(candorv1.Route_ROUTE_ACCEPT)
		} else if shed(rr) {
			primary.Route = cli.Enum(candorv1.Route_ROUTE_DEFER)
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
	fallback.Passed = rr.GetRoute() == candorv1.Route_ROUTE_FALLBACK && !shed(rr) || (withheld(rr) || raised) && rr.GetConfidencePpm() >= rr.GetThresholdPpm()
	fallback.Route = cli.Enum(rr.GetRoute())
	if fallback.Passed {
		fallback.Route = cli.Enum(candorv1.Route_ROUTE_FALLBACK)
	} else if shed(rr) && fallback.Threshold != nil {
		fallback.Route = cli.Enum(candorv1.Route_ROUTE_DEFER)
	} else if shed(rr) && !primary.Passed {
		// It was asked only because nobody could have judged the row.
		primary.Route = cli.Enum(candorv1.Route_ROUTE_DEFER)
	}
	fallback.calibrated(rr, second.Calibrator)
	out := []Compared{primary}
	for _, step := range path[1:] {
		if step.index < second.index && step.Kind == cli.Enum(candorv1.StepKind_STEP_KIND_ENSEMBLE) && !(step.Failure != "" && second.Kind != step.Kind) {
			out = append(out, Compared{Stage: step.Stage, Confidence: step.Confidence, Route: cli.Enum(candorv1.Route_ROUTE_FALLBACK), between: true})
		}
	}
	return append(out, fallback)
}

// calibrated notes what the record keeps of the comparison that was last.
func (c *Compared) calibrated(rr *candorv1.RowRecord, calibrator string) {
	if rr.RawConfidencePpm != nil {
		c.RawConfidence, c.Calibrator = fromPPM(rr.RawConfidencePpm), calibrator
	}
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

// shed says that a row which was deferred took the fallback because nobody could have judged it in time. What is compared is told as it
// was before.
func shed(rr *candorv1.RowRecord) bool { return hasReason(rr, candorv1.Reason_REASON_REVIEW_CAPACITY) }

func withheld(rr *candorv1.RowRecord) bool {
	return hasReason(rr, candorv1.Reason_REASON_LIMIT_TRIPPED, candorv1.Reason_REASON_LIMIT_UNAVAILABLE, candorv1.Reason_REASON_LIMIT_INPUT_INVALID)
}

func (c Compared) String() string {
	arrow := " -> " + c.Route
	if c.Judge != "" {
		arrow += "; the confidence is what " + cli.Plain(c.Judge) + " says of the answer"
	}
	if c.RawConfidence != nil {
		arrow += "; " + cli.Number(*c.RawConfidence) + " before calibration"
		if c.Calibrator != "" {
			arrow += " by " + cli.Plain(c.Calibrator)
		}
	}
	switch {
	case c.Confidence == nil && c.Passed:
		return "declared without a confidence" + arrow
	case c.Confidence == nil:
		return "no answer to compare" + arrow
	case c.between:
		return cli.Number(*c.Confidence) + ", not enough here" + arrow
	case c.Threshold == nil:
		return cli.Number(*c.Confidence) + ", and nothing names a threshold" + arrow
	case c.Passed:
		return cli.Number(*c.Confidence) + " >= " + cli.Number(*c.Threshold) + arrow
	}
	return cli.Number(*c.Confidence) + " < " + cli.Number(*c.Threshold) + arrow
}
