package wire

import (
	"io"

	"google.golang.org/protobuf/encoding/protowire"
)

// walker walks the top-level fields of a message that lies in a frame's buffers, as cursor does in one slice. A field
// that lies in one buffer is aliased; one that doesn't is copied, unless it is the far field: raw contents, which nobody
// may ever look at, are left where they are.
type walker struct {
	cursor
	frame *Frame
	far   protowire.Number

	ahead int // index of the buffer after the one that the cursor is in
	// start and end are where the field lies in the message, in bytes from its begin.
	start, end int
	// beyond is how many bytes the message has after the cursor's buffer.
	beyond int
	// farAway: data isn't there; it is the size bytes before end.
	farAway bool
	size    int
}

// walk begins at the frame's first field. far is the number of the field that may stay where it is; 0: none.
func walk(f *Frame, far protowire.Number) walker {
	return walker{frame: f, far: far, beyond: f.Len()}
}

// next moves to the next field, as cursor.next does.
func (w *walker) next() bool {
	if w.err != nil {
		return false
	}
	w.farAway = false
	for len(w.rest) == 0 {
		if w.ahead == len(w.frame.buffers) {
			return false
		}
		w.load()
	}
	w.start = w.end
	if w.beyond == 0 || w.whole() {
		before := len(w.rest)
		ok := w.cursor.next()
		w.end = w.start + before - len(w.rest)
		return ok
	}
	return w.split()
}

// load moves the cursor to the next buffer.
func (w *walker) load() {
	w.rest = w.frame.buffers[w.ahead].ReadOnlyData()
	w.ahead++
	w.beyond -= len(w.rest)
}

// whole reports whether the next field ends inside the cursor's buffer.
func (w *walker) whole() bool {
	_, typ, n := protowire.ConsumeTag(w.rest)
	if n < 0 {
		return protowire.ParseError(n) != io.ErrUnexpectedEOF
	}
	if typ != protowire.BytesType {
		// A group may have any length: looked at twice here, and met by nobody.
		_, _, m := protowire.ConsumeField(w.rest)
		return m >= 0 || protowire.ParseError(m) != io.ErrUnexpectedEOF
	}
	size, m := protowire.ConsumeVarint(w.rest[n:])
	if m < 0 {
		return protowire.ParseError(m) != io.ErrUnexpectedEOF
	}
	return size <= uint64(len(w.rest)-n-m)
}

// maxHead is the most that a tag and a length take.
const maxHead = 2 * 10

// split reads a field that goes beyond the cursor's buffer.
func (w *walker) split() bool {
	left := len(w.rest) + w.beyond
	head := w.frame.gather(w.start, min(left, maxHead))
	num, typ, n := protowire.ConsumeTag(head)
	if n < 0 {
		return w.fail(n)
	}
	length := left // of a group: as much as there is
	switch typ {
	case protowire.BytesType:
		size, m := protowire.ConsumeVarint(head[n:])
		if m < 0 {
			return w.fail(m)
		}
		if size > uint64(left-n-m) {
			w.err = malformed(io.ErrUnexpectedEOF)
			return false
		}
		length = n + m + int(size)
		if num == w.far && num <= protowire.MaxValidNumber {
			w.num, w.typ, w.data, w.bits = num, typ, nil, 0
			w.farAway, w.size = true, int(size)
			w.skip(length)
			return true
		}
	case protowire.VarintType, protowire.Fixed32Type, protowire.Fixed64Type:
		length = len(head)
	}
	one := cursor{rest: w.frame.gather(w.start, length)}
	if !one.next() {
		w.err = one.err
		return false
	}
	w.num, w.typ, w.span, w.body, w.data, w.bits = one.num, one.typ, one.span, one.body, one.data, one.bits
	w.skip(len(one.span))
	return true
}

// skip moves n bytes on.
func (w *walker) skip(n int) {
	w.end = w.start + n
	for n > len(w.rest) {
		n -= len(w.rest)
		w.load()
	}
	w.rest = w.rest[n:]
}
