package router

import (
	"slices"
	"strings"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// probabilityOf is a threshold of kind probability.
func probabilityOf(p float64) *candorv1.Threshold {
	return &candorv1.Threshold{At: &candorv1.Threshold_Probability{Probability: p}}
}

func TestForField(t *testing.T) {
	p := &candorv1.Policy{
		IntervalScale: ptr(50), Accept: &candorv1.Accept{License: &candorv1.Accept_Threshold{Threshold: probabilityOf(.9)}},
		Review: &candorv1.ReviewPolicy{Queue: "desk", OnExpire: candorv1.ExpireAction_EXPIRE_ACTION_DEFAULT},
		Fields: map[string]*candorv1.FieldPolicy{
			"vendor": {Confidence: methodMargin, Threshold: &candorv1.Threshold{At: &candorv1.Threshold_Margin{Margin: .5}}, DefaultLabel: "other"},
			"total": {
				Threshold: &candorv1.Threshold{At: &candorv1.Threshold_IntervalWidth{IntervalWidth: 2}}, IntervalScale: ptr(8), DefaultValue: ptr(0),
			},
		},
	}
	labels := Source{Kind: candorv1.ScoreKind_SCORE_KIND_PROBABILITY, Labels: 3}
	value := Source{Kind: candorv1.ScoreKind_SCORE_KIND_REGRESSION, Single: true}
	for _, tt := range []struct {
		field     string
		from      Source
		method    candorv1.ConfidenceMethod
		threshold float64
		label     string
		value     bool
	}{
		{"vendor", labels, methodMargin, .5, "other", false},
		{"currency", labels, methodMaxProb, .9, "", false},
		{"total", value, methodInterval, .75, "", true},
	} {
		own := ForField(p, tt.field)
		c, err := Compile(own, tt.from)
		if err != nil || c.Method != tt.method || *c.Primary.Threshold != tt.threshold || !c.HasReview {
			t.Errorf("%s: %+v, %v", tt.field, c, err)
		}
		if r := own.GetReview(); r.GetDefaultLabel() != tt.label || (r.DefaultValue != nil) != tt.value || r.GetQueue() != "desk" {
			t.Errorf("%s: review %v", tt.field, r)
		}
	}
	if _, err := Compile(ForField(p, "currency"), value); err == nil || !strings.HasPrefix(err.Error(), "accept.threshold: ") {
		t.Errorf("a probability of a regression: %v", err)
	}
	if len(p.GetFields()) != 2 || p.GetReview().GetDefaultLabel() != "" || p.GetIntervalScale() != 50 {
		t.Errorf("the policy was changed: %v", p)
	}
}

// A field of the policy that is added to the proto and not to ForField is found here.
func TestForFieldKeepsEveryField(t *testing.T) {
	p := &candorv1.Policy{
		Mode: 1, Confidence: 1, IntervalScale: ptr(1), Accept: &candorv1.Accept{}, Fallback: &candorv1.FallbackPolicy{},
		Review: &candorv1.ReviewPolicy{}, OnDefer: 1, Answers: []*candorv1.AnswerSpec{{}}, Actions: []*candorv1.ActionSpec{{}},
		Conditions: []*candorv1.Condition{{}}, Then: []*candorv1.FallbackPolicy{{}}, Meta: &candorv1.MetaScore{}, EnergyCenter: ptr(1),
		DistanceScale: ptr(1), Monitors: &candorv1.Monitors{}, Fields: map[string]*candorv1.FieldPolicy{"a": {}}, OnStoreLost: &candorv1.OnStoreLost{},
	}
	out := ForField(p, "a").ProtoReflect()
	fields := out.Descriptor().Fields()
	var lost []string
	for i := range fields.Len() {
		if f := fields.Get(i); !out.Has(f) {
			lost = append(lost, string(f.Name()))
		}
		if f := fields.Get(i); !p.ProtoReflect().Has(f) {
			t.Errorf("the test knows nothing of %s", f.Name())
		}
	}
	if !slices.Equal(lost, []string{"fields"}) {
		t.Errorf("lost %q", lost)
	}
}
