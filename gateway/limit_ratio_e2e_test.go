package gateway_test

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// ratioOf is a limit on the share of declines; of is its denominator.
const ratioOf = `share: {action: decline, window: 1h, ratio: {numerator: decline, denominator: DENOMINATOR, max_share: 0.2, min_count: 10}, on_trip: reject}`

// A share of answers: few are free, more of the others let more of the action out, and the others are never withheld; over a restart.
func TestShareOfAnswers(t *testing.T) {
	for name, tc := range map[string]struct{ of, actions string }{
		"of actions":      {"{actions: [decline, approve]}", "actions: [{name: decline, when: {label_in: [bad]}}, {name: approve, when: {label_in: [good]}}]"},
		"of every answer": {"{every_answer: true}", "actions: [{name: decline, when: {label_in: [bad]}}]"},
	} {
		t.Run(name, func(t *testing.T) {
			edits := append(withLimits(replaceOnce(t, ratioOf, "DENOMINATOR", tc.of)), "actions: [{name: decline, when: {label_in: [bad]}}]", tc.actions)
			w := start(t, edits...)
			left := func(row [4]float32, n int) (out int) {
				for range n {
					if w.infer(t.Context(), request([][4]float32{row})).err == nil {
						out++
					}
				}
				return out
			}
			// 2 of 10 are free; 18 others and those 2 allow 4 of 22.
			if got := left(sureRow, 2); got != 2 {
				t.Fatalf("%d declines left, want 2", got)
			}
			if got := left(goodRow, 18); got != 18 {
				t.Fatalf("%d others left, want 18", got)
			}
			if got := left(sureRow, 5); got != 2 {
				t.Errorf("%d declines left after 18 others, want 2 more", got)
			}
			l := w.limit("share")
			if !l.GetTripped() || l.GetKind() != candorv1.LimitKind_LIMIT_KIND_RATIO || l.GetMaxShare() != 0.2 || l.GetMinCount() != 10 || l.GetUsed() != 4 || l.GetDenominatorCount() != 22 {
				t.Errorf("limit %v", l)
			}
			if got := left(goodRow, 3); got != 3 {
				t.Errorf("%d others left while it was tripped, want 3", got)
			}
			w.restart()
			wantError(t, w.infer(t.Context(), request([][4]float32{sureRow})).err, codes.FailedPrecondition, "ACTION_LIMIT_TRIPPED")
			if got := left(goodRow, 1); got != 1 {
				t.Error("the others are withheld after a restart")
			}
			if l, err := w.reset(operatorToken, "share", "r1"); err != nil || l.GetTripped() || l.GetMaxShare() != 0.1 {
				t.Errorf("reset: %v, %v", l, err)
			}
		})
	}
}

// A share that trips, is reset by a person, and holds half for a while: what counts is what is in the window, of before and after, and the alert
// has the numerator and the denominator of each trip. The probation ends by itself, and then all of the share holds.
func TestShareInProbation(t *testing.T) {
	in := newInbox(t, 0)
	const limit = `share: {action: decline, window: 1h, ratio: {numerator: decline, denominator: {every_answer: true}, max_share: 0.2, min_count: 10}, on_trip: reject,
  probation: {share: 0.5, for: PROBATION}, alerts: [{name: desk, webhook: URL, allow_private: true}]}`
	edit := func(probation string) []string {
		return withLimits(strings.NewReplacer("URL", `"`+in.URL+`"`, "PROBATION", probation).Replace(limit))
	}
	w := start(t, edit("10m")...)
	left := func(row [4]float32, n int) (out int) {
		for range n {
			if w.infer(t.Context(), request([][4]float32{row})).err == nil {
				out++
			}
		}
		return out
	}
	trips := func(n int, numerator, bound, denominator int) {
		t.Helper()
		w.eventually(func() bool { return len(in.of("limit.tripped")) == n })
		a := in.of("limit.tripped")[n-1].Data
		if a.Kind != "ratio" || a.Count != numerator || a.MaxCount != bound || a.Denominator == nil || int(*a.Denominator) != denominator || a.Amount != nil {
			t.Errorf("alert %d: %+v (denominator %v), want %d of at most %d among %d", n, a, a.Denominator, numerator, bound, denominator)
		}
		h := w.history("share")
		if len(h) == 0 || h[0].GetDenominator() != int64(denominator) || h[0].GetCount() != int64(numerator) {
			t.Errorf("the history begins with %v", h)
		}
	}

	// 18 others and 4 declines: a fifth would be more than 20 % of 23.
	if a, b := left(goodRow, 18), left(sureRow, 6); a != 18 || b != 4 {
		t.Fatalf("%d others and %d declines left, want 18 and 4", a, b)
	}
	trips(1, 4, 4, 22)
	if l, err := w.reset(operatorToken, "share", "r1"); err != nil || l.GetMaxShare() != 0.1 || l.GetProbationEndTime() == nil {
		t.Fatalf("reset: %v, %v", l, err)
	}
	// 10 % holds, and 4 of 22 are more than that.
	if got := left(sureRow, 2); got != 0 {
		t.Errorf("%d declines left in probation, want none", got)
	}
	trips(2, 4, 2, 22)
	if _, err := w.reset(operatorToken, "share", "r2"); err != nil {
		t.Fatal(err)
	}
	// 45 others in all allow 5 of 50.
	if a, b := left(goodRow, 27), left(sureRow, 3); a != 27 || b != 1 {
		t.Errorf("%d others and %d declines left, want 27 and 1", a, b)
	}
	trips(3, 5, 5, 50)
	w.restart()
	if got := left(sureRow, 1); got != 0 {
		t.Error("a decline left after a restart, of a limit that has tripped")
	}

	// A probation that is over: the next reset begins one of a moment.
	w.stop()
	w.yaml = replaceOnce(t, w.yaml, "for: 10m", "for: 1s")
	w.run()
	if _, err := w.reset(operatorToken, "share", "r3"); err != nil {
		t.Fatal(err)
	}
	w.eventually(func() bool { return w.limit("share").GetProbationEndTime() == nil })
	// 45 others allow 11 of 56 at 20 %.
	if got := left(sureRow, 8); got != 6 {
		t.Errorf("%d declines left after the probation, want 6", got)
	}
	trips(4, 11, 11, 56)
}
