package limits

import (
	"testing"
	"time"
)

// TestLostIsBounded: a gateway whose wall clock says 1970, and which never learns it, makes void what others know with every other question, for
// hours. What is lost stays bounded, the limit's time goes no faster than time, and a ratio is counted against nothing that has left its
// window.
func TestLostIsBounded(t *testing.T) {
	const window, every = 10 * time.Second, time.Second
	a := Account{Clock: epoch, Born: epoch}
	var rows memTallies
	var seen [2]Sighting
	process := time.Now()
	began, last := a.Clock, a.Clock
	void, largest := 0, time.Duration(0)
	for i := range 8000 {
		passed := time.Duration(i+1) * every
		at := process.Add(passed)
		wall := epoch.Add(passed)
		if i%2 == 1 {
			wall = time.Unix(0, 0).Add(passed)
		}
		read := Readings{Server: epoch.Add(passed), Before: at, After: at, Wall: wall, Limit: "a"}
		r := LeaseRequest{Lease: Lease{Limit: "a", From: epoch, Until: epoch.Add(every)}, Window: window, Share: &Share{PPM: 500_000, Min: 2}}
		if i%2 == 0 {
			r.Report = &Report{By: "x", Seq: int64(i + 1), Width: time.Millisecond, Tallies: []Tally{{at.Add(-every), 1}}}
		}
		born := a.Born
		now := a.Tick(read, seen[i%2])
		others, err := a.Weigh(&rows, &r, now, at)
		if err != nil {
			t.Fatal(err)
		}
		seen[i%2] = seen[i%2].or(a.Sight(read, now))
		if !a.Born.Equal(born) {
			void++
		}
		if most := int64(window/every/2) + 1; others > most {
			t.Fatalf("question %d, %v lost: counted against %d, of at most %d in the window", i, a.Lost, others, most)
		}
		if now.Before(last) || now.Sub(began) > passed {
			t.Fatalf("question %d: %v have passed in %v, after %v", i, now.Sub(began), passed, last.Sub(began))
		}
		if last, largest = now, max(largest, a.Lost); a.Lost < 0 || a.Lost > mostLostInAll {
			t.Fatalf("question %d: %v lost", i, a.Lost)
		}
		if len(rows.tallies) > int(window/every) || len(rows.reporters) > 1 {
			t.Fatalf("question %d: %d counts of %d gateways are kept", i, len(rows.tallies), len(rows.reporters))
		}
	}
	if void < 3000 || largest < mostLostInAll-2*mostLost {
		t.Errorf("%d times void, %v lost at most: there is nothing to see here", void, largest)
	}
}

// TestLostBeginsAnew: at the bound all is as it was; one microsecond later, and where more was lost than can be, nothing is known any more, of a ratio
// or of the time, and what was reported before still counts once.
func TestLostBeginsAnew(t *testing.T) {
	const window = 10 * time.Second
	process := time.Now()
	at := process.Add(time.Second)
	report := func(seq int64, tallies ...Tally) *Report {
		return &Report{By: "x", Seq: seq, Width: time.Millisecond, Tallies: tallies}
	}
	for name, c := range map[string]struct {
		lost time.Duration
		anew bool
	}{
		"the bound": {mostLostInAll, false}, "above it": {mostLostInAll + time.Microsecond, true}, "more than a time has": {1<<63 - 1, true}, "less than nothing": {-time.Microsecond, true},
	} {
		a := Account{Clock: epoch, Born: epoch, Lost: min(c.lost, 200*365*24*time.Hour)}
		var rows memTallies
		weigh := func(report *Report, of *Share) int64 {
			t.Helper()
			r := LeaseRequest{Lease: Lease{Limit: "a", From: epoch, Until: epoch.Add(time.Second)}, Window: window, Share: of, Report: report}
			others, err := a.Weigh(&rows, &r, epoch.Add(time.Second), at)
			if err != nil {
				t.Fatal(err)
			}
			return others
		}
		share := &Share{PPM: 500_000, Min: 2}
		first := report(1, Tally{process, 8})
		if err := a.collect(&rows, first, epoch.Add(a.Lost), at, window); err != nil {
			t.Fatal(err)
		}
		_, _ = rows.Reported("x", 1, epoch.Add(a.Lost))
		a.Lost = c.lost
		before := a.Sight(Readings{Before: process, After: process, Wall: epoch}, epoch)
		want, lost := int64(8), c.lost
		if c.anew {
			want, lost = 0, 0
		}
		if n := weigh(first, share); n != want || a.Lost != lost {
			t.Errorf("%s: counted against %d, want %d; %v lost, want %v", name, n, want, a.Lost, lost)
		}
		if _, told := before.bounds(&a, Readings{Before: at, After: at, Wall: epoch.Add(time.Second)}); told == c.anew {
			t.Errorf("%s: what was seen before is known %t", name, told)
		}
		// What was counted is taken back, and another one comes.
		if n := weigh(report(2, Tally{process, -1}), share); n != max(0, want-1) {
			t.Errorf("%s: with one taken back counted against %d", name, n)
		}
		if n := weigh(report(3, Tally{at, 3}), share); n > want+2 || n < 2 {
			t.Errorf("%s: then counted against %d", name, n)
		}
		// Limits of other kinds lose anew as well.
		a.Lost = c.lost
		if weigh(nil, nil); a.Lost != lost {
			t.Errorf("%s: no ratio: %v lost, want %v", name, a.Lost, lost)
		}
	}
}
