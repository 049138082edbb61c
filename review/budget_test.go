package review_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/candor-gateway/candor/review"
)

// stream is what comes to a queue: how many rows a day, when in the day, and how much each would lose.
type stream struct {
	perDay int
	// at answers a time of day in [0,1).
	at   func(*rand.Rand) float64
	loss func(*rand.Rand) float64
}

func (s stream) day(rng *rand.Rand, begin time.Time, length time.Duration) (at []time.Time, losses []float64) {
	for range s.perDay {
		at = append(at, begin.Add(time.Duration(s.at(rng)*float64(length))))
		losses = append(losses, s.loss(rng))
	}
	slices.SortFunc(at, time.Time.Compare)
	return at, losses
}

func uniform(rng *rand.Rand) float64 { return rng.Float64() }

// caught plays a day and answers the loss that was sent to people, and the most that could have been by somebody who knew the whole day
// before it began.
func caught(t *testing.T, a *review.Arrivals, staff review.Staff, at []time.Time, losses []float64) (got, best float64, taken int64) {
	t.Helper()
	for i, now := range at {
		a.See(staff.Hours, now, losses[i])
		if a.Affords(staff, now, losses[i], review.Spent{Items: taken}) {
			taken++
			got += losses[i]
		}
	}
	sorted := slices.Sorted(slices.Values(losses))
	for _, l := range sorted[max(0, len(sorted)-int(staff.PerDay)):] {
		best += l
	}
	return got, best, taken
}

// How much of the loss that the offline optimum catches is caught by a rule that doesn't know what is still to come.
// go test ./review -run TestBudgetAgainstTheOptimum -v prints the shares.
func TestBudgetAgainstTheOptimum(t *testing.T) {
	lumpy := func(rng *rand.Rand) float64 { return float64(1+rng.IntN(3)) / 4 }
	heavy := func(rng *rand.Rand) float64 { return math.Exp(2 * rng.NormFloat64()) }
	noon := func(rng *rand.Rand) float64 { return (rng.Float64() + rng.Float64()) / 2 }
	for _, c := range []struct {
		name  string
		s     stream
		hours *review.Hours
		least float64
	}{
		{"even, uniform losses", stream{2000, uniform, uniform}, nil, .97},
		{"even, losses of three kinds", stream{2000, uniform, lumpy}, nil, .95},
		{"even, heavy losses", stream{2000, uniform, heavy}, nil, .95},
		{"most at noon, uniform losses", stream{2000, noon, uniform}, nil, .87},
		{"less than there is room for", stream{90, uniform, uniform}, nil, .95},
		{"office hours, rows at any time", stream{2000, uniform, uniform}, hours(t, "Europe/Berlin", "09:00-17:00"), .9},
		{"office hours, rows in them", stream{2000, uniform, uniform}, hours(t, "", working), .97},
	} {
		t.Run(c.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(5, 6))
			staff := review.Staff{Reviewers: 10, PerDay: 200, Hours: c.hours}
			var a review.Arrivals
			var sums [2]float64
			ends := monday
			for day := range 10 {
				var begin time.Time
				begin, ends = staff.Hours.Day(ends)
				if strings.HasSuffix(c.name, "in them") {
					begin = staff.Hours.Add(begin, 0)
				}
				at, losses := c.s.day(rng, begin, ends.Sub(begin))
				got, best, taken := caught(t, &a, staff, at, losses)
				if taken > staff.PerDay {
					t.Fatalf("day %d: %d items of a budget of %d", day, taken, staff.PerDay)
				}
				if day == 0 {
					t.Logf("first day, of which nothing is known: %.1f %% of the optimum's loss, %d of %d items", 100*got/best, taken, staff.PerDay)
					continue
				}
				sums[0], sums[1] = sums[0]+got, sums[1]+best
			}
			t.Logf("days after: %.1f %% of the optimum's loss", 100*sums[0]/sums[1])
			if share := sums[0] / sums[1]; share < c.least {
				t.Errorf("%.3f of the optimum's loss, want %v", share, c.least)
			}
		})
	}
}

// The budget is never passed, whatever comes and whatever was spent before.
func TestBudgetIsNeverPassed(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for range 300 {
		staff := review.Staff{PerDay: 1 + rng.Int64N(50)}
		var a review.Arrivals
		items := rng.Int64N(staff.PerDay + 5)
		begun := items
		now := monday
		for range 500 {
			now = now.Add(time.Duration(rng.IntN(200)) * time.Second)
			if day := now.Truncate(24 * time.Hour); day.After(monday) {
				break
			}
			loss := float64(rng.IntN(5))
			a.See(staff.Hours, now, loss)
			if a.Affords(staff, now, loss, review.Spent{Items: items}) {
				items++
			}
			if items > max(staff.PerDay, begun) {
				t.Fatalf("%d items of a budget of %d", items, staff.PerDay)
			}
		}
	}
}

// Audits are taken first: those that came count, those that will come are kept free.
func TestAuditsAreReserved(t *testing.T) {
	staff := review.Staff{PerDay: 100}
	noon := monday.Truncate(24 * time.Hour).Add(12 * time.Hour)
	for name, c := range map[string]struct {
		spent review.Spent
		want  int64
	}{
		"nothing yet":         {review.Spent{}, 100},
		"forty a day":         {review.Spent{Items: 20, Audits: 40}, 60},
		"more than there are": {review.Spent{Items: 20, Audits: 1000}, 0},
		"all spent":           {review.Spent{Items: 120}, 0},
	} {
		if got := staff.Left(noon, c.spent); got != c.want {
			t.Errorf("%s: %d are left, want %d", name, got, c.want)
		}
	}
}

// What the first rows after a start may take is half of what is left.
func TestBudgetOfAStart(t *testing.T) {
	for _, left := range []int64{1, 2, 10, 30} {
		var a review.Arrivals
		staff, items := review.Staff{PerDay: 100}, 100-left
		for range 19 {
			a.See(nil, monday, .5)
			if a.Affords(staff, monday, .5, review.Spent{Items: items}) {
				items++
			}
		}
		if took := items - (100 - left); took < 1 || took > (left+2)/2 {
			t.Errorf("of %d that were left the first rows took %d", left, took)
		}
	}
}
