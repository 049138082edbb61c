package certificate

import (
	"math"
	"math/rand/v2"
	"testing"

	"google.golang.org/protobuf/proto"
)

func draw(t *testing.T, s *Stream, least float64, rows ...Row) []Ticket {
	t.Helper()
	tickets, err := s.Draw(least, rows, day)
	if err != nil {
		t.Fatal(err)
	}
	return tickets
}

// TestStreamWaitsForItsTurn: what comes early is kept, and what comes twice is refused.
func TestStreamWaitsForItsTurn(t *testing.T) {
	s, err := NewStream(keyOf(.2, .05, 2, .5), day)
	if err != nil {
		t.Fatal(err)
	}
	row := Row{Confidence: .9, Propensity: .5}
	first, second, third := draw(t, s, .5, row, row), draw(t, s, .5, row), draw(t, s, .5, row)
	settle := func(ticket Ticket, loss float64, consumed uint64, open int) {
		t.Helper()
		if _, err := s.Settle(ticket, loss, false, 2*day); err != nil {
			t.Fatal(err)
		}
		if s.State.GetUnitsConsumed() != consumed || s.Open() != open {
			t.Fatalf("%d units consumed, %d open; want %d and %d", s.State.GetUnitsConsumed(), s.Open(), consumed, open)
		}
	}
	settle(third[0], 1, 0, 3)
	settle(first[0], 0, 0, 3)
	for _, ticket := range []Ticket{third[0], first[0]} {
		if _, err := s.Settle(ticket, 0, false, 2*day); err == nil {
			t.Error("a row was settled twice")
		}
	}
	for _, loss := range []float64{-1, 1.5, math.NaN()} {
		if _, err := s.Settle(first[1], loss, false, 2*day); err == nil {
			t.Errorf("loss %v was taken", loss)
		}
	}
	settle(first[1], 1, 1, 2)
	if s.State.GetOldestOpenUs() != day {
		t.Error("the oldest open unit isn't known")
	}
	settle(second[0], 0, 3, 0)
	if s.State.GetOldestOpenUs() != 0 {
		t.Error("nothing is open, and something is the oldest")
	}
	settle(second[0], 1, 3, 0) // consumed before: a repetition, that changes nothing
	settle(Ticket{}, 1, 3, 0)
	// 1 + 0.8·0.5/0.8·(1/0.5)·(0.2 - 0.8)/2, then right, then wrong.
	want := math.Log(1-.3) + math.Log(1+.5*.4/2) + math.Log(1-.5*1.6/2)
	if got := s.State.GetLogWealth()[4]; math.Abs(got-want) > 1e-12 {
		t.Errorf("ln W %v, want %v", got, want)
	}
}

// TestStreamRestarts: after the alarm the next version knows nothing, and verdicts of the old one are nothing to it.
func TestStreamRestarts(t *testing.T) {
	s, err := NewStream(keyOf(.05, .05, 1, .5), day)
	if err != nil {
		t.Fatal(err)
	}
	row := Row{Confidence: .9, Propensity: .1, Accepted: true}
	var tickets []Ticket
	for range 10 {
		tickets = append(tickets, draw(t, s, .1, row)...)
	}
	fired := 0
	for i, ticket := range tickets {
		c, err := s.Settle(ticket, 1, false, day)
		if err != nil {
			t.Fatal(err)
		}
		if c.Fired {
			fired = i + 1
		}
	}
	if fired != 4 || len(s.Ended) != 1 || s.State.GetVersion() != 2 || s.State.GetUnitsConsumed() != 0 || s.Open() != 0 {
		t.Errorf("fired at %d, version %d, %d units", fired, s.State.GetVersion(), s.State.GetUnitsConsumed())
	}
	if s.State.GetDelta() != VersionDelta(.05, 2) {
		t.Errorf("delta %v", s.State.GetDelta())
	}
}

// TestOrderOfVerdictsDoesNotMatter: a stream whose verdicts arrive in any order ends in the state of one where they arrive in
// order of draws.
func TestOrderOfVerdictsDoesNotMatter(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		ordered, err := NewStream(burning(20, 5, .4), day)
		if err != nil {
			t.Fatal(err)
		}
		mixed, err := NewStream(burning(20, 5, .4), day)
		if err != nil {
			t.Fatal(err)
		}
		var a, b []Ticket
		for range 100 {
			row := Row{Confidence: rng.Float64(), Propensity: .2}
			a, b = append(a, draw(t, ordered, .2, row)...), append(b, draw(t, mixed, .2, row)...)
		}
		losses := make([]float64, len(a))
		for i := range losses {
			losses[i] = float64(rng.IntN(2))
		}
		for i, ticket := range a {
			if _, err := ordered.Settle(ticket, losses[i], losses[i] == 1 && i%3 == 0, day); err != nil {
				t.Fatal(err)
			}
		}
		for _, i := range rng.Perm(len(b)) {
			if _, err := mixed.Settle(b[i], losses[i], losses[i] == 1 && i%3 == 0, day); err != nil {
				t.Fatal(err)
			}
		}
		if !proto.Equal(ordered.State, mixed.State) {
			t.Fatalf("%v\n%v", ordered.State, mixed.State)
		}
	}
}
