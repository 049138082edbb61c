package gateway_test

import (
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
