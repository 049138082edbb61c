package wire

import (
	"math"
	"testing"
)

func TestHalfKnownValues(t *testing.T) {
	for _, tt := range []struct {
		bits  uint16
		value float64
	}{
		{0x0000, 0}, {0x3c00, 1}, {0xc000, -2}, {0x7bff, 65504}, {0x0400, 0x1p-14}, {0x0001, 0x1p-24},
		{0x03ff, 1023 * 0x1p-24}, {0x3555, 0.333251953125}, {0x7c00, math.Inf(1)}, {0xfc00, math.Inf(-1)},
	} {
		if got := fromHalf(tt.bits); got != tt.value {
			t.Errorf("fromHalf(%#04x) = %v, want %v", tt.bits, got, tt.value)
		}
		if got := toHalf(tt.value); got != tt.bits {
			t.Errorf("toHalf(%v) = %#04x, want %#04x", tt.value, got, tt.bits)
		}
	}
}

func TestBrainKnownValues(t *testing.T) {
	for _, tt := range []struct {
		bits  uint16
		value float64
	}{
		{0x0000, 0}, {0x3f80, 1}, {0xc000, -2}, {0x4049, 3.140625}, {0x7f80, math.Inf(1)}, {0x0001, 0x1p-133},
		{0x0080, 0x1p-126}, {0x7f7f, 0x1.fep127},
	} {
		if got := fromBrain(tt.bits); got != tt.value {
			t.Errorf("fromBrain(%#04x) = %v, want %v", tt.bits, got, tt.value)
		}
		if got := toBrain(tt.value); got != tt.bits {
			t.Errorf("toBrain(%v) = %#04x, want %#04x", tt.value, got, tt.bits)
		}
	}
}

// Every 16-bit number comes back as itself, and whatever lies between two neighbours goes to the nearer one, halves to
// the even one.
func TestSixteenBitRounding(t *testing.T) {
	for _, f := range []struct {
		name     string
		from     func(uint16) float64
		to       func(float64) uint16
		infinity uint16
	}{
		{"FP16", fromHalf, toHalf, 0x7c00},
		{"BF16", fromBrain, toBrain, 0x7f80},
	} {
		for bits := range f.infinity {
			low := f.from(bits)
			high := f.from(bits + 1)
			if bits+1 == f.infinity { // as if the numbers went on
				high = low + (low - f.from(bits-1))
			}
			middle := low + (high-low)/2
			even := bits + bits&1
			for _, tt := range []struct {
				value float64
				want  uint16
			}{
				{low, bits},
				{middle, even},
				{math.Nextafter(middle, 0), bits},
				{math.Nextafter(middle, math.Inf(1)), bits + 1},
			} {
				if got := f.to(tt.value); got != tt.want {
					t.Fatalf("%s: %v gives %#04x, want %#04x", f.name, tt.value, got, tt.want)
				}
				if got := f.to(-tt.value); got != tt.want|0x8000 {
					t.Fatalf("%s: %v gives %#04x, want %#04x", f.name, -tt.value, got, tt.want|0x8000)
				}
			}
		}
		for _, v := range []float64{1e300, math.MaxFloat64, math.Inf(1)} {
			if got := f.to(v); got != f.infinity {
				t.Errorf("%s: %v gives %#04x, want infinity", f.name, v, got)
			}
		}
		if !math.IsNaN(f.from(f.to(math.NaN()))) {
			t.Errorf("%s: NaN is lost", f.name)
		}
	}
}
