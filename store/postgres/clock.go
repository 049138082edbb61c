package postgres

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// clock is the server's clock, estimated by the machine's monotonic one, and never behind the time of any commit.
//
// The zero clock isn't running. offset is what to add to the monotonic time since start, in microseconds; high the latest time
// that was given.
type clock struct {
	start  atomic.Pointer[time.Time]
	offset atomic.Int64
	high   atomic.Int64
	// error is how far the offset may be off, in microseconds, as it was when it was measured. It belongs to measure, which is not called twice at once.
	error    int64
	measured time.Duration // since start
}

// maxDrift is how much a second of the machine's clock may differ from one of the server's, in millionths: more than clocks that are being
// corrected do.
const maxDrift = 1000

// clockSamples is how often the server is asked for one measurement; the quickest answer counts, since it is off by at most half
// of the time that it took.
const clockSamples = 5

// measure estimates the server's clock anew. A clock that is ahead of the server's (which has been set back) stays ahead of it
// by what it was, rather than stand still until the server has caught up; it stands still where a measurement was worse than the one before it.
func (c *clock) measure(ctx context.Context, on querier) error {
	begin := time.Now()
	first := c.start.CompareAndSwap(nil, &begin)
	start := *c.start.Load()
	var best, at time.Duration
	var offset, least int64
	for i := range clockSamples {
		var server, mark int64
		before := time.Since(start)
		err := on.QueryRow(ctx, `SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, (SELECT coalesce(max(clock_us), 0) FROM writers)`).
			Scan(&server, &mark)
		if err != nil {
			return fmt.Errorf("read the server's clock: %w", err)
		}
		after := time.Since(start)
		if took := after - before; i == 0 || took < best {
			best, at = took, after
			offset = server - (before + took/2).Microseconds()
			// mark is the time of a commit, which has happened: no earlier than now.
			least = mark - after.Microseconds()
		}
	}
	within := (best / 2).Microseconds()
	if last, drift := c.offset.Load(), (at-c.measured).Microseconds()*maxDrift/1e6; !first && offset+within < last-c.error-drift {
		offset, within = last, c.error
	}
	c.error, c.measured = within, at
	c.offset.Store(max(offset, least))
	return nil
}

func (c *clock) now() time.Time {
	start := c.start.Load()
	if start == nil {
		return time.Time{}
	}
	now := time.Since(*start).Microseconds() + c.offset.Load()
	for {
		high := c.high.Load()
		if now <= high {
			now = high
			break
		}
		if c.high.CompareAndSwap(high, now) {
			break
		}
	}
	return time.UnixMicro(now).UTC()
}

// micros is how times are stored; the zero time is 0.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// instant is the inverse of micros.
func instant(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
