package limits

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestTallyAgainstSlice: what is counted after a moment is between all that was there since, and that without the part the moment is in.
func TestTallyAgainstSlice(t *testing.T) {
	for seed := range uint64(100) {
		rnd := rand.New(rand.NewPCG(seed, 4))
		width := time.Duration(1 + rnd.IntN(40))
		var c tally
		var model []int64
		now, expired := int64(1000), int64(0)
		for range 400 {
			switch rnd.IntN(6) {
			case 0, 1, 2:
				now += rnd.Int64N(30)
				c.add(now, 1, width)
				model = append(model, now)
			case 3:
				if n := len(model); n > 0 {
					i := rnd.IntN(n)
					if start, ok := c.take(model[i]); ok && (start > model[i] || start <= model[i]-int64(width)) {
						t.Fatalf("seed %d: %d is taken from the part at %d", seed, model[i], start)
					} else if ok {
						model = slices.Delete(model, i, i+1)
					}
				}
			case 4:
				expired = max(expired, now-rnd.Int64N(200))
				c.expire(expired)
				model = slices.DeleteFunc(model, func(at int64) bool { return at <= expired })
			case 5:
				bound := max(expired, now-rnd.Int64N(200))
				since := func(bound int64) (n int64) {
					for _, at := range model {
						if at > bound {
							n++
						}
					}
					return n
				}
				if got := c.after(bound); got > since(bound) || got < since(bound+int64(width)) {
					t.Fatalf("seed %d: %d after %d, want %d to %d", seed, got, bound, since(bound+int64(width)), since(bound))
				}
			}
		}
	}
}

// TestTallyIsBounded: in any window there are no more parts than it is divided into, and one; what the store isn't told of stays as small.
func TestTallyIsBounded(t *testing.T) {
	synced := limit{def: declinesOf(500_000, 2, time.Minute), state: &state{}}
	shared := limit{def: synced.def, state: &state{shared: true}}
	for i := range 100_000 {
		at := epoch.Add(time.Duration(i) * 3 * time.Millisecond)
		m := moment{t: at.UnixNano(), process: at}
		synced.tallyUp(m)
		shared.tallyUp(m)
	}
	for _, n := range []int{len(synced.others.bins), len(synced.outbox.waiting), len(shared.outbox.waiting)} {
		if n > tallyParts+2 || n < tallyParts/2 {
			t.Errorf("%d parts of a window that is divided into %d", n, tallyParts)
		}
	}
}

// TestWeigh: what is told twice counts once, as old as it can be; what was taken back stays as long as it was there; what the limit's time
// has lost makes all of it older.
func TestWeigh(t *testing.T) {
	var a Account
	var rows memTallies
	at := func(s int) time.Time { return modelEpoch.Add(time.Duration(s) * time.Second) }
	weigh := func(now int, report *Report) int64 {
		t.Helper()
		r := LeaseRequest{
			Lease: Lease{Limit: "a", From: at(0), Until: at(1)}, Window: 10 * time.Second,
			Share: &Share{PPM: 500_000, Min: 2}, Report: report,
		}
		others, err := a.Weigh(&rows, &r, at(now), at(now))
		if err != nil || r.Max != max(1, others/2) {
			t.Errorf("at %d: %d of %d, %v", now, r.Max, others, err)
		}
		return others
	}
	one := &Report{By: "x", Seq: 1, Width: 9766 * time.Microsecond, Tallies: []Tally{{at(0), 8}, {at(5), 4}}}
	for range 2 {
		if n := weigh(6, one); n != 12 {
			t.Errorf("%d, want 12", n)
		}
	}
	if n := weigh(7, &Report{By: "y", Seq: 1, Width: 9766 * time.Microsecond, Tallies: []Tally{{at(0), 1}}}); n != 13 {
		t.Errorf("%d, want one more, of another", n)
	}
	if n := weigh(7, &Report{By: "x", Seq: 2, Width: 9766 * time.Microsecond, Tallies: []Tally{{at(5), -1}}}); n != 12 {
		t.Errorf("%d, want one less", n)
	}
	// Those of 0 leave before 10, when a lease of a second is granted at 9.
	if n := weigh(9, nil); n != 3 {
		t.Errorf("%d, want those of 5", n)
	}
	a.Lost = 3 * time.Second // 12 at the latest
	if n := weigh(9, nil); n != 3 {
		t.Errorf("%d, want those of 5", n)
	}
	a.Lost = 6 * time.Second
	if n := weigh(9, nil); n != 0 {
		t.Errorf("%d, want none: it may be 15 already", n)
	}
	a.Lost = 3 * time.Hour
	weigh(9, nil)
	if len(rows.tallies) != 0 || len(rows.reporters) != 0 {
		t.Errorf("%v by %v are kept for ever", rows.tallies, rows.reporters)
	}
}
