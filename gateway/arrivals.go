package gateway

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// What one address may do before a call begins. Beyond failedBurst, an address of which more than failedPerSecond connections have come to
// nothing is turned away until it hasn't: they weren't HTTP/2, or ended without a call. beginningMost of its connections may be beginning at
// once: each holds a goroutine, and the state of a TLS handshake, for up to handshakeTimeout.
const (
	failedPerSecond = 100
	failedBurst     = 200
	beginningMost   = 256
)

// Why a connection was turned away, as candor_connections_refused_total has it.
const (
	tooManyOpen      = "open"
	tooManyBeginning = "beginning"
	tooManyFailed    = "failed"
)

// visitorsKept is how many addresses are remembered without a look for those of which nothing is left to remember.
const visitorsKept = 1024

// arrivals are a listener that turns connections away as soon as they are accepted, where their address has too many: that costs a fraction
// of what it takes to find out what they are. Connections there are stay. Safe for concurrent use, but for Accept, which is for one goroutine.
type arrivals struct {
	net.Listener
	// most is how many connections an address may have open; 0: any number. It is asked for each.
	most func() int
	// refused is told of each connection that is turned away, and why.
	refused func(why string)

	mu   sync.Mutex
	from map[string]*visitor
	// look is at how many addresses to forget some.
	look int
}

// visitor is what an address has.
type visitor struct {
	open, beginning int
	// paid is when those that came to nothing have been paid for.
	paid time.Time
}

// Accept answers the next connection that isn't turned away.
func (a *arrivals) Accept() (net.Conn, error) {
	for {
		conn, err := a.Listener.Accept()
		if err != nil {
			return nil, err
		}
		host := network(conn.RemoteAddr())
		why := a.enter(host, time.Now())
		if why == "" {
			return &arrival{Conn: conn, at: a, host: host}, nil
		}
		a.refused(why)
		if tcp, ok := conn.(*net.TCPConn); ok {
			// By a reset: it frees all at once, on both sides.
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close()
	}
}

// enter counts a connection of an address, or says why it is turned away.
func (a *arrivals) enter(host string, now time.Time) (why string) {
	most := a.most()
	a.mu.Lock()
	defer a.mu.Unlock()
	v := a.from[host]
	switch {
	case v == nil:
		if a.from == nil {
			a.from, a.look = map[string]*visitor{}, visitorsKept
		}
		if len(a.from) >= a.look {
			a.forget(now)
		}
		v = new(visitor)
		a.from[host] = v
	case v.paid.Sub(now) > failedBurst*(time.Second/failedPerSecond):
		return tooManyFailed
	case v.beginning >= beginningMost:
		return tooManyBeginning
	case most > 0 && v.open >= most:
		return tooManyOpen
	}
	v.open++
	v.beginning++
	return ""
}

// forget needs mu.
func (a *arrivals) forget(now time.Time) {
	for host, v := range a.from {
		if v.open == 0 && !v.paid.After(now) {
			delete(a.from, host)
		}
	}
	a.look = max(visitorsKept, 2*len(a.from))
}

// arrival is a connection of arrivals, which know when it has begun, when it ends, and whether it came to something.
type arrival struct {
	net.Conn
	at   *arrivals
	host string
	// turns, while it begins, are places for those that have something to compute; nil: none are needed.
	turns chan struct{}
	// called: a call has begun on it.
	called atomic.Bool
	// begun and over are at.mu's.
	begun, over bool
}

// begins says that the connection's handshake begins. In turn, those that compute leave processors to calls.
func (c *arrival) begins(turns chan struct{}) {
	if turns == nil {
		return
	}
	turns <- struct{}{}
	c.turns = turns
}

// computed says that what is left of the handshake takes nothing of a processor.
func (c *arrival) computed() {
	if c.turns != nil {
		<-c.turns
		c.turns = nil
	}
}

// Read gives its turn back while it waits.
func (c *arrival) Read(p []byte) (int, error) {
	if c.turns == nil {
		return c.Conn.Read(p)
	}
	<-c.turns
	n, err := c.Conn.Read(p)
	c.turns <- struct{}{}
	return n, err
}

// hasBegun says that the handshake has ended.
func (c *arrival) hasBegun() {
	c.at.mu.Lock()
	defer c.at.mu.Unlock()
	c.ceases()
}

// ceases to be beginning. It needs at.mu.
func (c *arrival) ceases() {
	if !c.begun {
		c.begun = true
		c.at.from[c.host].beginning--
	}
}

func (c *arrival) Close() error {
	c.leave(time.Now())
	return c.Conn.Close()
}

func (c *arrival) leave(now time.Time) {
	c.at.mu.Lock()
	defer c.at.mu.Unlock()
	if c.over {
		return
	}
	c.over = true
	c.ceases()
	v := c.at.from[c.host]
	v.open--
	if c.called.Load() {
		return
	}
	if v.paid.Before(now) {
		v.paid = now
	}
	v.paid = v.paid.Add(time.Second / failedPerSecond)
}

// networkBits of an IPv6 address are its network's: who has one address there has as many as they like.
const networkBits = 64

// network is the address that a connection comes from, without its port; of IPv6 the network, as 2001:db8::/64.
func network(from net.Addr) string {
	port, err := netip.ParseAddrPort(from.String())
	if err != nil {
		return from.String()
	}
	addr := port.Addr().Unmap().WithZone("")
	if addr.Is4() {
		return addr.String()
	}
	return netip.PrefixFrom(addr, networkBits).Masked().String()
}
