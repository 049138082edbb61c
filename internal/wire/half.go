package wire

import "math"

// fromHalf returns the value of an IEEE 754 binary16 number (FP16).
func fromHalf(h uint16) float64 {
	sign := 1.0
	if h&0x8000 != 0 {
		sign = -1
	}
	exponent, fraction := int(h>>10&0x1f), float64(h&0x3ff)
	switch exponent {
	case 0: // zero and subnormal numbers
		return sign * math.Ldexp(fraction, -24)
	case 0x1f:
		if fraction != 0 {
			return math.NaN()
		}
		return math.Inf(int(sign))
	}
	return sign * math.Ldexp(1024+fraction, exponent-25)
}

// toHalf rounds v to the nearest binary16 number, halves to even. Values beyond 65504 become infinite, NaN a quiet NaN.
func toHalf(v float64) uint16 {
	sign := uint16(0)
	if math.Signbit(v) {
		sign, v = 0x8000, -v
	}
	switch {
	case math.IsNaN(v):
		return 0x7e00
	case math.IsInf(v, 1):
		return sign | 0x7c00
	case v < 0x1p-14:
		// Subnormal: a multiple of 2^-24. Rounding up to 1024 of them gives the smallest normal number, as it should.
		return sign | uint16(math.RoundToEven(v*0x1p24))
	}
	fraction, exponent := math.Frexp(v) // v = fraction * 2^exponent, fraction in [0.5, 1)
	units := math.RoundToEven(fraction * 2048)
	if exponent > 16 || exponent == 16 && units == 2048 {
		return sign | 0x7c00
	}
	// units is 1024 to 2048; adding instead of joining the parts carries 2048 into the exponent.
	return sign | uint16((exponent+13)<<10+int(units))
}

// fromBrain returns the value of a bfloat16 number (BF16), the upper half of a binary32.
func fromBrain(h uint16) float64 {
	return float64(math.Float32frombits(uint32(h) << 16))
}

// toBrain rounds v to the nearest bfloat16 number, halves to even. Values beyond the largest become infinite, NaN a
// quiet NaN.
func toBrain(v float64) uint16 {
	if math.IsNaN(v) {
		return 0x7fc0
	}
	// Rounding to binary32 first could round twice. The bits of a binary64 above those that bfloat16 keeps are rounded
	// at once instead, where the exponents allow: bfloat16 has 8 significant bits and binary32's exponents.
	abs := math.Abs(v)
	var r float64
	switch {
	case math.IsInf(v, 0):
		r = abs
	case abs < 0x1p-126:
		r = math.RoundToEven(abs*0x1p133) * 0x1p-133 // subnormal: a multiple of 2^-133
	default:
		fraction, exponent := math.Frexp(abs)
		r = math.Ldexp(math.RoundToEven(fraction*256), exponent-8)
	}
	return uint16(math.Float32bits(float32(math.Copysign(r, v))) >> 16)
}
