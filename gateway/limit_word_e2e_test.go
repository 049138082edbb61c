package gateway_test

import (
	"fmt"
	"strings"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// words are what limits said of a prediction's only row, as somebody is told it.
func (w *world) words(token, id string) string {
	w.t.Helper()
	resp, err := candorv1.NewExplainServiceClient(w.conn).ExplainPrediction(as(token), &candorv1.ExplainPredictionRequest{PredictionId: id})
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for _, l := range resp.GetRecord().GetRows()[0].GetLimits() {
		dry := ""
		if l.GetDryRun() {
			dry = " (dry run)"
		}
		out = append(out, fmt.Sprintf("%s%s %s %d of %d, %d, %q, %d", l.GetLimit(), dry, strings.TrimPrefix(l.GetSays().String(), "LIMIT_SAYS_"),
			l.GetCount(), l.GetMaxCount(), l.GetAmount(), l.GetUnit(), l.GetDenominator()))
	}
	return strings.Join(out, "; ")
}

// The record of a row says what each limit said that withheld its answer or would have: what tripped, by which amount, and what had tripped
// before. Its consumer isn't told what others have used.
func TestRecordOfWhatLimitsSaid(t *testing.T) {
	w := start(t, withLimits(sumOf(2000, ", on_trip: reject")+
		", few: {action: decline, window: 1h, max_count: 1, dry_run: true}"+
		", share: {action: decline, window: 1h, ratio: {numerator: decline, denominator: {every_answer: true}, max_share: 0.3, min_count: 4}, dry_run: true}")...)
	decline := func(dollars float32) string {
		a := w.infer(as(clientToken), request([][4]float32{order(dollars)}, "candor_route"))
		if a.err != nil {
			t.Fatal(a.err)
		}
		return a.param("candor_prediction_id")
	}
	first := decline(12)
	if got := w.words(auditorToken, first); got != "" {
		t.Errorf("of an answer that all let pass they said %s", got)
	}
	second := decline(3)
	third := decline(7)
	fourth := decline(1)
	for id, want := range map[string]string{
		second: `few (dry run) TRIPPED 1 of 1, 0, "", 0; share (dry run) TRIPPED 1 of 1, 0, "", 1`,
		// What holds is asked first: the dry runs aren't, then.
		third:  `spent TRIPPED 1500 of 2000, 700, "USD cents", 0`,
		fourth: `spent LATCHED 1500 of 2000, 700, "USD cents", 0`,
	} {
		if got := w.words(auditorToken, id); got != want {
			t.Errorf("said %s\nwant %s", got, want)
		}
	}
	if got := w.words(clientToken, third); got != `spent TRIPPED 0 of 0, 700, "USD cents", 0` {
		t.Errorf("its consumer is told %s", got)
	}
	if got := w.words(clientToken, fourth); got != `spent LATCHED 0 of 0, 0, "", 0` {
		t.Errorf("the consumer of a later one is told %s", got)
	}
	if in := w.explain(third).GetRecord().GetRows()[0].GetLimitInputs(); len(in) != 1 || in[0].GetAmount() != 700 || in[0].GetUnit() != "USD cents" {
		t.Errorf("the record has %v", in)
	}
	nan := float32(0)
	nan /= nan
	if got := w.words(auditorToken, decline(nan)); got != `spent INVALID 0 of 0, 0, "", 0` {
		t.Errorf("of what can't be counted they said %s", got)
	}
	if _, err := w.limits().StopAction(as(operatorToken), &candorv1.StopActionRequest{Action: "decline", Reason: "the feed is wrong", RequestId: "s1"}); err != nil {
		t.Fatal(err)
	}
	if got := w.words(auditorToken, decline(1)); got != `stop:action:decline STOPPED 0 of 0, 0, "", 0` {
		t.Errorf("of a stopped action they said %s", got)
	}
}
