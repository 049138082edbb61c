package stub

import (
	"errors"
	"fmt"
	"slices"

	"github.com/candor-gateway/candor/bench/h2"
	"github.com/candor-gateway/candor/bench/payload"
)

// Codes of gRPC that the stub answers with.
const (
	invalidArgument = "3"
	unimplemented   = "12"
)

// headers takes a HEADERS or CONTINUATION frame. Blocks are decoded even where nobody cares, for the sake of the table.
func (c *conn) headers(f h2.Frame) error {
	body, err := f.Body()
	if f.Type == h2.Continuation {
		if c.blockOf != f.Stream || c.blockOf == 0 {
			return fmt.Errorf("a CONTINUATION frame of stream %d that continues nothing", f.Stream)
		}
		body, err = f.Payload, nil
	} else {
		c.block, c.blockEnd = c.block[:0], f.Has(h2.EndStream)
	}
	if err != nil {
		return err
	}
	if f.Has(h2.EndHeaders) && c.blockOf == 0 {
		return c.begin(f.Stream, body) // the usual case, without a copy
	}
	c.blockOf = f.Stream
	if c.block = append(c.block, body...); len(c.block) > maxHeaders {
		return fmt.Errorf("headers of more than %d bytes", maxHeaders)
	}
	if !f.Has(h2.EndHeaders) {
		return nil
	}
	c.blockOf = 0
	return c.begin(f.Stream, c.block)
}

// begin opens a stream.
func (c *conn) begin(id uint32, block []byte) error {
	if c.blocks == nil {
		return fmt.Errorf("a request before the settings")
	}
	c.path = ""
	if _, err := c.dec.Write(block); err != nil {
		return fmt.Errorf("headers: %w", err)
	}
	if err := c.dec.Close(); err != nil {
		return fmt.Errorf("headers: %w", err)
	}
	s := c.streams[id]
	if s == nil {
		if len(c.streams) >= maxStreams {
			return fmt.Errorf("more than %d streams", maxStreams)
		}
		s = c.newStream()
		s.id, s.path, s.window = id, c.path, c.peer.InitialWindow
		c.streams[id] = s
	}
	if c.blockEnd {
		return c.finish(s, s.head)
	}
	return nil
}

// errAgain is a peer that goes on with a request which it had ended.
var errAgain = errors.New("more of a request after its end")

func (c *conn) newStream() *stream {
	if n := len(c.free); n > 0 {
		s := c.free[n-1]
		c.free = c.free[:n-1]
		*s = stream{head: s.head[:0]}
		return s
	}
	return &stream{}
}

func (c *conn) forget(s *stream) {
	delete(c.streams, s.id)
	c.waiting = slices.DeleteFunc(c.waiting, func(w *stream) bool { return w == s })
	c.free = append(c.free, s)
}

// data takes a DATA frame and gives back the window that it used.
func (c *conn) data(f h2.Frame) error {
	if c.received += len(f.Payload); c.received >= connWindow/2 {
		c.w.WindowUpdate(0, c.received)
		c.received = 0
	}
	s := c.streams[f.Stream]
	if s == nil {
		return nil // of a stream that was reset
	}
	if s.answer != nil {
		return errAgain
	}
	body, err := f.Body()
	if err != nil {
		return err
	}
	first := s.size == 0
	s.size += len(body)
	end := f.Has(h2.EndStream)
	if s.lately += len(f.Payload); s.lately >= streamWindow/2 && !end {
		c.w.WindowUpdate(s.id, s.lately)
		s.lately = 0
	}
	if end && first {
		return c.finish(s, body) // the usual case of a small request, without a copy
	}
	if room := keepHead - len(s.head); room > 0 {
		s.head = append(s.head, body[:min(room, len(body))]...)
	}
	if end {
		return c.finish(s, s.head)
	}
	return nil
}

// finish answers a call whose body has ended; head is all of it or its begin.
func (c *conn) finish(s *stream, head []byte) error {
	if s.answer != nil {
		return errAgain
	}
	if s.path != payload.Method {
		return c.refuse(s, unimplemented, "the stub has only ModelInfer")
	}
	if s.size < h2.PrefixLen || head[0] != 0 || h2.MessageLen(head) != s.size-h2.PrefixLen {
		return c.refuse(s, invalidArgument, "the body is not one message without compression")
	}
	r, err := parse(head[h2.PrefixLen:], len(head) < s.size)
	if err != nil {
		return c.refuse(s, invalidArgument, err.Error())
	}
	if s.answer, err = c.answers.to(r); err != nil {
		return c.refuse(s, invalidArgument, err.Error())
	}
	if len(c.waiting) > 0 || !c.fits(s) {
		c.waiting = append(c.waiting, s)
		return nil
	}
	c.send(s)
	return nil
}

func (c *conn) fits(s *stream) bool {
	n := int64(len(s.answer))
	return n <= c.window && n <= s.window
}

// release sends the answers that were held back, in order.
func (c *conn) release() error {
	for len(c.waiting) > 0 && c.fits(c.waiting[0]) {
		c.send(c.waiting[0])
	}
	return nil
}

// send writes an answer: headers, one DATA frame, trailers.
func (c *conn) send(s *stream) {
	header, trailer := c.blocks[0].Again, c.blocks[1].Again
	if !c.sent {
		header, trailer = c.blocks[0].First, c.blocks[1].First
		c.sent = true
	}
	c.frame(h2.Headers, h2.EndHeaders, s.id, header)
	c.w.Data(s.id, s.answer, false)
	c.frame(h2.Headers, h2.EndHeaders|h2.EndStream, s.id, trailer)
	c.window -= int64(len(s.answer))
	c.forget(s)
}

// refuse answers with an error, in headers alone.
func (c *conn) refuse(s *stream, code, why string) error {
	block := h2.Literal(":status", "200", "content-type", "application/grpc", "grpc-status", code, "grpc-message", why)
	c.frame(h2.Headers, h2.EndHeaders|h2.EndStream, s.id, block)
	c.forget(s)
	return nil
}

func (c *conn) frame(kind, flags byte, stream uint32, payload []byte) {
	var header [h2.HeaderLen]byte
	c.w.Raw(h2.AppendHeader(header[:0], len(payload), kind, flags, stream))
	c.w.Raw(payload)
}
