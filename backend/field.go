package backend

import (
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/router"
)

// Field is one of the things that a model answers of each row: what one score of its card is about. Read-only.
type Field struct {
	// Name is empty where the card has one score or none: then a row and its field are the same.
	Name string
	// Output is the tensor that holds the score; empty: the card declares none.
	Output string
	Kind   candorv1.ScoreKind
	// Labels in the order of the tensor; for one number, [negative, positive]. Nil for regression.
	Labels []string
	// Unit of a regression, Metric of a distance; empty for other kinds.
	Unit, Metric string
	// beside are the tensors with a regression's bounds or variance.
	beside []string
	single bool
}

// Fields of a row, in the order of the card's scores; one without a name where there is one score or none.
func (c *Card) Fields() []Field { return c.fields }

// FieldOf answers the index of the field that an output tensor tells of: its score, its bounds or its variance; -1: none alone.
func (c *Card) FieldOf(output string) int {
	for k := range c.fields {
		f := &c.fields[k]
		if f.Output == output {
			return k
		}
		for _, name := range f.beside {
			if name == output {
				return k
			}
		}
	}
	return -1
}

// Source is what a policy has to know of the field's score; calibrated says that there is a calibrator for it.
func (f *Field) Source(calibrated bool) router.Source {
	if f.Output == "" {
		return router.Source{}
	}
	return router.Source{Kind: f.Kind, Labels: len(f.Labels), Single: f.single, Calibrated: calibrated}
}

// fieldsOf are the fields of a card whose scores are compiled.
func fieldsOf(p *candorv1.ModelCard, scores []scoreSpec) []Field {
	fields := make([]Field, max(1, len(scores)))
	for k := range scores {
		s, spec := &scores[k], p.GetScores()[k]
		fields[k] = Field{
			Output: s.output, Kind: s.kind, Labels: s.labels, Unit: spec.GetRegression().GetUnit(), Metric: spec.GetMetric(), single: s.single,
		}
		if len(scores) > 1 {
			fields[k].Name = FieldName(spec)
		}
		for _, name := range []string{s.lower, s.upper, s.variance} {
			if name != "" {
				fields[k].beside = append(fields[k].beside, name)
			}
		}
	}
	return fields
}

// FieldName is the name of a score's field, on a card with several.
func FieldName(s *candorv1.Score) string {
	if s.GetField() != "" {
		return s.GetField()
	}
	return s.GetOutput()
}
