package wire

import (
	"encoding/binary"

	"google.golang.org/grpc/mem"
)

// rawContents is one element of raw_input_contents or raw_output_contents: the bytes themselves, or, where they lie in
// several buffers, where they are.
type rawContents struct {
	near []byte
	far  *Frame // nil: near has them
	at   int
	size int
}

// rawContents is the field that the walker stands at.
func (w *walker) rawContents() rawContents {
	if w.farAway {
		return rawContents{far: w.frame, at: w.end - w.size, size: w.size}
	}
	return rawContents{near: w.data, size: len(w.data)}
}

// bytes returns the contents as one slice, which is a copy where they are far.
func (r *rawContents) bytes() []byte {
	if r.far == nil {
		return r.near
	}
	return r.far.gather(r.at, r.size)
}

// count returns how many elements of the datatype the contents have and how many bytes are left over after the last whole
// one, without copying them.
func (r *rawContents) count(d Datatype) (n int64, rest int) {
	if r.far == nil || d != BYTES {
		elements := run{datatype: d, layout: fixedWidth, width: d.Size(), data: r.near}
		if d == BYTES {
			elements.layout = lengthPrefixed
			return elements.count()
		}
		return int64(r.size / d.Size()), r.size % d.Size()
	}
	c := stepper{buffers: r.far.buffers}
	c.step(r.at)
	for left := r.size; left > 0; n++ {
		var length [4]byte
		if left < len(length) {
			return n, left
		}
		c.read(length[:])
		size := uint64(binary.LittleEndian.Uint32(length[:]))
		if size > uint64(left-len(length)) {
			return n, left
		}
		c.step(int(size))
		left -= len(length) + int(size)
	}
	return n, 0
}

// stepper reads here and there in buffers, always forward. What it reads must be there.
type stepper struct {
	buffers mem.BufferSlice
	off     int // in the first of them
}

// step moves n bytes on.
func (s *stepper) step(n int) {
	s.off += n
	for len(s.buffers) > 0 && s.off >= s.buffers[0].Len() {
		s.off -= s.buffers[0].Len()
		s.buffers = s.buffers[1:]
	}
}

// read fills b and moves on.
func (s *stepper) read(b []byte) {
	for len(b) > 0 {
		n := copy(b, s.buffers[0].ReadOnlyData()[s.off:])
		b = b[n:]
		s.step(n)
	}
}
