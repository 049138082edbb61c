package review_test

import (
	"math"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

func TestJudge(t *testing.T) {
	half := 0.5
	value := func(v float64) *float64 { return &v }
	labels, values := &candorv1.CertificateKey{}, &candorv1.CertificateKey{Tolerance: &half}
	said := func(label string) *candorv1.Verdict {
		return &candorv1.Verdict{Answer: &candorv1.Verdict_Label{Label: label}}
	}
	saidValue := func(v float64) *candorv1.Verdict { return &candorv1.Verdict{Answer: &candorv1.Verdict_Value{Value: v}} }
	for name, c := range map[string]struct {
		key     *candorv1.CertificateKey
		sq      review.Sequence
		verdict *candorv1.Verdict
		expired bool
		loss    float64
		missing bool
	}{
		"right label":                  {labels, review.Sequence{Label: "cat"}, said("cat"), false, 0, false},
		"wrong label":                  {labels, review.Sequence{Label: "cat"}, said("dog"), false, 1, false},
		"value within tolerance":       {values, review.Sequence{Value: value(2)}, saidValue(2.5), false, 0, false},
		"value beyond tolerance":       {values, review.Sequence{Value: value(2)}, saidValue(2.6), false, 1, false},
		"no value to compare":          {values, review.Sequence{}, saidValue(2), false, 0, true},
		"label where values are asked": {values, review.Sequence{Value: value(2)}, said("cat"), false, 0, true},
		"value where labels are asked": {labels, review.Sequence{Label: "2"}, saidValue(2), false, 0, true},
		"nobody judged it":             {labels, review.Sequence{Label: "cat"}, said("cat"), true, 0, true},
		"a verdict without an answer":  {labels, review.Sequence{Label: "cat"}, &candorv1.Verdict{}, false, 0, true},
	} {
		it := &review.Item{Verdict: c.verdict, FinalReason: candorv1.Reason_REASON_VERDICT}
		if c.expired {
			it.FinalReason = candorv1.Reason_REASON_REVIEW_EXPIRED
		}
		if loss, missing := c.sq.Judge(c.key, it); loss != c.loss || missing != c.missing {
			t.Errorf("%s: loss %v, missing %v", name, loss, missing)
		}
	}
}

// The rows of one call that are evidence for one certificate are one unit, in their order.
func TestUnitsOf(t *testing.T) {
	sq := func(id string, least float64) review.Sequence {
		return review.Sequence{Certificate: id, Least: least, Probability: 0.5, Confidence: 0.9}
	}
	items := []review.Fresh{
		{Item: review.Item{ID: "1", Sequences: []review.Sequence{sq("b", 0.1), sq("a", 0.1)}}},
		{Item: review.Item{ID: "2"}},
		{Item: review.Item{ID: "3", Sequences: []review.Sequence{sq("a", 0.2)}}},
	}
	units := review.UnitsOf(items)
	if len(units) != 2 || units[0].Certificate != "b" || units[1].Certificate != "a" || len(units[1].Parts) != 2 {
		t.Fatalf("units are %+v", units)
	}
	a := units[1].Parts
	if a[0].Item.ID != "1" || a[1].Item.ID != "3" {
		t.Errorf("the unit has items %s and %s", a[0].Item.ID, a[1].Item.ID)
	}
	if _, _, err := review.Draws([]*review.Part{&a[0], &a[1]}); err == nil {
		t.Error("rows of one call with different least propensities are drawn")
	}
	least, rows, err := review.Draws([]*review.Part{&a[0]})
	if err != nil || least != 0.1 || len(rows) != 1 || rows[0].Propensity != 0.5 || rows[0].Confidence != 0.9 {
		t.Errorf("drawn as %v, %v (%v)", least, rows, err)
	}
}

func TestKeepable(t *testing.T) {
	if !(review.Sequence{Probability: 2}).Keepable() || (review.Sequence{Least: math.NaN()}).Keepable() {
		t.Error("what can be kept is a number, whatever number it is")
	}
}
