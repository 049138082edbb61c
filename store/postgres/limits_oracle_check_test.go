package postgres_test

import (
	"bufio"
	"cmp"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// oracleEntry is what a gateway wrote down of one answer: it was decided between from and to.
type oracleEntry struct {
	what             string
	from, to, amount int64
}

// readOracleLogs answers what all gateways wrote down of a limit. An answer of a denominator that a gateway was killed over counted until
// the next one had started, at most.
func readOracleLogs(t *testing.T, dir, limit string) (all []oracleEntry) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*."+limit))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		asking := -1
		for lines := bufio.NewScanner(f); lines.Scan(); {
			var e oracleEntry
			// The last line of one that was killed may be cut short.
			if n, _ := fmt.Sscan(strings.TrimSpace(lines.Text()), &e.what, &e.from, &e.to, &e.amount); n != 4 || e.from > e.to {
				continue
			}
			switch e.what {
			case "asks":
				asking = len(all)
				all = append(all, oracleEntry{"other", e.from, math.MaxInt64, 1})
			case "other", "starts":
				if asking >= 0 {
					all[asking].to, asking = e.to, -1
				}
			default:
				all = append(all, e)
			}
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// harms is what was done to the gateways, and when.
type harms struct {
	kills, cuts []int64
	// stops, and when those ended that were longer than a lease: what such a gateway had in hand it may have settled too late.
	stops int
	long  []int64
}

// within counts what may strand permits in a window that ends at t: what was in hand then counts from a lease later at most.
func (h *harms) within(t int64) (n int) {
	for _, at := range slices.Concat(h.kills, h.cuts, h.long) {
		if at > t-int64(oracleWindow+oracleLease) && at <= t {
			n++
		}
	}
	return n
}

// always is how much may be released in every window, and most how much where a ratio counts so many others.
func (k oracleKind) always() int64 { return k.most(0) }

func (k oracleKind) most(others int) int64 {
	const whole = 1_000_000
	if r := k.def.Ratio; r != nil {
		return max(r.MinCount*r.SharePPM/whole, int64(others)*r.SharePPM/(whole-r.SharePPM))
	}
	return k.def.MaxCount
}

// oracleSum is what a limit has released: in all, in a window at most, and how many times more than is allowed without others. excess is of
// the first window that held too much.
type oracleSum struct {
	of           map[string][]oracleEntry
	sum, largest int64
	beyond       int
	excess       string
}

// add adds up every window that ends with a release. A release counts only if it was in the window for sure, and in all but those
// of stopped processes the two readings are microseconds apart. For a ratio it takes the last of those releases: an answer of the denominator
// counts if it may have been in the window that ended with that.
func (k oracleKind) add(all []oracleEntry) (s oracleSum) {
	s.of = map[string][]oracleEntry{}
	for _, e := range all {
		s.of[e.what] = append(s.of[e.what], e)
	}
	released, others := s.of["released"], s.of["other"]
	slices.SortFunc(released, func(a, b oracleEntry) int { return cmp.Compare(a.to, b.to) })
	oldest := 0
	for i, end := range released {
		s.sum += end.amount
		for released[oldest].to <= end.to-int64(oracleWindow) {
			oldest++
		}
		var n, last int64
		for _, e := range released[oldest : i+1] {
			if e.from > end.to-int64(oracleWindow) {
				n, last = n+e.amount, max(last, e.from)
			}
		}
		possible := 0
		for _, e := range others {
			if e.to > last-int64(oracleWindow) && e.from <= end.to {
				possible++
			}
		}
		s.largest = max(s.largest, n)
		if most := k.most(possible); n > most && s.excess == "" {
			s.excess = fmt.Sprintf("the window of %v that ends at %d holds %d of at most %d, beside %d others", oracleWindow, end.to, n, most, possible)
		}
		if n > k.always() {
			s.beyond++
		}
	}
	return s
}

// enough says whether it was tried enough.
func (k oracleKind) enough(s *oracleSum, harm *harms) bool {
	return s.sum >= 2*k.always() && len(s.of["trip"]) > 0 && len(harm.kills) > 0 && harm.stops > 0 && len(harm.cuts) > 0 && (k.other == "" || s.beyond >= 10)
}

// check looks at every window, and then at every trip: what was left of the limit then had been leased to gateways that were killed, cut off,
// or stopped for longer than a lease, no more than a lease in hand and one under way each, of an eighth of what was left, or of one amount.
func (k oracleKind) check(t *testing.T, all []oracleEntry, harm harms) {
	t.Helper()
	s := k.add(all)
	if s.excess != "" {
		t.Error(s.excess)
	}
	if n := len(s.of["withheld"]); n > 0 {
		t.Errorf("%d answers of the denominator were withheld", n)
	}
	released := s.of["released"]
	stranded := int64(0)
	for _, trip := range s.of["trip"] {
		// What was released within a lease of the window's begin may count until a lease later.
		at, n := trip.to, int64(0)
		for _, e := range released {
			if e.to <= at && e.from > at-int64(oracleWindow+2*oracleLease) {
				n += e.amount
			}
		}
		stranded = max(stranded, k.always()-n)
		h := harm.within(at)
		slack := max(8, k.amounts*int64(2*h+1))
		if least := float64(k.always()) * math.Pow(1-1.0/8, float64(2*h)); float64(n) < least-float64(slack) {
			t.Errorf("a trip with %d released, although only %d gateways were killed, cut off, or stopped for longer than a lease", n, h)
		}
	}
	t.Logf("%d released by 8 gateways in %d answers, at most %d in a window of %v (limit %d; %d answers beside %d others were above it); %d trips, "+
		"with at most %d stranded; %d unavailable; %d killed, %d stopped, %d cut off", s.sum, len(released), s.largest, oracleWindow, k.always(), s.beyond,
		len(s.of["other"]), len(s.of["trip"]), stranded, len(s.of["unavailable"]), len(harm.kills), harm.stops, len(harm.cuts))
	if !k.enough(&s, &harm) {
		t.Errorf("the test tries too little")
	}
}
