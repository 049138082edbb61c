package wire

import (
	"encoding/binary"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// layout is how the elements of a run are encoded, one after another.
type layout uint8

const (
	fixedWidth     layout = iota // raw numbers, fp32_contents, fp64_contents: little-endian
	varints                      // the other typed numbers
	lengthPrefixed               // raw BYTES: the length in 4 bytes, little-endian, then the element
	wholeFields                  // bytes_contents: each element with its protobuf tag and length
)

// run is the elements of one tensor, of one datatype, one after another. Raw and typed contents are both runs, so that
// everything below is written once.
type run struct {
	datatype Datatype
	layout   layout
	width    int // bytes of an element if fixedWidth
	data     []byte
}

// newRun returns an empty run as raw or typed contents hold the datatype; false if there is none.
func newRun(d Datatype, raw bool) (run, bool) {
	r := run{datatype: d}
	switch {
	case !d.known():
		return r, false
	case raw && d == BYTES:
		r.layout = lengthPrefixed
	case raw || d == FP32 || d == FP64:
		r.layout, r.width = fixedWidth, d.Size()
	case d == BYTES:
		r.layout = wholeFields
	case d.content() == 0:
		return r, false
	default:
		r.layout = varints
	}
	return r, true
}

// elementSize returns how many bytes the first element of data takes, negative if there is no whole one.
func (r run) elementSize(data []byte) int {
	switch r.layout {
	case varints:
		if len(data) > 0 && data[0] < 0x80 {
			return 1
		}
		_, n := protowire.ConsumeVarint(data)
		return n
	case lengthPrefixed:
		if len(data) < 4 {
			return -1
		}
		n := uint64(binary.LittleEndian.Uint32(data))
		if n > uint64(len(data)-4) {
			return -1
		}
		return 4 + int(n)
	case wholeFields:
		_, _, n := protowire.ConsumeField(data)
		return n
	}
	if len(data) < r.width {
		return -1
	}
	return r.width
}

// count returns how many elements the run has, and how many bytes are left over after the last whole one.
func (r run) count() (n int64, rest int) {
	if r.layout == fixedWidth {
		return int64(len(r.data) / r.width), len(r.data) % r.width
	}
	data := r.data
	for len(data) > 0 {
		size := r.elementSize(data)
		if size < 0 {
			return n, len(data)
		}
		data = data[size:]
		n++
	}
	return n, 0
}

// seek returns where the n-th element after offset from begins; the run must have that many.
func (r run) seek(from, n int) int {
	if r.layout == fixedWidth {
		return from + n*r.width
	}
	for range n {
		from += r.elementSize(r.data[from:])
	}
	return from
}

// numbers calls yield for each element's bits, as the datatype holds them: integers in two's complement, extended to
// 64 bits by their sign; floating-point numbers in their own width. It stops at an error.
func (r run) numbers(yield func(bits uint64) error) error {
	for i, data := int64(0), r.data; len(data) > 0; i++ {
		size := r.elementSize(data)
		if size < 0 {
			return faultf("", "", "element %d is truncated", i)
		}
		var bits uint64
		if r.layout == varints {
			var ok bool
			v, _ := protowire.ConsumeVarint(data)
			if bits, ok = narrow(r.datatype, v); !ok {
				return faultf("", "send values that the datatype holds", "element %d is %d, which %v can't hold", i, int64(v), r.datatype)
			}
		} else {
			bits = load(r.datatype, data[:size])
		}
		if err := yield(bits); err != nil {
			return err
		}
		data = data[size:]
	}
	return nil
}

// load reads one little-endian element.
func load(d Datatype, b []byte) uint64 {
	switch d {
	case BOOL:
		if b[0] != 0 {
			return 1
		}
		return 0
	case INT8:
		return uint64(int8(b[0]))
	case INT16:
		return uint64(int16(binary.LittleEndian.Uint16(b)))
	case INT32:
		return uint64(int32(binary.LittleEndian.Uint32(b)))
	}
	switch len(b) {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(binary.LittleEndian.Uint16(b))
	case 4:
		return uint64(binary.LittleEndian.Uint32(b))
	}
	return binary.LittleEndian.Uint64(b)
}

// narrow takes a varint of typed contents for what protobuf takes it for, an int32 for example, and reports whether
// the datatype holds that.
func narrow(d Datatype, v uint64) (uint64, bool) {
	switch d {
	case BOOL:
		return protowire.EncodeBool(protowire.DecodeBool(v)), true
	case INT8, INT16, INT32:
		n := int64(int32(v))
		limit := int64(1) << (8*d.Size() - 1)
		return uint64(n), -limit <= n && n < limit
	case UINT8, UINT16, UINT32:
		n := uint64(uint32(v))
		return n, n < 1<<(8*d.Size())
	}
	return v, true
}

// float returns the value of an element's bits. FP32 and FP64 are read by run.floats itself.
func float(d Datatype, bits uint64) float64 {
	switch d {
	case INT8, INT16, INT32, INT64:
		return float64(int64(bits))
	case FP16:
		return fromHalf(uint16(bits))
	case BF16:
		return fromBrain(uint16(bits))
	}
	return float64(bits)
}

// floats appends the elements of a run of numbers.
func (r run) floats(dst []float64) ([]float64, error) {
	// The most frequent scores get loops of their own.
	switch r.datatype {
	case FP32:
		for data := r.data; len(data) >= 4; data = data[4:] {
			dst = append(dst, float64(math.Float32frombits(binary.LittleEndian.Uint32(data))))
		}
		return dst, nil
	case FP64:
		for data := r.data; len(data) >= 8; data = data[8:] {
			dst = append(dst, math.Float64frombits(binary.LittleEndian.Uint64(data)))
		}
		return dst, nil
	}
	before := len(dst)
	err := r.numbers(func(bits uint64) error {
		dst = append(dst, float(r.datatype, bits))
		return nil
	})
	if err != nil {
		return dst[:before], err
	}
	return dst, nil
}

// texts appends the elements of a run of BYTES; they alias it.
func (r run) texts(dst [][]byte) [][]byte {
	for data := r.data; len(data) > 0; {
		size := r.elementSize(data)
		if size < 0 {
			break
		}
		if r.layout == lengthPrefixed {
			dst = append(dst, data[4:size:size])
		} else {
			_, _, tag := protowire.ConsumeTag(data)
			element, _ := protowire.ConsumeBytes(data[tag:])
			dst = append(dst, element)
		}
		data = data[size:]
	}
	return dst
}
