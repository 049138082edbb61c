package router

import (
	"math"
	"slices"
	"strings"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

const (
	accept   = candorv1.Route_ROUTE_ACCEPT
	fallback = candorv1.Route_ROUTE_FALLBACK
	deferred = candorv1.Route_ROUTE_DEFER
	reject   = candorv1.Route_ROUTE_REJECT
)

func at(v float64) License { return License{Threshold: &v} }

func TestDecide(t *testing.T) {
	all := Policy{Primary: at(.9), Tiers: []License{at(.9)}, HasReview: true}
	failed := Failed("m", candorv1.Reason_REASON_BREAKER_OPEN, "open")
	for name, c := range map[string]struct {
		p      Policy
		e      Evidence
		route  candorv1.Route
		reason candorv1.Reason
	}{
		"confident":                 {all, Evidence{Confidence: ptr(.95)}, accept, candorv1.Reason_REASON_CONFIDENT},
		"at the threshold":          {all, Evidence{Confidence: ptr(.9)}, accept, candorv1.Reason_REASON_CONFIDENT},
		"unsure":                    {all, Evidence{Confidence: ptr(.89)}, fallback, candorv1.Reason_REASON_LOW_CONFIDENCE},
		"unsure, no fallback":       {Policy{Primary: at(.9), HasReview: true}, Evidence{Confidence: ptr(.1)}, deferred, candorv1.Reason_REASON_LOW_CONFIDENCE},
		"unsure, nobody":            {Policy{Primary: at(.9)}, Evidence{Confidence: ptr(.1)}, reject, candorv1.Reason_REASON_NO_REVIEW},
		"no confidence":             {all, Evidence{}, fallback, candorv1.Reason_REASON_NO_CONFIDENCE_SIGNAL},
		"no threshold":              {Policy{HasReview: true}, Evidence{Confidence: ptr(1)}, deferred, candorv1.Reason_REASON_NO_CONFIDENCE_SIGNAL},
		"failed":                    {all, failed, fallback, candorv1.Reason_REASON_BREAKER_OPEN},
		"failed with a confidence":  {all, Evidence{Confidence: ptr(1), Faults: failed.Faults}, fallback, candorv1.Reason_REASON_BREAKER_OPEN},
		"NaN":                       {all, Evidence{Confidence: ptr(math.NaN())}, fallback, candorv1.Reason_REASON_LOW_CONFIDENCE},
		"the zero policy, evidence": {Policy{}, Evidence{}, reject, candorv1.Reason_REASON_NO_CONFIDENCE_SIGNAL},
	} {
		t.Run(name, func(t *testing.T) {
			d := Decide(c.p, c.e)
			if d.Route != c.route || !slices.Contains(d.Reasons, c.reason) {
				t.Errorf("%v %v, want %v with %v", d.Route, d.Reasons, c.route, c.reason)
			}
		})
	}
}

func TestDecideTier(t *testing.T) {
	p := Policy{Primary: at(.9), Tiers: []License{at(.8)}, HasReview: true}
	first := Decide(p, Evidence{Confidence: ptr(.5)})
	sure := DecideTier(p, first, Evidence{Confidence: ptr(.85), Notes: []candorv1.Reason{candorv1.Reason_REASON_MEMBER_MISSING}})
	want := []candorv1.Reason{candorv1.Reason_REASON_LOW_CONFIDENCE, candorv1.Reason_REASON_MEMBER_MISSING}
	if sure.Route != fallback || !slices.Equal(sure.Reasons, want) || *sure.Threshold != .8 {
		t.Errorf("%+v, want FALLBACK with %v against .8", sure, want)
	}
	if d := DecideTier(p, first, Evidence{Confidence: ptr(.7)}); d.Route != deferred {
		t.Errorf("unsure twice: %v, want DEFER", d.Route)
	}
	p.HasReview = false
	if d := DecideTier(p, first, Failed("e", candorv1.Reason_REASON_QUORUM_MISSED, "")); d.Route != reject {
		t.Errorf("nobody left: %v, want REJECT", d.Route)
	}
	constant := Evidence{Label: "no", Unconditional: true, Notes: []candorv1.Reason{candorv1.Reason_REASON_REMEDIAL}}
	if d := DecideTier(p, first, constant); d.Route != fallback || !slices.Contains(d.Reasons, candorv1.Reason_REASON_REMEDIAL) {
		t.Errorf("a declared constant: %+v, want FALLBACK, REMEDIAL", d)
	}
}

func TestCompile(t *testing.T) {
	threshold := func(t *candorv1.Threshold) *candorv1.Policy {
		return &candorv1.Policy{Accept: &candorv1.Accept{License: &candorv1.Accept_Threshold{Threshold: t}}}
	}
	prob := &candorv1.Threshold{At: &candorv1.Threshold_Probability{Probability: .9}}
	odds := &candorv1.Threshold{At: &candorv1.Threshold_LogOdds{LogOdds: 2}}
	width := &candorv1.Threshold{At: &candorv1.Threshold_IntervalWidth{IntervalWidth: 3}}
	ent := &candorv1.Threshold{At: &candorv1.Threshold_NormalizedEntropy{NormalizedEntropy: .2}}

	with := func(p *candorv1.Policy, m candorv1.ConfidenceMethod, scale float64) *candorv1.Policy {
		p.Confidence = m
		if scale > 0 {
			p.IntervalScale = &scale
		}
		return p
	}
	for name, c := range map[string]struct {
		p    *candorv1.Policy
		kind candorv1.ScoreKind
		want float64
		err  string
	}{
		"probability":              {threshold(prob), logit, .9, ""},
		"log-odds":                 {threshold(odds), logOdds, 0.8807970779778823, ""},
		"log-odds on probability":  {threshold(odds), probability, 0, "needs a score of kind log_odds"},
		"probability on margin":    {with(threshold(prob), margin, 0), probability, 0, "write margin"},
		"entropy":                  {with(threshold(ent), entropy, 0), probability, .8, ""},
		"width":                    {with(threshold(width), interval, 12), regression, .75, ""},
		"width without a scale":    {threshold(width), regression, 0, "interval_scale"},
		"width as wide as all":     {with(threshold(width), interval, 3), regression, 0, "accept every row"},
		"max_prob of a regression": {with(threshold(prob), maxProb, 0), regression, 0, "write interval_width"},
		"no kind":                  {threshold(&candorv1.Threshold{}), probability, 0, "no kind"},
		"NaN":                      {threshold(&candorv1.Threshold{At: &candorv1.Threshold_Probability{Probability: math.NaN()}}), probability, 0, "outside"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Compile(c.p, Source{Kind: c.kind, Labels: 3})
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("error %v, want one that says %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !near(*p.Primary.Threshold, c.want) {
				t.Errorf("threshold %v, want %v", *p.Primary.Threshold, c.want)
			}
		})
	}
}
