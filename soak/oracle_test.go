package soak

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// call is what a caller was told. What was decided was decided between sent and seen, which both are times since work began.
type call struct {
	gateway    int
	sent, seen time.Duration
	reason     string // why nothing was released; empty: it was
}

func (c call) released() bool { return c.reason == "" }

// mayBeReleased says whether the call may have used a permit, whether its caller knows or not.
func (c call) mayBeReleased() bool {
	return c.reason != withheldTripped && c.reason != withheldUnavailable
}

// onlyThose are the calls of which so is true.
func onlyThose(calls []call, so func(call) bool) []call {
	return slices.DeleteFunc(slices.Clone(calls), func(c call) bool { return !so(c) })
}

// toldInstead counts what callers were told who got no release.
func toldInstead(calls []call) string {
	told := map[string]int{}
	for _, c := range calls {
		if !c.released() {
			told[c.reason]++
		}
	}
	var out []string
	for _, reason := range slices.Sorted(maps.Keys(told)) {
		out = append(out, fmt.Sprintf("%s %d", reason, told[reason]))
	}
	return strings.Join(out, ", ")
}

// tripSeen is a trip, which came between two instants.
type tripSeen struct{ after, by time.Duration }

// harm is when something was done that may strand permits, and to how many gateways.
type harm struct {
	at       time.Duration
	gateways int
}

// mostInAWindow is the largest number of releases that were in one window for sure: in every span of the length that ends when a
// release was seen, those that were asked for and seen in it. A release whose answer took long may have been earlier than the span
// or in it; it counts only where it was in it for sure.
func mostInAWindow(releases []call, window time.Duration) (most int) {
	sorted := slices.SortedFunc(slices.Values(releases), func(a, b call) int { return cmp.Compare(a.seen, b.seen) })
	oldest := 0
	for i, end := range sorted {
		for sorted[oldest].seen <= end.seen-window {
			oldest++
		}
		n := 0
		for _, r := range sorted[oldest : i+1] {
			if r.sent > end.seen-window {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}

// stranded answers, of the trip that is nearest to its bound, how many permits of the limit were used for nobody in the window before it, and
// the most that docs/limits.md allows there: each gateway that was harmed forfeits a lease in hand and one under way, each at most an
// eighth of what was left; besides, permits are leased one by one near the limit. Releases are all calls whose permit may have been used:
// also those of which callers don't know.
func stranded(releases []call, trips []tripSeen, harms []harm) (most, bound int, within bool) {
	within = true
	for i, trip := range trips {
		// What was released within a lease of the window's begin may count until a lease later.
		begin := trip.after - fleetWindow - 2*fleetLease
		n := 0
		for _, r := range releases {
			if r.sent <= trip.by && r.seen > begin {
				n++
			}
		}
		harmed := 0
		for _, h := range harms {
			if h.at > begin && h.at <= trip.by {
				harmed += h.gateways
			}
		}
		left := fleetMax * (1 - math.Pow(1-1.0/8, float64(2*harmed)))
		allowed := min(fleetMax, int(math.Ceil(left))+8)
		lost := max(0, fleetMax-n)
		if lost > allowed {
			within = false
		}
		if i == 0 || lost*bound > most*allowed || lost*bound == most*allowed && allowed < bound {
			most, bound = lost, allowed
		}
	}
	return most, bound, within
}

// TestOracle: the oracle finds one release too many, and isn't misled by answers that took long.
func TestOracle(t *testing.T) {
	const window = 10 * time.Second
	at := func(sent, seen int) call {
		return call{sent: time.Duration(sent) * time.Second, seen: time.Duration(seen) * time.Second}
	}
	for _, c := range []struct {
		name     string
		releases []call
		want     int
	}{
		{"none", nil, 0},
		{"all in one", []call{at(1, 2), at(3, 4), at(9, 10)}, 3},
		{"a window apart", []call{at(1, 2), at(12, 13)}, 1},
		{"the middle has most", []call{at(0, 1), at(20, 21), at(22, 23), at(24, 25), at(50, 51)}, 3},
		{"one may have been before the window", []call{at(1, 12), at(13, 14), at(14, 15)}, 2},
		{"in any order", []call{at(24, 25), at(0, 1), at(22, 23)}, 2},
	} {
		if got := mostInAWindow(c.releases, window); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
	trips := []tripSeen{{after: 20 * time.Second, by: 21 * time.Second}}
	if lost, bound, within := stranded(make([]call, 10), trips, nil); within || lost != fleetMax || bound >= fleetMax {
		t.Errorf("without harm and without a release %d are stranded, at most %d", lost, bound)
	}
	if _, _, within := stranded(nil, trips, []harm{{20 * time.Second, 100}}); !within {
		t.Error("all gateways were harmed, and nothing may be stranded")
	}
}
