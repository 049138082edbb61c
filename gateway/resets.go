package gateway

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
)

// A client may cancel as it likes, but each call that is begun and cancelled at once costs the gateway far more than its client
// (CVE-2023-44487, "rapid reset"), and so does each that the gateway has to refuse by a reset, because the client has more in flight
// than it was told that it may. Beyond resetBurst, a connection with more than resetsPerSecond isn't read any further until
// it doesn't: nothing is refused, and no other connection waits. A message that is larger than it may be, most of all one that has to be
// decompressed to find that out, costs as much as many resets, and counts as tooLargeAs of them.
const (
	resetsPerSecond = 500
	resetBurst      = 500
	tooLargeAs      = 50
)

// calmCredentials make connections that count their resets.
type calmCredentials struct {
	credentials.TransportCredentials
	// waited is told whenever a connection has to wait.
	waited func()
	// memory counts what is being received.
	memory *memory
	// turns are places for handshakes that compute; nil: none do.
	turns chan struct{}
}

func (c calmCredentials) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	from, counted := raw.(*arrival)
	if counted {
		defer from.hasBegun()
		from.begins(c.turns)
		defer from.computed()
	}
	conn, info, err := c.TransportCredentials.ServerHandshake(raw)
	if err != nil {
		return nil, nil, err
	}
	// Who doesn't begin as HTTP/2 does is sent away before anything is made for them; the caller has set a deadline.
	begun := make([]byte, len(preface))
	if _, err := io.ReadFull(conn, begun); err != nil {
		return nil, nil, fmt.Errorf("read the connection's preface: %w", err)
	}
	if string(begun) != preface {
		return nil, nil, errors.New("the connection doesn't begin with the preface of HTTP/2")
	}
	in := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(begun), conn), readBuffer)
	calm := &calmConn{Conn: conn, in: in, waited: c.waited, memory: c.memory, closed: make(chan struct{}), heard: frames{skip: len(preface)}, from: from}
	calm.host = network(raw.RemoteAddr())
	return calm, info, nil
}

func (c calmCredentials) Clone() credentials.TransportCredentials {
	return calmCredentials{c.TransportCredentials.Clone(), c.waited, c.memory, c.turns}
}

// calmConn is a connection of which the server reads no faster than its resets allow. Read is for one goroutine, and Write for one, as
// the server's are.
type calmConn struct {
	net.Conn
	// in is what the handshake has read, and then the connection. The server has no buffer of its own, so that it has dealt with all
	// frames before the one that it reads.
	in          *bufio.Reader
	waited      func()
	memory      *memory
	heard, said frames
	coming      comings
	// host is the address, or the network, that it comes from; from, which is told when a call begins, may be nil.
	host string
	from *arrival
	// refused are resets that were said, and what else counts as such, since the last Read.
	refused atomic.Int64
	// free is when the resets so far have been paid for.
	free   time.Time
	once   sync.Once
	closed chan struct{}
}

func (c *calmConn) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	resets := int(c.refused.Swap(0))
	c.heard.walk(p[:n], func(f frame) {
		if f.kind == frameRSTStream {
			resets++
		}
		c.hears(f)
	})
	if resets == 0 {
		return n, err
	}
	now := time.Now()
	if c.free.Before(now) {
		c.free = now
	}
	c.free = c.free.Add(time.Duration(resets) * (time.Second / resetsPerSecond))
	if wait := c.free.Sub(now) - resetBurst*(time.Second/resetsPerSecond); wait > 0 {
		c.waited()
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-c.closed:
		}
	}
	return n, err
}

func (c *calmConn) Write(p []byte) (int, error) {
	resets := 0
	c.said.walk(p, func(f frame) {
		if f.kind == frameRSTStream {
			resets++
		}
		c.says(f)
	})
	if resets > 0 {
		c.refused.Add(int64(resets))
	}
	return c.Conn.Write(p)
}

func (c *calmConn) Close() error {
	c.once.Do(func() { close(c.closed); c.gone() })
	return c.Conn.Close()
}

// RemoteAddr is the other side's address, by which calls find their connection.
func (c *calmConn) RemoteAddr() net.Addr { return calmAddr{c.Conn.RemoteAddr(), c} }

type calmAddr struct {
	net.Addr
	conn *calmConn
}

// tooLarge counts a message that was larger than it may be against the connection that a call came on.
func tooLarge(ctx context.Context) {
	if pr, ok := peer.FromContext(ctx); ok {
		if a, ok := pr.Addr.(calmAddr); ok {
			a.conn.refused.Add(tooLargeAs)
		}
	}
}

// preface is what a client says first (RFC 9113, section 3.4).
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// readBuffer is how much of a connection is read at once: as much as grpc-go's own buffer would.
const readBuffer = 32 << 10

const (
	frameHeader    = 9
	frameData      = 0x0
	frameHeaders   = 0x1
	frameRSTStream = 0x3
	flagEndStream  = 0x1
)

// frame is what a frame's header says.
type frame struct {
	kind, flags byte
	size        int
	stream      uint32
}

func (f frame) last() bool { return f.flags&flagEndStream != 0 }

// frames follows the frames of a connection through what is read of it, however it is cut.
type frames struct {
	// skip is how many bytes come before the next header.
	skip   int
	header [frameHeader]byte
	have   int
}

// walk calls seen with each frame whose header ends in p.
func (f *frames) walk(p []byte, seen func(frame)) {
	for len(p) > 0 {
		if f.skip > 0 {
			k := min(f.skip, len(p))
			f.skip -= k
			p = p[k:]
			continue
		}
		k := copy(f.header[f.have:], p)
		f.have += k
		p = p[k:]
		if f.have == frameHeader {
			h := &f.header
			now := frame{kind: h[3], flags: h[4], size: int(h[0])<<16 | int(h[1])<<8 | int(h[2]), stream: binary.BigEndian.Uint32(h[5:]) &^ (1 << 31)}
			f.skip, f.have = now.size, 0
			seen(now)
		}
	}
}
