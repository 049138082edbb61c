package load

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/net/http2/hpack"

	"github.com/candor-gateway/candor/bench/h2"
)

const (
	readBuffer = 128 << 10
	// Windows that we offer: answers are small, and a client that reads at once has no reason to hold anybody back.
	streamWindow = 1 << 20
	connWindow   = 16 << 20
	// stall is how long a connection may neither read nor write: then the run has failed.
	stall = 10 * time.Second
	// maxID is the last stream that a connection can have.
	maxID = 1<<31 - 1
)

// conn is one connection. Its reader sends the next request in a closed loop, the pacer in an open one.
type conn struct {
	run    *run
	nc     net.Conn
	r      *h2.Reader
	dec    *hpack.Decoder
	fields fields
	block  block // headers in several frames

	mu     sync.Mutex // of all below
	w      *h2.Writer
	peer   h2.Peer
	target int // kept in flight, in a closed loop
	nextID uint32
	head   h2.Block // the request's headers
	small  []byte   // the whole request in frames, as sent from the second on; nil: too large
	body   []byte   // message with its prefix
	open   map[uint32]*stream
	free   []*stream
	// window is what we may send on the connection; sending are the streams with something left to send, in order.
	window  int64
	sending []*stream
	// received since the last WINDOW_UPDATE.
	received int
	// queue holds the intended times of requests for which no stream is free.
	queue     []time.Duration
	latencies []time.Duration
	empty     chan struct{} // closed once nothing is in flight, made by drained
}

// stream is one request.
type stream struct {
	id       uint32
	intended time.Duration
	sent     int // of the body
	window   int64
	received int // since the last WINDOW_UPDATE
	status   header
	message  []byte
}

// dial connects, and returns when the server has told its settings: header tables and streams depend on them.
func (r *run) dial(ctx context.Context) (*conn, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", r.o.Addr)
	if err != nil {
		return nil, err
	}
	c := &conn{
		run: r, nc: nc, r: h2.NewReader(nc, readBuffer), w: h2.NewWriter(nc), peer: h2.NewPeer(), nextID: 1,
		body: h2.Message(r.o.Message), open: map[uint32]*stream{}, window: h2.InitialWindow,
	}
	c.dec = hpack.NewDecoder(4096, c.fields.take)
	if err := c.greet(); err != nil {
		_ = nc.Close()
		return nil, fmt.Errorf("connection to %s: %w", r.o.Addr, err)
	}
	return c, nil
}

func (c *conn) greet() error {
	c.w.Raw([]byte(h2.Preface))
	c.w.Settings(streamWindow, 0)
	c.w.WindowUpdate(0, connWindow-h2.InitialWindow)
	if err := c.flush(); err != nil {
		return err
	}
	for c.head.First == nil {
		f, ok, err := c.r.Next()
		if err != nil {
			return err
		}
		if ok {
			err = c.take(f)
		} else {
			err = c.fill()
		}
		if err != nil {
			return err
		}
	}
	return c.flush()
}

// prepare encodes the request for a peer that has announced its settings.
func (c *conn) prepare() {
	c.head = h2.Blocks(c.peer, []string{
		":method", "POST", ":scheme", "http", ":path", c.run.o.Method, ":authority", c.run.o.Addr,
		"content-type", "application/grpc", "te", "trailers", "user-agent", "candor-bench",
	})[0]
	if len(c.body) <= h2.MaxFrame {
		c.small = h2.AppendHeader(nil, len(c.head.Again), h2.Headers, h2.EndHeaders, 0)
		c.small = append(c.small, c.head.Again...)
		c.small = h2.AppendHeader(c.small, len(c.body), h2.Data, h2.EndStream, 0)
		c.small = append(c.small, c.body...)
	}
}

// loop reads answers, and sends what follows from them, until the connection ends.
func (c *conn) loop() error {
	for {
		if err := c.turn(); err != nil {
			return err
		}
		if err := c.fill(); err != nil {
			return err
		}
	}
}

// turn takes all frames that have come, and writes what is to be written with one call.
func (c *conn) turn() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		f, ok, err := c.r.Next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if err := c.take(f); err != nil {
			return err
		}
	}
	if err := c.refill(); err != nil {
		return err
	}
	return c.flush()
}

// fill reads, and flush writes; neither waits for ever.
func (c *conn) fill() error {
	if err := c.nc.SetReadDeadline(time.Now().Add(stall)); err != nil {
		return err
	}
	return c.r.Fill()
}

func (c *conn) flush() error {
	if err := c.nc.SetWriteDeadline(time.Now().Add(stall)); err != nil {
		return err
	}
	return c.w.Flush()
}

// idle reports whether nothing is in flight.
func (c *conn) idle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)+len(c.queue) == 0
}

// drained is closed once nothing is in flight.
func (c *conn) drained() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	done := make(chan struct{})
	if len(c.open)+len(c.queue) == 0 {
		close(done)
	} else {
		c.empty = done
	}
	return done
}
