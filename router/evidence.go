package router

import candorv1 "github.com/candor-gateway/candor/gen/candor/v1"

// Evidence is what the router knows about one row after one stage has answered, or failed to.
//
// A zero Evidence knows nothing: it has no confidence, so nothing is accepted on it. Evidence is a value; its slices belong
// to whoever made it and are never changed after Decide has seen them.
type Evidence struct {
	// Stage is the backend or ensemble whose answer this is.
	Stage string
	// Kind is what Scores are; unspecified when the card declares no score.
	Kind candorv1.ScoreKind
	// Scores are the row's scores as the model gave them: one per label, or one number for the second of two labels.
	Scores []float64
	// Probs are the class probabilities in the order of Labels, calibrated where there is a calibrator; they sum to 1. Nil for
	// regression, and for distances and margins without a calibrator.
	Probs []float64
	// Labels in the order of Probs.
	Labels []string
	// Top is the index of Label among Labels, which is that of the largest of Probs where there are any; -1 without a label.
	Top int
	// Label is the answer's label; empty for regression.
	Label string
	// Value is the regression value in the card's unit; nil for classification.
	Value *float64
	// Lower and Upper bound the interval around Value; nil without one.
	Lower, Upper *float64

	// Confidence is in [0,1]; nil where there is no confidence signal.
	Confidence *float64
	// RawConfidence is what Confidence would be without the calibrator; nil: there is no calibrator, or no confidence.
	RawConfidence *float64
	// Calibrator is its name@version; empty: none.
	Calibrator string
	// Method says how Confidence was made.
	Method candorv1.ConfidenceMethod
	// Uncertainty beside the confidence, at least 0, and its kind: normalized entropy in [0,1], disagreement of members in nats,
	// the interval's width, or the standard deviation, in the card's unit; unspecified: none.
	Uncertainty     float64
	UncertaintyKind candorv1.UncertaintyKind

	// Faults are the reasons why this answer can't be used (a failed backend, a broken card, a model that abstained). With any, nothing else in the
	// Evidence may be trusted.
	Faults []candorv1.Reason
	// Notes are reasons that don't forbid use: a member missing, a remedial stage that answered.
	Notes []candorv1.Reason
	// Unconditional marks an answer that claims no confidence because a person declared it (a constant): it is released
	// without a comparison.
	Unconditional bool
	// Detail says for people what is wrong with a faulty answer ("probability 1.7 is above 1").
	Detail string
}

// Failed makes the Evidence of a stage that gave no usable answer.
func Failed(stage string, reason candorv1.Reason, detail string) Evidence {
	return Evidence{Stage: stage, Top: -1, Faults: []candorv1.Reason{reason}, Detail: detail}
}
