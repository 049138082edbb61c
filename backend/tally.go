package backend

import "time"

// tallyBuckets divides a replica's window, which slides by one bucket at a time.
const tallyBuckets = 10

// tally counts calls and failures within a window that slides. Times are those since any one moment, by the monotonic clock. The
// zero tally is empty. It needs a lock of its user's.
type tally struct {
	buckets [tallyBuckets]bucket
	// newest is the number of the newest bucket.
	newest int64
}

type bucket struct{ calls, failures int64 }

// add counts one call that ended now.
func (t *tally) add(now, window time.Duration, failed bool) {
	t.slide(now, window)
	b := &t.buckets[t.newest%tallyBuckets]
	b.calls++
	if failed {
		b.failures++
	}
}

// sum is what ended within the window before now.
func (t *tally) sum(now, window time.Duration) (total bucket) {
	t.slide(now, window)
	for _, b := range t.buckets {
		total.calls += b.calls
		total.failures += b.failures
	}
	return total
}

// slide empties the buckets that have left the window.
func (t *tally) slide(now, window time.Duration) {
	number := int64(now / max(1, window/tallyBuckets))
	for range min(number-t.newest, tallyBuckets) {
		t.newest++
		t.buckets[t.newest%tallyBuckets] = bucket{}
	}
	// After a long silence all are empty, wherever the newest is.
	t.newest = max(t.newest, number)
}

// share of the calls that failed; 0 of none.
func (b bucket) share() float64 {
	if b.calls == 0 {
		return 0
	}
	return float64(b.failures) / float64(b.calls)
}
