package certificate

import (
	"math/rand/v2"
	"testing"
)

// Of 100 calls 98 have one row, of which 1 % are wrong, and 2 have 100 rows, of which 20 % are wrong: 13.8 % of all rows. The wealth must not be
// told of fewer rows than there are. Cut to a row each, as a unit of one row would have it, large calls hide what is wrong; declared, they don't.
func TestLargerCallsHideErrors(t *testing.T) {
	const calls, large = 2000, 100
	certified := func(maxRows uint32, cut bool) bool {
		s, err := NewStream(keyOf(0.05, 0.05, maxRows, 0.5), 1)
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(3, 4))
		for range calls {
			n, wrong := 1, 0.01
			if r.Float64() < 0.02 {
				n, wrong = large, 0.2
			}
			if cut {
				n = 1
			}
			rows := make([]Row, n)
			for i := range rows {
				rows[i] = Row{Confidence: 0.9, Propensity: 1}
			}
			tickets, err := s.Draw(1, rows, 1)
			if err != nil {
				t.Fatal(err)
			}
			for _, at := range tickets {
				loss := 0.0
				if r.Float64() < wrong {
					loss = 1
				}
				if _, err := s.Settle(at, loss, false, 1); err != nil {
					t.Fatal(err)
				}
			}
		}
		_, ok := Threshold(s.State)
		return ok
	}
	if !certified(1, true) {
		t.Error("cut to one row, large calls no longer hide their errors: then there is another reason for refusing them")
	}
	if certified(large, false) {
		t.Error("an error rate of 13.8 % is certified for 5 %")
	}
}
