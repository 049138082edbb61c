package backend

import (
	"context"
	"math"
	"time"
)

// told is an attempt's context as gRPC sees it when it tells the model server how long the caller waits (grpc-timeout): the time
// left, rounded up to two digits. A header that is new in every call has to be spelled out and remembered by both sides (HPACK), for
// digits that no model server needs: ours is the timer that ends the attempt, and the server hears of it by the stream's reset.
type told struct {
	context.Context
	left time.Duration
}

// tell makes the context of an attempt that may take up to left.
func tell(ctx context.Context, left time.Duration) context.Context { return told{ctx, twoDigits(left)} }

// Deadline moves with the clock, so that what is left of it is always the same.
func (t told) Deadline() (time.Time, bool) { return time.Now().Add(t.left), true }

// twoDigits rounds up to two significant decimal digits.
func twoDigits(d time.Duration) time.Duration {
	if d < 100 {
		return max(d, 1)
	}
	unit := time.Duration(math.Pow10(int(math.Log10(float64(d))) - 1))
	return (d + unit - 1) / unit * unit
}
