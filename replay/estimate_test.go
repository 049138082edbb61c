package replay

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The interval covers the truth as often as it says, whether rows come alone or share the fate of their call, and whether errors are
// frequent or rare. Rows that were deferred are all judged, those that were accepted by a coin.
func TestIntervalCoversTheTruth(t *testing.T) {
	const (
		runs        = 1500
		coin        = .1
		deferred    = .3
		errDeferred = .3
	)
	for name, c := range map[string]struct {
		calls, perCall int
		errAccepted    float64
	}{
		"single rows":             {2000, 1, .05},
		"calls that share a fate": {1000, 4, .05},
		"rare errors":             {3000, 1, .004},
	} {
		t.Run(name, func(t *testing.T) {
			truth := deferred*errDeferred + (1-deferred)*c.errAccepted
			covered, naive := 0, 0
			rng := rand.New(rand.NewPCG(7, uint64(c.calls)))
			for range runs {
				var s, unweighted weighted
				for call := range c.calls {
					id := [16]byte{byte(call), byte(call >> 8)}
					q, rate := coin, c.errAccepted
					if rng.Float64() < deferred {
						q, rate = 1, errDeferred
					}
					wrong, chosen := rng.Float64() < rate, rng.Float64() < q
					for range c.perCall {
						if chosen {
							s.add(id, q, wrong)
							unweighted.add(id, 1, wrong)
						}
					}
				}
				covered += int(one(covers(s.rate(), truth)))
				naive += int(one(covers(unweighted.rate(), truth)))
			}
			least := level - 3*math.Sqrt(level*(1-level)/runs)
			if share := float64(covered) / runs; share < least {
				t.Errorf("covers the truth in %.3f of the runs, want at least %.3f", share, least)
			}
			if share := float64(naive) / runs; share > .2 {
				t.Errorf("without weights it would cover in %.3f of the runs, too: the test shows nothing", share)
			}
		})
	}
}

func covers(r Rate, truth float64) bool {
	return r.Status == Estimated && r.Low <= truth && truth <= r.High
}

// With equal weights and single rows it is the interval of Clopper and Pearson. Reference: Newcombe, Statistics in Medicine 17 (1998)
// 857-872, table I, method 5.
func TestEqualWeightsAreClopperPearson(t *testing.T) {
	for _, c := range []struct {
		k, n      int
		low, high float64
	}{{81, 263, .2527, .3676}, {15, 148, .0578, .1617}} {
		var s weighted
		for i := range c.n {
			s.add([16]byte{byte(i), byte(i >> 8)}, .25, i < c.k)
		}
		r := s.rate()
		// The linearised variance has n-1 for n: so much for the tolerance.
		if math.Abs(r.Rate-float64(c.k)/float64(c.n)) > 1e-12 || math.Abs(r.Low-c.low) > 6e-4 || math.Abs(r.High-c.high) > 6e-4 ||
			math.Abs(r.Effective-float64(c.n-1)) > 1e-6 {
			t.Errorf("%d of %d: %+v", c.k, c.n, r)
		}
	}
}

func TestTooFewAreNoEstimate(t *testing.T) {
	var s weighted
	if r := s.rate(); r.Status != InsufficientData || r.Needed != minJudged {
		t.Errorf("nothing: %+v", r)
	}
	// A hundred rows of one call are one observation.
	for range 100 {
		s.add([16]byte{1}, 1, true)
	}
	if r := s.rate(); r.Status != InsufficientData || r.Judged != 100 || r.Calls != 1 || math.IsNaN(r.Effective) {
		t.Errorf("one call: %+v", r)
	}
	var right weighted
	for i := range minJudged {
		right.add([16]byte{byte(i)}, 1, false)
	}
	// No error among 30: 1 - .025^(1/30).
	if r := right.rate(); r.Status != Estimated || r.Rate != 0 || r.Low != 0 || math.Abs(r.High-.1157033) > 1e-6 {
		t.Errorf("no error: %+v", r)
	}
}

// Reference: Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3.
func TestWilson(t *testing.T) {
	for _, c := range []struct {
		k, n      uint64
		low, high float64
	}{{81, 263, .2553, .3662}, {15, 148, .0624, .1605}, {0, 20, 0, .1611}, {1, 29, .0061, .1718}} {
		if s := shareOf(c.k, c.n); math.Abs(s.Low-c.low) > 5e-5 || math.Abs(s.High-c.high) > 5e-5 {
			t.Errorf("%d of %d: %+v", c.k, c.n, s)
		}
	}
	for _, s := range []Share{shareOf(0, 0), shareOf(0, 10), shareOf(10, 10)} {
		if !(s.Low >= 0 && s.Low <= s.Share && s.Share <= s.High && s.High <= 1) {
			t.Errorf("%+v", s)
		}
	}
}
