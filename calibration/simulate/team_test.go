package simulate

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

const hourUS = int64(time.Hour / time.Microsecond)

func TestReviewersTakeTurns(t *testing.T) {
	var d desk
	d.reset(&Team{Reviewers: 2, PerHour: 2, Deadline: time.Hour})
	rng := rand.New(rand.NewPCG(1, 1))
	for i, want := range []struct {
		at      int64
		missing bool
	}{{hourUS / 2, false}, {hourUS / 2, false}, {hourUS, true}, {hourUS, true}, {hourUS, true}} {
		// The third could be taken up at ½ h and be done at 1 h: just too late. The fourth likewise; no one begins the fifth.
		if e := d.finish(rng, true, 0); e.atUS != want.at || e.missing != want.missing || e.loss != 1 {
			t.Errorf("row %d: %+v, want %+v", i, e, want)
		}
	}
	// Both reviewers are free again at 1 h.
	if e := d.finish(rng, false, 2*hourUS); e.atUS != 2*hourUS+hourUS/2 || e.missing || e.loss != 0 {
		t.Errorf("later: %+v", e)
	}
}

func TestDelaysAndErrors(t *testing.T) {
	var d desk
	d.reset(&Team{Delay: time.Hour, Slower: 3, Error: .1})
	rng := rand.New(rand.NewPCG(1, 1))
	const n = 20_000
	for wrong, want := range map[bool]struct{ hours, loss float64 }{false: {1, .1}, true: {3, .9}} {
		hours, loss := 0.0, 0.0
		for range n {
			e := d.finish(rng, wrong, 0)
			hours, loss = hours+float64(e.atUS)/float64(hourUS)/n, loss+e.loss/n
		}
		// Four standard deviations of an exponential, and of a share.
		if math.Abs(hours-want.hours) > 4*want.hours/math.Sqrt(n) || math.Abs(loss-want.loss) > 4*.3/math.Sqrt(n) {
			t.Errorf("wrong %v: %v hours, loss %v; want %v", wrong, hours, loss, want)
		}
	}
}

func TestEventsComeInOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	var q events
	var want, got []int64
	for range 1000 {
		at := rng.Int64N(500)
		want = append(want, at)
		q.push(event{atUS: at})
	}
	slices.Sort(want)
	for len(q) > 0 {
		got = append(got, q.pop().atUS)
	}
	if !slices.Equal(got, want) {
		t.Error("events are out of order")
	}
}

func TestOdds(t *testing.T) {
	for _, c := range []struct {
		name      string
		policy    Policy
		acting    bool
		admission float64
		want      odds
	}{
		{"observe", Policy{Audit: .1}, true, 1, odds{.1, .1, .1}},
		{"observe, nothing certified", Policy{Audit: .1}, false, 1, odds{.1, .1, .1}},
		{"enforce, nothing certified", Policy{Audit: .1, Enforce: true}, false, 1, odds{1, 1, 1}},
		{"enforce", Policy{Audit: .1, Enforce: true}, true, 1, odds{.1, .1, 1}},
		{"with a fallback", Policy{Audit: .1, Enforce: true, Fallback: true}, false, 1, odds{.1, .1, .1}},
		// Half of those that the audit leaves find room: 0.1 + 0.9·0.5.
		{"little room, nothing certified", Policy{Audit: .1, Enforce: true}, false, .5, odds{.55, .55, .55}},
		{"little room", Policy{Audit: .1, Enforce: true}, true, .5, odds{.1, .1, .55}},
		{"no room", Policy{Audit: .1, Enforce: true}, true, 0, odds{.1, .1, .1}},
	} {
		got := c.policy.odds(c.acting, c.admission)
		if math.Abs(got.least-c.want.least)+math.Abs(got.accepted-c.want.accepted)+math.Abs(got.other-c.want.other) > 1e-12 {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestInterval: Clopper and Pearson's limits for 10 of 100, from their tables as in R's binom.test: 0.0490 and 0.1762; for none
// of 59, 1 - 0.025^(1/59).
func TestInterval(t *testing.T) {
	for _, c := range []struct {
		k, n      int
		low, high float64
	}{{10, 100, .0490, .1762}, {0, 59, 0, 1 - math.Pow(.025, 1.0/59)}, {5, 5, math.Pow(.025, .2), 1}} {
		if low, high := Interval(c.k, c.n); math.Abs(low-c.low) > 1e-4 || math.Abs(high-c.high) > 1e-4 {
			t.Errorf("%d of %d: %v to %v", c.k, c.n, low, high)
		}
	}
}
