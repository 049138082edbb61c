package limits

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestWindowAgainstSlice compares the ring with a sorted slice under random operations, where each of the slice's is one unit.
func TestWindowAgainstSlice(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		bound, largest := 1+rnd.IntN(40), 1
		if seed%2 == 1 {
			largest = 12
		}
		w := window{max: int64(bound), span: 100}
		var model []int64
		now, gone := int64(1000), int64(0)
		forget := func(until int) {
			if until > 0 {
				gone = max(gone, model[until-1])
				model = slices.Delete(model, 0, until)
			}
		}
		for range 400 {
			switch rnd.IntN(6) {
			case 0, 1, 2:
				now += rnd.Int64N(4)
				at := now + rnd.Int64N(8) // some lie ahead, as after a crash
				n := 1 + rnd.IntN(largest)
				w.insert(at, int64(n))
				for range n {
					model = append(model, at)
				}
				slices.Sort(model)
				forget(len(model) - bound)
			case 3:
				edge := now - 10 - rnd.Int64N(20)
				w.expire(edge)
				i, _ := slices.BinarySearch(model, edge+1)
				forget(i)
			case 4:
				at := now - rnd.Int64N(20)
				n := 1 + rnd.IntN(largest)
				if i := slices.Index(model, at); i >= 0 && at > gone {
					w.remove(at, int64(n))
					for range n {
						if i < len(model) && model[i] == at {
							model = slices.Delete(model, i, i+1)
						}
					}
				} else if at <= gone {
					w.remove(at, int64(n)) // does nothing
				}
			case 5:
				edge := now - rnd.Int64N(30)
				i, _ := slices.BinarySearch(model, edge+1)
				if got, want := w.after(edge), int64(len(model)-i); got != want {
					t.Fatalf("seed %d: after(%d) = %d, want %d", seed, edge, got, want)
				}
				if of := len(model) - i; of > 0 {
					n := 1 + rnd.IntN(of)
					if got := w.last(edge, int64(n)); got != model[i+n-1] {
						t.Fatalf("seed %d: %d of those after %d are complete at %d, want %d", seed, n, edge, got, model[i+n-1])
					}
				}
			}
			var got []int64
			for i := range w.n {
				for range w.at(i).n {
					got = append(got, w.at(i).t)
				}
			}
			if !slices.Equal(got, model) || w.sum != int64(len(model)) {
				t.Fatalf("seed %d, bound %d: window %v with a sum of %d, want %v", seed, bound, got, w.sum, model)
			}
		}
	}
}

// TestWindowIsMerged: more entries than a window keeps are merged at the later time. At no moment does it hold less than what is
// exact, and it never holds more than that and what a merged part is longer.
func TestWindowIsMerged(t *testing.T) {
	span := int64(time.Hour)
	w := window{max: largestSum, span: span}
	rnd := rand.New(rand.NewPCG(1, 1))
	type release struct{ t, n, until int64 }
	var all []release // until: all that was released up to and with this
	var sum int64
	upTo := func(t int64) int64 { // what was released at or before t
		i, _ := slices.BinarySearchFunc(all, t+1, func(r release, t int64) int { return int(max(-1, min(1, r.t-t))) })
		if i == 0 {
			return 0
		}
		return all[i-1].until
	}
	now, most := int64(time.Hour), 0
	step := span / 1_800_000 // so that a window has more than are kept
	for range 4_000_000 {
		now += 1 + rnd.Int64N(2*step)
		n := 1 + rnd.Int64N(1000)
		sum += n
		all = append(all, release{now, n, sum})
		w.expire(now - span)
		w.insert(now, n)
		most = max(most, w.n)
		if len(all)%997 == 0 {
			exact, cautious := sum-upTo(now-span), sum-upTo(now-span-span/mergedInto)
			if w.sum < exact || w.sum > cautious {
				t.Fatalf("after %d releases the window counts %d; exact is %d, and with a part that leaves late %d", len(all), w.sum, exact, cautious)
			}
		}
	}
	if most != largestWindow {
		t.Errorf("%d entries at most, want %d: nothing was merged", most, largestWindow)
	}
	// What is taken back is found in what it was merged into; of what has left nothing is.
	before := w.sum
	for _, r := range all[len(all)-1000:] {
		w.remove(r.t, r.n)
		before -= r.n
	}
	w.remove(all[0].t, all[0].n)
	if w.sum != before {
		t.Errorf("%d after 1000 were taken back, want %d", w.sum, before)
	}
}
