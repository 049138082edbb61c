package h2

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Types of frames, RFC 9113, section 6.
const (
	Data         = 0x0
	Headers      = 0x1
	RSTStream    = 0x3
	Settings     = 0x4
	PushPromise  = 0x5
	Ping         = 0x6
	GoAway       = 0x7
	WindowUpdate = 0x8
	Continuation = 0x9
)

// Flags of frames.
const (
	Ack        = 0x1
	EndStream  = 0x1
	EndHeaders = 0x4
	Padded     = 0x8
	Priority   = 0x20
)

// Sizes, RFC 9113.
const (
	// HeaderLen is what stands before every frame's payload.
	HeaderLen = 9
	// MaxFrame is the largest payload that we send and accept: the least that everybody accepts.
	MaxFrame = 16384
	// InitialWindow of a stream and of a connection before anybody says otherwise.
	InitialWindow = 65535
	// maxWindow must not be passed by any window.
	maxWindow = 1<<31 - 1
)

// Preface is what a client sends first.
const Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// Frame is one frame. Its payload is valid until the reader that it came from is filled again.
type Frame struct {
	Type, Flags byte
	Stream      uint32
	Payload     []byte
}

// Has reports whether the flag is set.
func (f Frame) Has(flag byte) bool { return f.Flags&flag != 0 }

var errPadding = errors.New("a frame's padding is longer than the frame")

// Body is the payload of a DATA or HEADERS frame without padding and priority.
func (f Frame) Body() ([]byte, error) {
	p := f.Payload
	pad := 0
	if f.Has(Padded) {
		if len(p) < 1 {
			return nil, errPadding
		}
		pad, p = int(p[0]), p[1:]
	}
	if f.Type == Headers && f.Has(Priority) {
		const priorityLen = 5 // dependency and weight
		if len(p) < priorityLen {
			return nil, errPadding
		}
		p = p[priorityLen:]
	}
	if pad > len(p) {
		return nil, errPadding
	}
	return p[:len(p)-pad], nil
}

// Increment is what a WINDOW_UPDATE frame adds.
func (f Frame) Increment() (int64, error) {
	if len(f.Payload) != 4 {
		return 0, fmt.Errorf("a WINDOW_UPDATE of %d bytes; it has 4", len(f.Payload))
	}
	n := binary.BigEndian.Uint32(f.Payload) & maxWindow
	if n == 0 {
		return 0, errors.New("a WINDOW_UPDATE of 0")
	}
	return int64(n), nil
}

// ErrorCode is that of an RST_STREAM or GOAWAY frame; 0 where there is none.
func (f Frame) ErrorCode() uint32 {
	p := f.Payload
	if f.Type == GoAway && len(p) >= 4 {
		p = p[4:] // the last stream
	}
	if len(p) < 4 {
		return 0
	}
	return binary.BigEndian.Uint32(p)
}
