package monitor

import "math"

const (
	// subBits: each octave has 2^subBits buckets, so that a bucket is at most 1/64 of min(x, 1-x) wide.
	subBits = 6
	// octaves below 1/2 that are told apart, on either side; what is nearer than 2^-17 to 0 or to 1 is one bucket.
	octaves = 16
	// sideBuckets of each half of [0,1]: the octaves', and the one at the end.
	sideBuckets = octaves<<subBits + 1
	buckets     = 2 * sideBuckets
	// lowest is the exponent and the leading bits of 2^-17 as math.Float64bits has them.
	lowest = (1022 - octaves) << subBits
)

// sketch is a histogram of values in [0,1] with fixed buckets, fine towards both ends: confidences crowd near 1, where a uniform
// grid would put all of them in one bucket. A quantile is off by at most min(x, 1-x)/128 + 2^-18. After the log-linear buckets of
// HdrHistogram. The zero sketch is empty. It takes 8 KiB, and two of them can be added.
type sketch struct {
	n      uint64
	counts [buckets]uint32
}

// bucketOf a value in [0,1]; it never falls when x rises.
func bucketOf(x float64) int {
	y, upper := x, x >= 0.5
	if upper {
		y = 1 - x // exact, by Sterbenz's lemma
	}
	i := int(math.Float64bits(y)>>(52-subBits)) - lowest + 1
	i = min(max(i, 0), sideBuckets-1)
	if upper {
		return buckets - 1 - i
	}
	return i
}

// middleOf is the value that stands for a bucket.
func middleOf(bucket int) float64 {
	i, upper := bucket, bucket >= sideBuckets
	if upper {
		i = buckets - 1 - bucket
	}
	at := func(i int) float64 {
		if i <= 0 {
			return 0
		}
		return math.Float64frombits(uint64(i-1+lowest) << (52 - subBits))
	}
	middle := (at(i) + at(i+1)) / 2
	if upper {
		return 1 - middle
	}
	return middle
}

// add counts a value in [0,1].
func (s *sketch) add(x float64) {
	s.counts[bucketOf(x)]++
	s.n++
}

// quantile answers the value below which a share q in [0,1] lies; NaN when nothing was counted.
func (s *sketch) quantile(q float64) float64 {
	if s.n == 0 {
		return math.NaN()
	}
	return middleOf(s.bucketAt(q * float64(s.n)))
}

// bucketAt is the first bucket up to which at least rank values, and at least one, lie.
func (s *sketch) bucketAt(rank float64) int {
	var sum uint64
	for i, c := range s.counts {
		if sum += uint64(c); sum > 0 && float64(sum) >= rank {
			return i
		}
	}
	return buckets - 1
}

// evenBins of equal width over [0,1] are what even counts by.
const evenBins = 20

// even counts the values by bins of equal width. A bucket counts for the bin that its middle lies in.
func (s *sketch) even() []uint64 {
	out := make([]uint64, evenBins)
	for i, c := range s.counts {
		if c > 0 {
			out[min(int(middleOf(i)*evenBins), evenBins-1)] += uint64(c)
		}
	}
	return out
}
