package backend

import "testing"

// One of high priority whose calls don't end keeps out no other that comes, and what both may begin beyond the limit is bounded: by a half
// of it with what others were spared.
func TestSeatsOfHighPriorityAreShared(t *testing.T) {
	for _, test := range []struct{ limit, first, second, all int }{{16, 4, 2, 24}, {64, 16, 8, 96}, {1, 1, 1, 4}} {
		l := newLimiter(256, true)
		l.g.limit = float64(test.limit)
		hold(l, of("greedy"))
		spared := len(hold(l, of("modest")))
		if got := len(hold(l, caller{class: class(high), consumer: "first"})); got != test.first {
			t.Errorf("limit %d: %d places for the first of high priority, want %d", test.limit, got, test.first)
		}
		if got := len(hold(l, caller{class: class(high), consumer: "second"})); got != test.second {
			t.Errorf("limit %d: %d places for the second, want %d", test.limit, got, test.second)
		}
		if l.used != test.all {
			t.Errorf("limit %d: %d calls are in flight, %d of them spared; want %d", test.limit, l.used, spared, test.all)
		}
	}
}
