package backend

import (
	"fmt"
	"slices"
	"strings"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
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
	for i := range c.scores {
		switch other := &c.scores[i]; {
		case other.output == out.name:
			return nil, fmt.Errorf("output: %q is that of scores[%d] already; each score has a tensor of its own", out.name, i)
		case FieldName(c.proto.GetScores()[i]) == FieldName(s):
			return nil, fmt.Errorf("field: %q is the name of scores[%d] already; give each a name of its own", FieldName(s), i)
		}
	}
	spec := &scoreSpec{output: out.name, kind: s.GetKind(), labels: s.GetLabels(), sumTolerance: s.GetSumTolerance()}
	n, known := out.elements()
	spec.single = known && n == 1
	if s.GetKind() != candorv1.ScoreKind_SCORE_KIND_DISTANCE && s.GetMetric() != "" {
		return nil, fmt.Errorf("metric: is set, but kind is %v; remove it", s.GetKind())
	}
	if s.GetKind() == candorv1.ScoreKind_SCORE_KIND_REGRESSION {
		return spec, c.compileRegression(spec, out, s)
	}
	return spec, compileClassification(out, s)
}

// compileAbstain checks the output that says where the model abstains; empty: there is none.
func (c *Card) compileAbstain(name string) error {
	if name == "" {
		return nil
	}
	out := find(c.outputs, name)
	if out == nil {
		return fmt.Errorf("%q is not among outputs; write one of: %s", name, names(c.outputs))
	}
	if out.datatype == wire.BYTES {
		return fmt.Errorf("%q holds BYTES; a flag is BOOL or a number", name)
	}
	if n, known := out.elements(); known && n != 1 {
		return fmt.Errorf("%q holds %d elements per row; a flag is one", name, n)
	}
	if c.FieldOf(name) >= 0 {
		return fmt.Errorf("%q is read as the score; name an output that holds nothing but the flag", name)
	}
	c.abstain = name
	return nil
}

// readOutputs are the names of the outputs that Evidence reads.
func (c *Card) readOutputs() (reads []string) {
	add := func(names ...string) {
		for _, name := range names {
			if name != "" && !slices.Contains(reads, name) {
				reads = append(reads, name)
			}
		}
	}
	for i := range c.scores {
		add(c.scores[i].output, c.scores[i].lower, c.scores[i].upper, c.scores[i].variance)
	}
	add(c.abstain)
	return reads
}

func compileClassification(out *tensorSpec, s *candorv1.Score) error {
	labels := s.GetLabels()
	switch s.GetKind() {
	case candorv1.ScoreKind_SCORE_KIND_PROBABILITY, candorv1.ScoreKind_SCORE_KIND_LOG_ODDS,
		candorv1.ScoreKind_SCORE_KIND_LOGIT, candorv1.ScoreKind_SCORE_KIND_LOG_PROB,
		candorv1.ScoreKind_SCORE_KIND_DISTANCE, candorv1.ScoreKind_SCORE_KIND_MARGIN:
	default:
		return fmt.Errorf("kind: is %v; write what the numbers are: SCORE_KIND_PROBABILITY, _LOG_ODDS, _LOGIT, _LOG_PROB, _REGRESSION, _DISTANCE or _MARGIN", s.GetKind())
	}
	if s.GetKind() == candorv1.ScoreKind_SCORE_KIND_DISTANCE && strings.TrimSpace(s.GetMetric()) == "" {
		return fmt.Errorf("metric: is missing; write in which metric the distances are, for example euclidean or cosine")
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
	case r.GetVarianceOutput() != "" && r.GetLowerOutput() != "":
		return fmt.Errorf("regression.variance_output: stands beside lower_output and upper_output; an interval comes from one or the other")
	case r.Coverage != nil && !(r.GetCoverage() > 0 && r.GetCoverage() < 1):
		return fmt.Errorf("regression.coverage: is %v; write a share above 0 and below 1", r.GetCoverage())
	// The comparison is false for a NaN.
	case r.Min != nil && r.Max != nil && !(r.GetMin() < r.GetMax()):
		return fmt.Errorf("regression.min: %v is not below max %v", r.GetMin(), r.GetMax())
	}
	if n, known := out.elements(); known && n != 1 {
		return fmt.Errorf("output: %q holds %d numbers per row; a regression value is one", out.name, n)
	}
	bounds := []struct{ field, name string }{
		{"lower_output", r.GetLowerOutput()}, {"upper_output", r.GetUpperOutput()}, {"variance_output", r.GetVarianceOutput()},
	}
	for i, b := range bounds {
		if b.name == "" {
			continue
		}
		t := find(c.outputs, b.name)
		switch {
		case t == nil:
			return fmt.Errorf("regression.%s: %q is not among outputs; write one of: %s", b.field, b.name, names(c.outputs))
		case b.name == out.name || i > 0 && b.name == bounds[0].name:
			return fmt.Errorf("regression.%s: %q is named twice; the value and what is said about it are tensors of their own", b.field, b.name)
		case !t.datatype.IsFloat():
			return fmt.Errorf("regression.%s: %q holds %v; this is FP16, BF16, FP32 or FP64", b.field, b.name, t.datatype)
		}
		if n, known := t.elements(); known && n != 1 {
			return fmt.Errorf("regression.%s: %q holds %d numbers per row; this is one", b.field, b.name, n)
		}
	}
	spec.lower, spec.upper, spec.min, spec.max = r.GetLowerOutput(), r.GetUpperOutput(), r.Min, r.Max
	spec.variance, spec.coverage = r.GetVarianceOutput(), r.GetCoverage()
	return nil
}
