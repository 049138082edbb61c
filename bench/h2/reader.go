package h2

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Reader reads frames. Many of them come with one call of the system.
type Reader struct {
	src  io.Reader
	buf  []byte
	r, w int // what is in buf and not yet taken
}

// NewReader makes a reader with a buffer of size bytes, which is raised to hold the largest frame.
func NewReader(src io.Reader, size int) *Reader {
	return &Reader{src: src, buf: make([]byte, max(size, HeaderLen+MaxFrame))}
}

// Next takes the next frame that is in the buffer as a whole; false: Fill first.
func (r *Reader) Next() (Frame, bool, error) {
	b := r.buf[r.r:r.w]
	if len(b) < HeaderLen {
		return Frame{}, false, nil
	}
	n := int(b[0])<<16 | int(b[1])<<8 | int(b[2])
	if n > MaxFrame {
		return Frame{}, false, fmt.Errorf("a frame of %d bytes; the most is %d", n, MaxFrame)
	}
	if len(b) < HeaderLen+n {
		return Frame{}, false, nil
	}
	r.r += HeaderLen + n
	return Frame{Type: b[3], Flags: b[4], Stream: binary.BigEndian.Uint32(b[5:]) & maxWindow, Payload: b[HeaderLen : HeaderLen+n]}, true, nil
}

// Fill waits for more bytes. Frames taken before are not valid any more. A frame that is cut off by the end of the input is
// io.ErrUnexpectedEOF; an end between frames io.EOF.
func (r *Reader) Fill() error {
	copy(r.buf, r.buf[r.r:r.w])
	r.r, r.w = 0, r.w-r.r
	n, err := r.src.Read(r.buf[r.w:])
	r.w += n
	if n > 0 {
		return nil
	}
	if err == io.EOF && r.w > 0 {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Expect takes len(want) bytes that are no frame: a client's preface.
func (r *Reader) Expect(want string) error {
	for r.w-r.r < len(want) {
		if err := r.Fill(); err != nil {
			return err
		}
	}
	if got := string(r.buf[r.r : r.r+len(want)]); got != want {
		return fmt.Errorf("the connection begins with %q, which is not HTTP/2 with prior knowledge", got)
	}
	r.r += len(want)
	return nil
}
