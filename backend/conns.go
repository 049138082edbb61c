package backend

import (
	"context"
	"errors"
	"sync/atomic"

	"google.golang.org/grpc"
)

// spillAt is how many calls a connection carries before the next one is used. A few busy connections cost less than many idle
// ones, since gRPC writes what is waiting in one go; but what one carries is bounded by the server's MAX_CONCURRENT_STREAMS
// (RFC 9113, section 5.1.2, recommends no less than 100), and all of it is written by one goroutine.
const spillAt = 64

// conns are a backend's connections to its model server. They connect when they are first used, so those that no load asks for
// don't exist. Safe for concurrent use.
type conns []*sharedConn

// sharedConn is a connection that knows how many calls it carries.
type sharedConn struct {
	*grpc.ClientConn
	calls atomic.Int64
}

// take chooses the connection for one call, which is to be released after it: the first that carries less than spillAt, and of
// full ones the least loaded.
func (cs conns) take() *sharedConn {
	best, least := cs[0], int64(0)
	for i, c := range cs {
		n := c.calls.Load()
		if n < spillAt {
			best = c
			break
		}
		if i == 0 || n < least {
			best, least = c, n
		}
	}
	best.calls.Add(1)
	return best
}

func (c *sharedConn) release() { c.calls.Add(-1) }

// Invoke makes conns a grpc.ClientConnInterface, for generated clients.
func (cs conns) Invoke(ctx context.Context, method string, in, out any, opts ...grpc.CallOption) error {
	c := cs.take()
	defer c.release()
	return c.ClientConn.Invoke(ctx, method, in, out, opts...)
}

// NewStream opens a stream that counts for as long as it is being opened.
func (cs conns) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	c := cs.take()
	defer c.release()
	return c.ClientConn.NewStream(ctx, desc, method, opts...)
}

func (cs conns) close() error {
	var errs []error
	for _, c := range cs {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}
