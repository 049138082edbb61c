package backend

import (
	"fmt"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// compileScore checks what the card says about its score. Errors name the field, relative to the score.
func (c *Card) compileScore(s *candorv1.Score) (*scoreSpec, error) {
	out := find(c.outputs, s.GetOutput())
	if out == nil {
		return nil, fmt.Errorf("output: %q is not among outputs; write one of: %s", s.GetOutput(), names(c.outputs))
	}
	if !out.datatype.IsFloat() {
		return nil, fmt.Errorf("output: %q holds %v; a score is FP16, BF16, FP32 or FP64", out.name, out.datatype)
	}
	spec := &scoreSpec{output: out.name, kind: s.GetKind(), labels: s.GetLabels(), sumTolerance: s.GetSumTolerance()}
	if s.GetKind() == candorv1.ScoreKind_SCORE_KIND_REGRESSION {
		return spec, c.compileRegression(spec, out, s)
	}
	return spec, compileClassification(out, s)
}

func compileClassification(out *tensorSpec, s *candorv1.Score) error {
	labels := s.GetLabels()
	switch s.GetKind() {
	case candorv1.ScoreKind_SCORE_KIND_PROBABILITY, candorv1.ScoreKind_SCORE_KIND_LOG_ODDS,
		candorv1.ScoreKind_SCORE_KIND_LOGIT, candorv1.ScoreKind_SCORE_KIND_LOG_PROB:
	default:
		return fmt.Errorf("kind: is %v; write what the numbers are: SCORE_KIND_PROBABILITY, _LOG_ODDS, _LOGIT, _LOG_PROB or _REGRESSION", s.GetKind())
	}
	if s.GetRegression() != nil {
		return fmt.Errorf("regression: is set, but kind is %v; remove it", s.GetKind())
	}
	if len(labels) < 2 {
		return fmt.Errorf("labels: there are %d; write the labels in the order of the tensor, or [negative, positive] for one number", len(labels))
	}
	seen := make(map[string]bool, len(labels))
	for i, l := range labels {
		if l == "" || seen[l] {
			return fmt.Errorf("labels[%d]: %q is empty or stands there twice; each label is a name of its own", i, l)
		}
		seen[l] = true
	}
	if t := s.SumTolerance; t != nil && !(*t > 0 && *t < 0.5) {
		return fmt.Errorf("sum_tolerance: is %v; write a number above 0 and below 0.5", *t)
	}
	n, known := out.elements()
	switch {
	case s.GetKind() == candorv1.ScoreKind_SCORE_KIND_LOG_ODDS && len(labels) != 2:
		return fmt.Errorf("labels: there are %d, but log-odds are one number for the second of two labels; write two, or kind: SCORE_KIND_LOGIT", len(labels))
	case s.GetKind() == candorv1.ScoreKind_SCORE_KIND_LOG_ODDS && known && n != 1:
		return fmt.Errorf("output: %q holds %d numbers per row, but log-odds are one; write kind: SCORE_KIND_LOGIT for one number per label", out.name, n)
	case known && n == 1 && len(labels) != 2:
		return fmt.Errorf("labels: there are %d, but %q holds one number per row; write two: [negative, positive]", len(labels), out.name)
	case known && n != 1 && n != int64(len(labels)):
		return fmt.Errorf("labels: there are %d, but %q holds %d numbers per row; write one label per number", len(labels), out.name, n)
	}
	return nil
}

func (c *Card) compileRegression(spec *scoreSpec, out *tensorSpec, s *candorv1.Score) error {
	r := s.GetRegression()
	switch {
	case r == nil || r.GetUnit() == "":
		return fmt.Errorf("regression.unit: is missing; write the unit of the value")
	case len(s.GetLabels()) > 0:
		return fmt.Errorf("labels: a regression has none; remove them")
	case s.SumTolerance != nil:
		return fmt.Errorf("sum_tolerance: a regression has no probabilities; remove it")
	case r.GetLowerOutput() == "" && r.GetUpperOutput() != "":
		return fmt.Errorf("regression.lower_output: is missing beside upper_output; write both or neither")
	case r.GetLowerOutput() != "" && r.GetUpperOutput() == "":
		return fmt.Errorf("regression.upper_output: is missing beside lower_output; write both or neither")
	case r.Coverage != nil && !(r.GetCoverage() > 0 && r.GetCoverage() < 1):
		return fmt.Errorf("regression.coverage: is %v; write a share above 0 and below 1", r.GetCoverage())
	// The comparison is false for a NaN.
	case r.Min != nil && r.Max != nil && !(r.GetMin() < r.GetMax()):
		return fmt.Errorf("regression.min: %v is not below max %v", r.GetMin(), r.GetMax())
	}
	if n, known := out.elements(); known && n != 1 {
		return fmt.Errorf("output: %q holds %d numbers per row; a regression value is one", out.name, n)
	}
	bounds := []struct{ field, name string }{{"lower_output", r.GetLowerOutput()}, {"upper_output", r.GetUpperOutput()}}
	for i, b := range bounds {
		if b.name == "" {
			continue
		}
		t := find(c.outputs, b.name)
		switch {
		case t == nil:
			return fmt.Errorf("regression.%s: %q is not among outputs; write one of: %s", b.field, b.name, names(c.outputs))
		case b.name == out.name || i > 0 && b.name == bounds[0].name:
			return fmt.Errorf("regression.%s: %q is named twice; value and bounds are three tensors", b.field, b.name)
		case !t.datatype.IsFloat():
			return fmt.Errorf("regression.%s: %q holds %v; a bound is FP16, BF16, FP32 or FP64", b.field, b.name, t.datatype)
		}
		if n, known := t.elements(); known && n != 1 {
			return fmt.Errorf("regression.%s: %q holds %d numbers per row; a bound is one", b.field, b.name, n)
		}
	}
	spec.lower, spec.upper, spec.min, spec.max = r.GetLowerOutput(), r.GetUpperOutput(), r.Min, r.Max
	return nil
}
