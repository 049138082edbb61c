package load

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/net/http2/hpack"

	"github.com/candor-gateway/candor/bench/h2"
)

// maxMessage and maxHeaders bound what an answer may take of our memory.
const (
	maxMessage = 4 << 20
	maxHeaders = 64 << 10
)

// header is what the header blocks of an answer say.
type header struct {
	http, grpc, message string
}

// fields collects a header block.
type fields struct{ header }

func (f *fields) take(h hpack.HeaderField) {
	switch h.Name {
	case ":status":
		f.http = h.Value
	case "grpc-status":
		f.grpc = h.Value
	case "grpc-message":
		f.message = h.Value
	}
}

// block is a header block in several frames.
type block struct {
	of  uint32
	end bool
	buf []byte
}

// take takes one frame; mu is held, except before the connection is used.
func (c *conn) take(f h2.Frame) error {
	if c.block.of != 0 && f.Type != h2.Continuation {
		return fmt.Errorf("a frame of type %d within a header block", f.Type)
	}
	switch f.Type {
	case h2.Data:
		return c.data(f)
	case h2.Headers:
		body, err := f.Body()
		if err != nil {
			return err
		}
		if f.Has(h2.EndHeaders) {
			return c.headers(f.Stream, body, f.Has(h2.EndStream))
		}
		c.block = block{of: f.Stream, end: f.Has(h2.EndStream), buf: append(c.block.buf[:0], body...)}
	case h2.Continuation:
		return c.continued(f)
	case h2.RSTStream:
		if s := c.open[f.Stream]; s != nil {
			c.end(s, fmt.Errorf("the stream was reset with HTTP/2 code %d", f.ErrorCode()))
		}
	case h2.PushPromise:
		return errors.New("a PUSH_PROMISE, which no gRPC server sends")
	case h2.Settings:
		return c.settings(f)
	case h2.Ping:
		if !f.Has(h2.Ack) {
			c.w.AckPing(f)
		}
	case h2.GoAway:
		return fmt.Errorf("the server sent GOAWAY with HTTP/2 code %d", f.ErrorCode())
	case h2.WindowUpdate:
		n, err := f.Increment()
		if err != nil {
			return err
		}
		if f.Stream == 0 {
			c.window += n
		} else if s := c.open[f.Stream]; s != nil {
			s.window += n
		}
		c.pump()
	}
	return nil
}

func (c *conn) settings(f h2.Frame) error {
	if f.Has(h2.Ack) {
		return nil
	}
	before := c.peer
	if err := c.peer.Apply(f); err != nil {
		return err
	}
	for _, s := range c.open {
		s.window += c.peer.InitialWindow - before.InitialWindow
	}
	if c.head.First == nil {
		c.prepare()
	} else if c.peer.HeaderTableSize < before.HeaderTableSize {
		return errors.New("the server made its header table smaller while it was in use; this generator can't do that")
	}
	c.w.AckSettings()
	c.pump()
	return nil
}

func (c *conn) continued(f h2.Frame) error {
	if c.block.of != f.Stream || f.Stream == 0 {
		return fmt.Errorf("a CONTINUATION frame of stream %d that continues nothing", f.Stream)
	}
	if c.block.buf = append(c.block.buf, f.Payload...); len(c.block.buf) > maxHeaders {
		return fmt.Errorf("headers of more than %d bytes", maxHeaders)
	}
	if !f.Has(h2.EndHeaders) {
		return nil
	}
	b := c.block
	c.block.of = 0
	return c.headers(b.of, b.buf, b.end)
}

// headers takes a whole header block. It is decoded even where nobody waits for it, for the sake of the table.
func (c *conn) headers(id uint32, fragment []byte, end bool) error {
	c.fields.header = header{}
	if _, err := c.dec.Write(fragment); err != nil {
		return fmt.Errorf("headers: %w", err)
	}
	if err := c.dec.Close(); err != nil {
		return fmt.Errorf("headers: %w", err)
	}
	s := c.open[id]
	if s == nil {
		return nil
	}
	if c.fields.http != "" {
		s.status.http = c.fields.http
	}
	if c.fields.grpc != "" {
		s.status.grpc, s.status.message = c.fields.grpc, c.fields.message
	}
	if end {
		c.end(s, nil)
	}
	return nil
}

func (c *conn) data(f h2.Frame) error {
	if c.received += len(f.Payload); c.received >= connWindow/2 {
		c.w.WindowUpdate(0, c.received)
		c.received = 0
	}
	s := c.open[f.Stream]
	if s == nil {
		return nil
	}
	body, err := f.Body()
	if err != nil {
		return err
	}
	if s.message = append(s.message, body...); len(s.message) > maxMessage {
		return fmt.Errorf("an answer of more than %d bytes", maxMessage)
	}
	if s.received += len(f.Payload); s.received >= streamWindow/2 && !f.Has(h2.EndStream) {
		c.w.WindowUpdate(s.id, s.received)
		s.received = 0
	}
	if f.Has(h2.EndStream) {
		c.end(s, errors.New("the answer ended without trailers"))
	}
	return nil
}

// end is the end of a request.
func (c *conn) end(s *stream, err error) {
	if err == nil {
		err = c.verdict(s)
	}
	if err != nil {
		c.run.fail(err)
	}
	if c.run.counting.Load() {
		c.latencies = append(c.latencies, c.run.now()-s.intended)
	}
	c.run.completed.Add(1)
	delete(c.open, s.id)
	if s.sent < len(c.body) {
		// Answered before it was sent: what is left is not sent any more.
		c.sending = slices.DeleteFunc(c.sending, func(o *stream) bool { return o == s })
	}
	c.free = append(c.free, s)
}

// verdict says what is wrong with an answer that has come to its end.
func (c *conn) verdict(s *stream) error {
	if s.status.http != "200" {
		return fmt.Errorf("HTTP status %q", s.status.http)
	}
	if s.status.grpc != "0" {
		return fmt.Errorf("gRPC status %q: %s", s.status.grpc, s.status.message)
	}
	if s.sent < len(c.body) {
		return errors.New("an answer to a request that had not been sent as a whole")
	}
	msg, err := h2.OneMessage(s.message)
	if err != nil {
		return err
	}
	return c.run.o.Check(msg)
}
