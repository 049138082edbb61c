package router

import (
	"fmt"
	"slices"
	"strings"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Names shorter than the generated ones, for the tables here.
const (
	methodMaxProb      = candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MAX_PROB
	methodMargin       = candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MARGIN
	methodEntropy      = candorv1.ConfidenceMethod_CONFIDENCE_METHOD_ENTROPY
	methodInterval     = candorv1.ConfidenceMethod_CONFIDENCE_METHOD_INTERVAL_WIDTH
	methodEnergy       = candorv1.ConfidenceMethod_CONFIDENCE_METHOD_ENERGY
	methodDistance     = candorv1.ConfidenceMethod_CONFIDENCE_METHOD_DISTANCE
	methodMeta         = candorv1.ConfidenceMethod_CONFIDENCE_METHOD_META
	methodVotes        = candorv1.ConfidenceMethod_CONFIDENCE_METHOD_VOTE_SHARE
	methodDisagreement = candorv1.ConfidenceMethod_CONFIDENCE_METHOD_DISAGREEMENT
	methodSpread       = candorv1.ConfidenceMethod_CONFIDENCE_METHOD_SPREAD
	methodBoundary     = candorv1.ConfidenceMethod_CONFIDENCE_METHOD_BOUNDARY
)

// Source is what a policy has to know of the score that its primary's card declares. The zero Source declares none.
type Source struct {
	Kind candorv1.ScoreKind
	// Labels is how many labels it has; 0 for a regression.
	Labels int
	// Single: a row has one number, about the second of two labels.
	Single bool
	// Calibrated: a calibrator makes class probabilities, whatever the kind.
	Calibrated bool
}

// HasProbabilities says that class probabilities can be made of the score.
func (s Source) HasProbabilities() bool {
	switch s.Kind {
	case candorv1.ScoreKind_SCORE_KIND_PROBABILITY, candorv1.ScoreKind_SCORE_KIND_LOG_ODDS,
		candorv1.ScoreKind_SCORE_KIND_LOGIT, candorv1.ScoreKind_SCORE_KIND_LOG_PROB:
		return true
	case candorv1.ScoreKind_SCORE_KIND_DISTANCE, candorv1.ScoreKind_SCORE_KIND_MARGIN:
		return s.Calibrated
	}
	return false
}

// Methods are the confidence methods that fit a primary with this score, the default first. A card without a score has what
// another model can say of it.
func (s Source) Methods() []candorv1.ConfidenceMethod {
	var out []candorv1.ConfidenceMethod
	if s.HasProbabilities() {
		out = append(out, methodMaxProb, methodMargin, methodEntropy)
	}
	switch s.Kind {
	case candorv1.ScoreKind_SCORE_KIND_LOGIT:
		// The energy of one logit is that of the second label's alone, since the first's is 0 by convention: it tells nothing
		// that the probability doesn't.
		if !s.Single {
			out = append(out, methodEnergy)
		}
	case candorv1.ScoreKind_SCORE_KIND_DISTANCE:
		out = append(out, methodDistance)
	case candorv1.ScoreKind_SCORE_KIND_MARGIN:
		out = append(out, methodBoundary)
	case candorv1.ScoreKind_SCORE_KIND_REGRESSION:
		out = append(out, methodInterval)
	}
	out = append(out, methodMeta)
	return append(out, s.EnsembleMethods()...)
}

// EnsembleMethods are those that only several models' answers to the same row have.
func (s Source) EnsembleMethods() []candorv1.ConfidenceMethod {
	switch {
	case s.Kind == candorv1.ScoreKind_SCORE_KIND_UNSPECIFIED:
		return nil
	case s.Kind == candorv1.ScoreKind_SCORE_KIND_REGRESSION:
		return []candorv1.ConfidenceMethod{methodSpread}
	}
	// Members have cards of their own, so those of a primary without probabilities may have them.
	return []candorv1.ConfidenceMethod{methodVotes, methodDisagreement}
}

// Combined is the score of an ensemble's answer: members have class probabilities of their own, whatever the primary has.
func (s Source) Combined() Source {
	if s.Kind == candorv1.ScoreKind_SCORE_KIND_DISTANCE || s.Kind == candorv1.ScoreKind_SCORE_KIND_MARGIN {
		s.Calibrated = true
	}
	return s
}

// TierKinds names the kinds of threshold that an ensemble's answer can be compared with: "a, b or c".
func (s Source) TierKinds() string {
	var kinds []candorv1.ConfidenceMethod
	for _, m := range s.Combined().Methods() {
		if !OfOneModel(m) {
			kinds = append(kinds, m)
		}
	}
	return orList(kinds, ThresholdKind)
}

// DefaultMethod is max_prob where there are class probabilities (no method beat it in a large comparison: Jaeger et al., ICLR
// 2023); else the one that the kind has.
func DefaultMethod(s Source) candorv1.ConfidenceMethod {
	switch {
	case s.Kind == candorv1.ScoreKind_SCORE_KIND_REGRESSION:
		return methodInterval
	case s.Kind == candorv1.ScoreKind_SCORE_KIND_DISTANCE && !s.Calibrated:
		return methodDistance
	case s.Kind == candorv1.ScoreKind_SCORE_KIND_MARGIN && !s.Calibrated:
		return methodBoundary
	}
	return methodMaxProb
}

// OfEnsemble says that a method compares several models' answers: a single model has no such confidence.
func OfEnsemble(m candorv1.ConfidenceMethod) bool {
	return m == methodVotes || m == methodDisagreement || m == methodSpread
}

// OfOneModel says that a method reads what an ensemble's combined answer no longer has.
func OfOneModel(m candorv1.ConfidenceMethod) bool {
	return m == methodEnergy || m == methodDistance || m == methodBoundary || m == methodMeta
}

// MethodFits says why a confidence method can't be made of a score, and which can; nil: it can. Of a card without a score it
// says nothing: there is no confidence then, whatever the method.
func MethodFits(m candorv1.ConfidenceMethod, s Source) error {
	if s.Kind == candorv1.ScoreKind_SCORE_KIND_UNSPECIFIED {
		return nil
	}
	fitting := s.Methods()
	if slices.Contains(fitting, m) {
		return nil
	}
	what := "a " + kindName(s.Kind)
	if s.Single && s.Kind != candorv1.ScoreKind_SCORE_KIND_REGRESSION {
		what += " of one number"
	}
	calibrator := ""
	if needs(m) == needs(methodMaxProb) && s.Kind != candorv1.ScoreKind_SCORE_KIND_REGRESSION {
		calibrator = ", or give the backend a calibrator"
	}
	return fmt.Errorf("%s needs %s, and the primary's score is %s; write %s%s", MethodName(m), needs(m), what, orList(fitting, MethodName), calibrator)
}

// needs says what a method is made of.
func needs(m candorv1.ConfidenceMethod) string {
	switch m {
	case methodMaxProb, methodMargin, methodEntropy:
		return "class probabilities"
	case methodInterval, methodSpread:
		return "a regression"
	case methodEnergy:
		return "one logit for each label"
	case methodDistance:
		return "a score of kind distance"
	case methodBoundary:
		return "a score of kind margin"
	case methodVotes, methodDisagreement:
		return "labels"
	}
	return "to be one that is known"
}

// ThresholdKind names the kind of threshold that a confidence method is compared with, as the configuration writes it.
func ThresholdKind(m candorv1.ConfidenceMethod) string {
	switch m {
	case methodMaxProb, methodMeta, candorv1.ConfidenceMethod_CONFIDENCE_METHOD_UNSPECIFIED:
		return "probability"
	case methodEntropy:
		return "normalized_entropy"
	}
	return MethodName(m)
}

// MethodName is a method as the configuration writes it.
func MethodName(m candorv1.ConfidenceMethod) string {
	return strings.ToLower(strings.TrimPrefix(m.String(), "CONFIDENCE_METHOD_"))
}

func kindName(k candorv1.ScoreKind) string {
	return strings.ToLower(strings.TrimPrefix(k.String(), "SCORE_KIND_"))
}

// orList writes "a, b or c".
func orList[T any](list []T, name func(T) string) string {
	names := make([]string, len(list))
	for i, v := range list {
		names[i] = name(v)
	}
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}
