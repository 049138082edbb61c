package wire

import (
	"fmt"

	"google.golang.org/grpc/mem"
)

// fewBuffers is how many buffers a frame holds without an allocation of its own: what came, and what is added to it.
const fewBuffers = 4

// Frame is one whole protobuf message as bytes, in one piece or several. Given to a gRPC call as the message, it is sent
// as it is; given as the place to receive into, it holds the bytes that came, in the buffers in which gRPC read them. The
// zero value is an empty message.
//
// A frame that was received, or made of one that was, holds references to gRPC's pooled buffers. They are given up by
// sending it, which such a frame allows once, or by [Frame.Free]; a frame that meets neither is left to the garbage
// collector, which costs the pool a buffer and nothing else. Frames and views that were made of it have references of
// their own, except for tensors and other views that alias it: see [Frame.Free].
type Frame struct {
	buffers mem.BufferSlice
	few     [fewBuffers]mem.Buffer
	// counted: some buffers may be pooled, so that each reference can be given up once only.
	counted, spent bool
}

// NewFrame returns a frame that holds the segments one after another. They are not copied: the caller doesn't change
// them any more. It may be sent any number of times, by several calls at once.
func NewFrame(segments ...[]byte) *Frame {
	f := new(Frame)
	for _, s := range segments {
		f.add(s)
	}
	return f
}

// add appends bytes that the garbage collector owns.
func (f *Frame) add(b []byte) {
	if len(b) > 0 {
		f.attach(mem.SliceBuffer(b))
	}
}

// attach appends a buffer and takes over its reference.
func (f *Frame) attach(b mem.Buffer) {
	if f.buffers == nil {
		f.buffers = f.few[:0]
	}
	f.buffers = append(f.buffers, b)
}

// Len returns the length of the message in bytes.
func (f *Frame) Len() int { return f.buffers.Len() }

// Bytes returns the message as one slice, which the caller doesn't change. It copies only if the message is in several
// pieces.
func (f *Frame) Bytes() []byte {
	switch len(f.buffers) {
	case 0:
		return nil
	case 1:
		return f.buffers[0].ReadOnlyData()
	}
	out := make([]byte, 0, f.Len())
	for _, b := range f.buffers {
		out = append(out, b.ReadOnlyData()...)
	}
	return out
}

// Free gives up the frame's references. The frame is empty afterwards, and nothing that aliases it may be looked at any
// more: no [Request], [Response] or [Tensor] that was scanned from it, nor what [Frame.Bytes] or [Tensor.Texts]
// returned. Frames that were made of it by Forward or Rewrite stay whole.
func (f *Frame) Free() {
	if f.counted && !f.spent {
		f.buffers.Free()
	}
	f.buffers, f.spent = nil, f.counted
}

// Share makes into, which is empty, a frame of the same bytes with references of its own, to be sent or freed for itself. It
// copies no bytes. f has not been sent yet.
func (f *Frame) Share(into *Frame) {
	into.counted, into.spent = f.counted, f.spent
	for _, b := range f.buffers {
		b.Ref()
		into.attach(b)
	}
}

// part appends the bytes from start to end of from, with references of their own. It copies nothing.
func (f *Frame) part(from *Frame, start, end int) {
	f.counted = f.counted || from.counted
	for _, b := range from.buffers {
		n := b.Len()
		switch {
		case start <= 0 && end >= n:
			b.Ref()
			f.attach(b)
		case start < n && end > 0:
			f.attach(b.Slice(max(start, 0), min(end, n)))
		}
		if start, end = start-n, end-n; end <= 0 {
			return
		}
	}
}

// gather returns the size bytes from start on as one slice: a copy, unless they lie in one buffer.
func (f *Frame) gather(start, size int) []byte {
	var out []byte
	for _, b := range f.buffers {
		data := b.ReadOnlyData()
		if start >= len(data) {
			start -= len(data)
			continue
		}
		data = data[start:]
		start = 0
		if out == nil && len(data) >= size {
			return data[:size:size]
		}
		if out == nil {
			out = make([]byte, 0, size)
		}
		if len(data) >= size-len(out) {
			return append(out, data[:size-len(out)]...)
		}
		out = append(out, data...)
	}
	return out
}

// String describes the frame for logs without showing what is in it.
func (f *Frame) String() string { return fmt.Sprintf("frame of %d bytes", f.Len()) }
