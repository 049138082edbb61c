package backend

import (
	"math/rand/v2"
	"testing"
	"time"
)

// A tally's sum lies between what ended within the window less one bucket, and within the whole window.
func TestTallySlides(t *testing.T) {
	const window = 10 * time.Second
	type event struct {
		at     time.Duration
		failed bool
	}
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 0))
		var tl tally
		var all []event
		var now time.Duration
		for range 400 {
			now += time.Duration(random.Int64N(int64(200 * time.Millisecond)))
			if random.IntN(50) == 0 {
				now += time.Duration(random.Int64N(int64(3 * window)))
			}
			e := event{now, random.IntN(3) == 0}
			all = append(all, e)
			tl.add(now, window, e.failed)
			var least, most bucket
			for _, e := range all {
				add := func(b *bucket, since time.Duration) {
					if e.at <= since {
						return
					}
					b.calls++
					if e.failed {
						b.failures++
					}
				}
				add(&least, now-window+window/tallyBuckets)
				add(&most, now-window)
			}
			if sum := tl.sum(now, window); sum.calls < least.calls || sum.calls > most.calls || sum.failures < least.failures || sum.failures > most.failures {
				t.Fatalf("seed %d, at %v: %+v is not within %+v and %+v", seed, now, sum, least, most)
			}
		}
	}
}
