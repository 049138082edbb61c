package limits

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSimulateRatio(t *testing.T) {
	at := func(s int, action string) Offer {
		return Offer{At: epoch.Add(time.Duration(s) * time.Second), Action: action}
	}
	answers := []Offer{
		at(0, "approve"), at(1, "approve"), at(2, "approve"), at(3, "decline"), at(4, "decline"), at(5, "page"), at(6, "decline"), at(7, "approve"),
		at(80, "decline"), at(81, "decline"),
	}
	got, err := Simulate(declinesOf(400_000, 3, 10*time.Second, "decline", "approve"), answers, time.Minute)
	want := Simulation{
		Offered: 5, Released: 3, Withheld: 2, Others: 4, Peak: 2, PeakPPM: 666_667, PeakEnd: at(81, "").At,
		Trips: []SimulatedTrip{
			{At: at(6, "").At, Bound: 2, Withheld: 1, Reset: at(66, "").At}, {At: at(81, "").At, Bound: 1, Withheld: 1, Reset: at(141, "").At},
		},
	}
	for i := range want.Trips {
		want.Trips[i].Limit = "declines"
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// The largest share is the least bound that doesn't trip; and a simulated ratio does to answers what a Gate does.
func TestSimulatedRatioIsTheGate(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 5))
		var answers []Offer
		now := epoch
		for range 80 {
			now = now.Add(time.Duration(1+r.IntN(3000)) * time.Millisecond)
			answers = append(answers, Offer{At: now, Action: everyAction[r.IntN(len(everyAction))]})
		}
		least := 4 + r.Int64N(10)
		def := func(ppm int64) Definition {
			return declinesOf(ppm, least, time.Duration(1+seed%20)*time.Second, [][]string{nil, {"approve"}, {"decline", "approve"}}[seed%3]...)
		}
		all, err := Simulate(def(500_000), answers, 0)
		if err != nil {
			t.Fatal(err)
		}
		if all.PeakPPM < whole {
			if s, err := Simulate(def(all.PeakPPM), answers, 0); err != nil || len(s.Trips) != 0 {
				t.Errorf("seed %d: the largest share of %d trips (%v)", seed, all.PeakPPM, err)
			}
		}
		if less := all.PeakPPM - 1; less >= (whole+least-1)/least {
			if s, err := Simulate(def(less), answers, 0); err != nil || len(s.Trips) == 0 {
				t.Errorf("seed %d: less than the largest share of %d doesn't trip (%v)", seed, all.PeakPPM, err)
			}
		}
		s, err := Simulate(def(300_000), answers, 0)
		if err != nil {
			t.Fatal(err)
		}
		g := newGate(t, newMemStore(t), epoch, Options{}, def(300_000))
		var released int64
		for _, a := range answers {
			if g.Acquire(context.Background(), a.At, Answer{Action: a.Action}).Released && a.Action == "decline" {
				released++
			}
		}
		if released != s.Released {
			t.Errorf("seed %d: the gate released %d, the simulation %d", seed, released, s.Released)
		}
	}
}
