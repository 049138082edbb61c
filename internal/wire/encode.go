package wire

import (
	"encoding/binary"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// bitsOf returns the bits that hold v in the datatype, as run.numbers gives them. Integers are rounded to the nearest,
// halves to even. It reports false if the datatype can't hold v, or would only as an infinity.
func bitsOf(d Datatype, v float64) (uint64, bool) {
	switch d {
	case FP16:
		h := toHalf(v)
		return uint64(h), math.IsInf(v, 0) || h&0x7fff != 0x7c00
	case BF16:
		h := toBrain(v)
		return uint64(h), math.IsInf(v, 0) || h&0x7fff != 0x7f80
	case FP32:
		f := float32(v)
		return uint64(math.Float32bits(f)), math.IsInf(v, 0) || !math.IsInf(float64(f), 0)
	case FP64:
		return math.Float64bits(v), true
	case BOOL:
		if v == 0 || v == 1 {
			return uint64(v), true
		}
		return 0, false
	}
	v = math.RoundToEven(v)
	switch d {
	case INT8, INT16, INT32, INT64:
		limit := math.Ldexp(1, 8*d.Size()-1)
		if !(-limit <= v && v < limit) { // NaN is in no range
			return 0, false
		}
		return uint64(int64(v)), true
	case UINT8, UINT16, UINT32, UINT64:
		if !(0 <= v && v < math.Ldexp(1, 8*d.Size())) {
			return 0, false
		}
		return uint64(v), true
	}
	return 0, false
}

// addBits appends one element to a run of numbers.
func (r *run) addBits(bits uint64) {
	switch {
	case r.layout == varints:
		r.data = protowire.AppendVarint(r.data, bits)
	case r.width == 1:
		r.data = append(r.data, byte(bits))
	case r.width == 2:
		r.data = binary.LittleEndian.AppendUint16(r.data, uint16(bits))
	case r.width == 4:
		r.data = binary.LittleEndian.AppendUint32(r.data, uint32(bits))
	default:
		r.data = binary.LittleEndian.AppendUint64(r.data, bits)
	}
}

// addFloats appends numbers to a run of any datatype but BYTES.
func (r *run) addFloats(vs []float64) error {
	for i, v := range vs {
		bits, ok := bitsOf(r.datatype, v)
		if !ok {
			return faultf("", "", "element %d is %v, which %v can't hold", i, v, r.datatype)
		}
		r.addBits(bits)
	}
	return nil
}

// addTexts appends elements to a run of BYTES.
func (r *run) addTexts(vs [][]byte) error {
	for i, v := range vs {
		if r.layout == lengthPrefixed {
			if int64(len(v)) > math.MaxUint32 {
				return faultf("", "", "element %d has %d bytes, raw contents allow 4 GiB", i, len(v))
			}
			r.data = binary.LittleEndian.AppendUint32(r.data, uint32(len(v)))
			r.data = append(r.data, v...)
		} else {
			r.data = appendBytes(r.data, protowire.Number(bytesContents), v)
		}
	}
	return nil
}

// add appends numbers or BYTES, whichever the datatype takes; want is how many there must be.
func (r *run) add(floats []float64, texts [][]byte, want int64) error {
	have := len(floats)
	switch {
	case r.datatype != BYTES && len(texts) > 0:
		return faultf("", "", "elements of %v are given as Floats, not Texts", r.datatype)
	case r.datatype == BYTES && len(floats) > 0:
		return faultf("", "", "elements of BYTES are given as Texts, not Floats")
	case r.datatype == BYTES:
		have = len(texts)
	}
	if int64(have) != want {
		return faultf("", "", "%d elements given where there are %d", have, want)
	}
	if r.datatype == BYTES {
		return r.addTexts(texts)
	}
	return r.addFloats(floats)
}
