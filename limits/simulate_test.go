package limits

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func offers(times ...time.Time) []Offer {
	out := make([]Offer, len(times))
	for i, at := range times {
		out[i].At = at
	}
	return out
}

func TestSimulate(t *testing.T) {
	at := func(s int) time.Time { return epoch.Add(time.Duration(s) * time.Second) }
	def := declines(2, 10*time.Second)
	def.After = Aftermath{SharePPM: 500_000, For: 30 * time.Second}
	times := offers(at(0), at(1), at(2), at(3), at(70), at(71), at(200), at(201))
	for name, tt := range map[string]struct {
		after time.Duration
		want  Simulation
	}{
		"reset after a minute, into probation": {time.Minute, Simulation{
			Offered: 8, Released: 5, Withheld: 3, Peak: 4, PeakEnd: at(3), Trips: []SimulatedTrip{
				{Limit: "declines", At: at(2), Bound: 2, Withheld: 2, Reset: at(62)}, {Limit: "declines", At: at(71), Bound: 1, Withheld: 1, Reset: at(131)},
			},
		}},
		"nobody resets it": {0, Simulation{Offered: 8, Released: 2, Withheld: 6, Peak: 4, PeakEnd: at(3), Trips: []SimulatedTrip{{Limit: "declines", At: at(2), Bound: 2, Withheld: 6}}}},
	} {
		got, err := Simulate(def, times, tt.after)
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
	if _, err := Simulate(declines(0, time.Second), times, 0); err == nil {
		t.Error("a limit of nothing was simulated")
	}
	if got, err := Simulate(def, nil, 0); err != nil || got.Offered != 0 || got.Peak != 0 || len(got.Trips) != 0 {
		t.Errorf("of nothing: %+v, %v", got, err)
	}
}

// The peak is the least bound that doesn't trip; and a simulated limit does to answers what a Gate does.
func TestSimulateIsTheGate(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		var times []time.Time
		now := epoch
		for range 60 {
			now = now.Add(time.Duration(r.IntN(3000)) * time.Millisecond)
			times = append(times, now)
		}
		window := time.Duration(1+r.IntN(20)) * time.Second
		all, err := Simulate(declines(1000, window), offers(times...), 0)
		if err != nil {
			t.Fatal(err)
		}
		if s, _ := Simulate(declines(all.Peak, window), offers(times...), 0); len(s.Trips) != 0 {
			t.Errorf("seed %d: the peak of %d trips", seed, all.Peak)
		}
		if all.Peak > 1 {
			if s, _ := Simulate(declines(all.Peak-1, window), offers(times...), 0); len(s.Trips) == 0 {
				t.Errorf("seed %d: less than the peak of %d doesn't trip", seed, all.Peak)
			}
		}
		def := declines(max(1, all.Peak-2), window)
		s, err := Simulate(def, offers(times...), 0)
		if err != nil {
			t.Fatal(err)
		}
		g := newGate(t, newMemStore(t), epoch, Options{}, def)
		var released int64
		for _, at := range times {
			if g.Acquire(t.Context(), at, Answer{Action: "decline"}).Released {
				released++
			}
		}
		if released != s.Released {
			t.Errorf("seed %d: the gate released %d, the simulation %d", seed, released, s.Released)
		}
	}
}
