package simulate

import (
	"math"
	"os"
	"strconv"
	"testing"
)

// suite is the short form; CANDOR_STREAMS=1000 plays as many streams, each twice as long, which is what `candor simulate promise`
// prints. Seeded: the outcome is the same every time.
func suite(t *testing.T) Suite {
	s := Suite{Streams: 100, Rows: 10_000, Alpha: .05, Delta: .05, Seed: 1}
	if text := os.Getenv("CANDOR_STREAMS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("CANDOR_STREAMS=%s: %v", text, err)
		}
		s.Streams, s.Rows = n, 20_000
	}
	return s
}

// TestThePromiseIsKept: in no case do the streams say that the probability of an unsafe one is above delta.
func TestThePromiseIsKept(t *testing.T) {
	table, err := Promise(t.Context(), suite(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range table.Cases {
		if !table.Kept(c) {
			t.Errorf("%s, audit %v: %d of %d streams unsafe, %.3f to %.3f", c.Name, c.Audit, c.Unsafe, c.Streams, c.Low, c.High)
		}
		// A rule that accepts nothing is safe, too: where something is safe, something must be accepted in the end.
		if last := c.Coverage[len(c.Coverage)-1]; c.Oracle > 0 && (last < .01 || last > c.Oracle) {
			t.Errorf("%s, audit %v: coverage %v, the oracle's is %v", c.Name, c.Audit, last, c.Oracle)
		}
	}
}

// TestMutantsAreCaught: the suite would see each of the known mistakes, in a world in which the product's rule is safe.
func TestMutantsAreCaught(t *testing.T) {
	table, err := Mutants(t.Context(), suite(t))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[Mutant]bool{}
	for _, c := range table.Cases {
		seen[c.Mutant] = true
		switch {
		case c.Mutant == None && !table.Kept(c):
			t.Errorf("%s: %d of %d streams unsafe", c.Name, c.Unsafe, c.Streams)
		case c.Mutant != None && !table.Caught(c):
			t.Errorf("%s, %s: only %d of %d streams unsafe, from %.3f", c.Name, c.Mutant, c.Unsafe, c.Streams, c.Low)
		}
	}
	for _, m := range []Mutant{None, Unweighted, BestEmpirical, FailOpen, WholeDelta, SilentDrops, ArrivalOrder, OwnPropensity, RowsAsIfAlone} {
		if !seen[m] {
			t.Errorf("%q wasn't played", m)
		}
	}
}

func TestDrift(t *testing.T) {
	table, err := Drift(t.Context(), DriftSuite{Streams: 40, Alpha: .05, Delta: .05, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if l := table.RunLength; !l.Kept() || l.Runs != 40 {
		t.Errorf("false alarms: %+v", l)
	}
	for i, c := range table.Cases {
		if c.Streams < 30 || c.Flip >= .1 && c.Revoked != c.Streams {
			t.Errorf("%+v: not found", c)
		}
		if c.AuditsMedian > c.AuditsMost || c.ErrorsMedian > c.ErrorsMost || c.ErrorsMedian > c.AcceptedMedian {
			t.Errorf("%+v", c)
		}
		if i > 0 && c.Audit == table.Cases[i-1].Audit && c.AuditsMedian > table.Cases[i-1].AuditsMedian {
			t.Errorf("a larger change is found later: %+v", c)
		}
		// What is said beforehand is about what it takes, where the change is more than a nuance.
		if c.Flip >= .1 && math.Abs(math.Log(c.AuditsMedian/c.AuditsSaid)) > math.Log(2.5) {
			t.Errorf("said %v, took %v", c.AuditsSaid, c.AuditsMedian)
		}
	}
	// Errors reach callers until the alarm: less of them the more is audited.
	if few, many := table.Cases[len(table.Cases)-2], table.Cases[2]; few.ErrorsMedian >= many.ErrorsMedian {
		t.Errorf("audits don't help: %v and %v errors", few.ErrorsMedian, many.ErrorsMedian)
	}
}
