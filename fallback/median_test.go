package fallback

import (
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/router"
)

// value is a member's value with an interval of this width around it.
func value(v, width float64) *router.Evidence {
	lower, upper := v-width/2, v+width/2
	ev := router.Score(router.Scores{
		Kind: candorv1.ScoreKind_SCORE_KIND_REGRESSION, Values: []float64{v}, Lower: &lower, Upper: &upper,
		Method: candorv1.ConfidenceMethod_CONFIDENCE_METHOD_INTERVAL_WIDTH, Scale: router.Scale{Interval: 10},
	})
	return &ev
}

func medianOf(method candorv1.ConfidenceMethod) *Ensemble {
	return &Ensemble{Combiner: candorv1.Combiner_COMBINER_MEDIAN, Method: method, IntervalScale: 10}
}

func TestMedian(t *testing.T) {
	spread, width := candorv1.ConfidenceMethod_CONFIDENCE_METHOD_SPREAD, candorv1.ConfidenceMethod_CONFIDENCE_METHOD_INTERVAL_WIDTH
	ev := run(medianOf(spread), value(7, 2), value(1, 4), value(2, 2))
	closeTo(t, "value", *ev.Value, 2)
	closeTo(t, "spread", ev.Uncertainty, 6)
	closeTo(t, "confidence", *ev.Confidence, .4)
	// Lower bounds -1, 1, 6 and upper bounds 3, 3, 8.
	closeTo(t, "lower", *ev.Lower, 1)
	closeTo(t, "upper", *ev.Upper, 3)

	ev = run(medianOf(width), value(7, 2), value(1, 4), value(2, 2))
	closeTo(t, "confidence by width", *ev.Confidence, .8)

	ev = run(medianOf(spread), value(7, 2), value(2, 2))
	closeTo(t, "value of two", *ev.Value, 4.5)

	// The third is missing: a third of what counts as knowing nothing.
	ev = run(medianOf(spread), value(7, 2), value(2, 2), nil)
	closeTo(t, "spread without the third", ev.Uncertainty, 5+10./3)
	closeTo(t, "lower without the third", *ev.Lower, 3.5-10./6)
}

func TestMedianWithoutIntervals(t *testing.T) {
	bare := value(3, 2)
	bare.Lower, bare.Upper = nil, nil
	ev := run(medianOf(candorv1.ConfidenceMethod_CONFIDENCE_METHOD_INTERVAL_WIDTH), bare, value(5, 2))
	if ev.Lower != nil || ev.Confidence != nil {
		t.Errorf("%+v, want no interval: one member has none", ev)
	}
	closeTo(t, "value", *ev.Value, 4)
}
