package stub

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"golang.org/x/net/http2/hpack"

	"github.com/candor-gateway/candor/bench/h2"
)

const (
	readBuffer = 256 << 10
	// streamWindow takes a whole picture, connWindow several: a model server that is near and has memory.
	streamWindow = 1 << 20
	connWindow   = 16 << 20
	// maxStreams of a connection.
	maxStreams = 1024
	// keepHead is as much of a body as is kept: all of a batch, and of a picture what stands before its pixels.
	keepHead = 64 << 10
	// maxHeaders of one request.
	maxHeaders = 64 << 10
)

// conn is one connection of a caller.
type conn struct {
	r       *h2.Reader
	w       *h2.Writer
	dec     *hpack.Decoder
	peer    h2.Peer
	answers *answers
	streams map[uint32]*stream
	free    []*stream

	// What a HEADERS frame and its CONTINUATION frames carry, and whose it is.
	block    []byte
	blockOf  uint32
	blockEnd bool
	path     string

	// window is what we may send on the connection; waiting are the answers that it, or their stream's, holds back.
	window  int64
	waiting []*stream
	// received since the last WINDOW_UPDATE of the connection.
	received int

	// header and trailer of an answer; sent after the first.
	blocks []h2.Block
	sent   bool
}

// stream is one call.
type stream struct {
	id     uint32
	path   string
	head   []byte
	size   int // of the body
	lately int // received since the last WINDOW_UPDATE
	window int64
	answer []byte
}

func newConn(nc net.Conn, a *answers) *conn {
	c := &conn{
		r: h2.NewReader(nc, readBuffer), w: h2.NewWriter(nc), peer: h2.NewPeer(), answers: a,
		streams: map[uint32]*stream{}, window: h2.InitialWindow,
	}
	c.dec = hpack.NewDecoder(4096, func(f hpack.HeaderField) {
		if f.Name == ":path" {
			c.path = f.Value
		}
	})
	return c
}

// serve answers until the connection ends. Answers to what came with one read leave with one write.
func (c *conn) serve() error {
	if err := c.r.Expect(h2.Preface); err != nil {
		return err
	}
	c.w.Settings(streamWindow, maxStreams)
	c.w.WindowUpdate(0, connWindow-h2.InitialWindow)
	for {
		f, ok, err := c.r.Next()
		if err != nil {
			return err
		}
		if ok {
			if err := c.take(f); err != nil {
				return err
			}
			continue
		}
		if err := c.w.Flush(); err != nil {
			return err
		}
		if err := c.r.Fill(); err != nil {
			return err
		}
	}
}

// gone tells a peer that has hung up from one that broke the protocol.
func gone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func (c *conn) take(f h2.Frame) error {
	if c.blockOf != 0 && f.Type != h2.Continuation {
		return fmt.Errorf("a frame of type %d within a header block", f.Type)
	}
	switch f.Type {
	case h2.Data:
		return c.data(f)
	case h2.Headers, h2.Continuation:
		return c.headers(f)
	case h2.RSTStream:
		if s := c.streams[f.Stream]; s != nil {
			c.forget(s)
		}
	case h2.Settings:
		return c.settings(f)
	case h2.Ping:
		if !f.Has(h2.Ack) {
			c.w.AckPing(f)
		}
	case h2.WindowUpdate:
		return c.widen(f)
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
	for _, s := range c.streams {
		s.window += c.peer.InitialWindow - before.InitialWindow
	}
	if c.blocks == nil {
		c.blocks = h2.Blocks(c.peer, []string{":status", "200", "content-type", "application/grpc"}, []string{"grpc-status", "0"})
	} else if c.peer.HeaderTableSize < before.HeaderTableSize {
		return errors.New("the peer made its header table smaller while it was in use; the stub can't do that")
	}
	c.w.AckSettings()
	return c.release()
}

func (c *conn) widen(f h2.Frame) error {
	n, err := f.Increment()
	if err != nil {
		return err
	}
	if f.Stream == 0 {
		c.window += n
	} else if s := c.streams[f.Stream]; s != nil {
		s.window += n
	}
	return c.release()
}
