package backend

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
)

// spillAt is how many calls a connection carries before the next one is used. A few busy connections cost less than many idle
// ones, since gRPC writes what is waiting in one go; but what one carries is bounded by the server's MAX_CONCURRENT_STREAMS
// (RFC 9113, section 5.1.2, recommends no less than 100), and all of it is written by one goroutine.
const spillAt = 64

// warmAt is how many calls a connection carries when the next one begins to connect, so that the call that spills over finds it
// there.
const warmAt = spillAt / 2

// conns are the connections to one model server. They connect when they are first used, or shortly before, so those that no load
// asks for don't exist. Safe for concurrent use.
type conns []*sharedConn

// sharedConn is a connection that knows how many calls it carries.
type sharedConn struct {
	*grpc.ClientConn
	// calls that it carries, streams among them; idle of these are streams on which no request waits for its answer, and extra are
	// requests that wait on a stream beside another one.
	calls, idle, extra atomic.Int64
	// warmed: it has been told to connect ahead of its first call.
	warmed atomic.Bool
	// replica is whose connection it is; nil where the backend has one address, of which no more is kept.
	replica *replica
}

// take chooses the connection for one call, which is to be released after it: the first that carries less than spillAt, and of
// full ones the least loaded.
func (cs conns) take() *sharedConn {
	best, least := cs[0], int64(0)
	for i, c := range cs {
		n := c.calls.Load()
		if n < spillAt {
			best = c
			if n >= warmAt && i+1 < len(cs) {
				cs[i+1].warm()
			}
			break
		}
		if i == 0 || n < least {
			best, least = c, n
		}
	}
	best.calls.Add(1)
	return best
}

// warm begins to connect, once: a connection that breaks later comes back with its next call.
func (c *sharedConn) warm() {
	if !c.warmed.Load() && c.warmed.CompareAndSwap(false, true) {
		c.Connect()
	}
}

// release ends the call for which the connection was taken.
func (c *sharedConn) release() {
	c.calls.Add(-1)
	if c.replica != nil {
		c.replica.released()
	}
}

// heard says what became of a call that was made on the connection and began then, and answers what the breaker is to be told: a
// failure that only shows what is wrong with one of several replicas is nothing to it.
func (c *sharedConn) heard(o outcome, began time.Time) outcome {
	if c.replica == nil {
		return o
	}
	c.replica.heard(o, began)
	if o == failed && c.replica.isOutlier() {
		return ignored
	}
	return o
}

// timed says how long an answer took that was asked for on the connection then.
func (c *sharedConn) timed(asked time.Time, took time.Duration) {
	if c.replica != nil {
		c.replica.timed(asked, took)
	}
}

// place is the address of the replica that the connection leads to; empty where the backend has only one.
func (c *sharedConn) place() string {
	if c.replica == nil {
		return ""
	}
	return c.replica.address
}

// carried is how many calls and streams all of them carry.
func (cs conns) carried() int64 {
	var n int64
	for _, c := range cs {
		n += c.calls.Load()
	}
	return n
}

// load is what a balancer compares: an open stream is a call, and each request that waits on it beside another is one, too.
func (cs conns) load() int64 {
	var n int64
	for _, c := range cs {
		n += c.calls.Load() + c.extra.Load()
	}
	return n
}

// inFlight is how many requests wait for their answers: load without idle streams. A stream that begins or ends between two of these
// looks may be in one number and not in another, so that a connection's sum may be wrong by it for a moment; it is never below 0.
func (cs conns) inFlight() int64 {
	var n int64
	for _, c := range cs {
		n += max(0, c.calls.Load()+c.extra.Load()-c.idle.Load())
	}
	return n
}

func (cs conns) close() error {
	var errs []error
	for _, c := range cs {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// unary makes one call that says nothing about predictions, on the first of them.
func (cs conns) unary(ctx context.Context, method string, in, out any, opts ...grpc.CallOption) error {
	cs[0].calls.Add(1)
	defer cs[0].release()
	return cs[0].Invoke(ctx, method, in, out, opts...)
}
