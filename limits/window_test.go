package limits

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestWindowAgainstSlice compares the ring with a sorted slice under random operations.
func TestWindowAgainstSlice(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		bound := 1 + rnd.IntN(40)
		w := newWindow(int64(bound))
		var model []int64
		now := int64(1000)
		for range 400 {
			switch rnd.IntN(6) {
			case 0, 1, 2:
				now += rnd.Int64N(4)
				at := now + rnd.Int64N(8) // some lie ahead, as after a crash
				w.insert(at)
				model = append(model, at)
				slices.Sort(model)
				if len(model) > bound {
					model = model[1:]
				}
			case 3:
				edge := now - 10 - rnd.Int64N(20)
				w.expire(edge)
				model = slices.DeleteFunc(model, func(at int64) bool { return at <= edge })
			case 4:
				at := now - rnd.Int64N(20)
				w.remove(at)
				if i := slices.Index(model, at); i >= 0 {
					model = slices.Delete(model, i, i+1)
				}
			case 5:
				edge := now - rnd.Int64N(30)
				want := len(slices.DeleteFunc(slices.Clone(model), func(at int64) bool { return at <= edge }))
				if got := w.after(edge); got != want {
					t.Fatalf("seed %d: after(%d) = %d, want %d", seed, edge, got, want)
				}
			}
			got := make([]int64, w.n)
			for i := range got {
				got[i] = w.at(i)
			}
			if !slices.Equal(got, model) {
				t.Fatalf("seed %d, bound %d: window %v, want %v", seed, bound, got, model)
			}
			if len(w.buf) > bound {
				t.Fatalf("seed %d: %d slots for at most %d releases", seed, len(w.buf), bound)
			}
		}
	}
}
