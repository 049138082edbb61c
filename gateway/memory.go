package gateway

import (
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// memory bounds the bytes of the requests that are in the gateway at once (listen.max_in_flight_bytes). The lower a caller's priority,
// the earlier it is refused. Safe for concurrent use.
type memory struct {
	limit int64
	used  atomic.Int64
	// receiving is the part of it that is still being received.
	receiving receiving
	// refused, by priority.
	refused [candorv1.Priority_PRIORITY_HIGH + 1]atomic.Int64
}

// share of the limit that a priority may fill.
func (m *memory) share(p candorv1.Priority) int64 {
	switch p {
	case candorv1.Priority_PRIORITY_LOW:
		return m.limit - m.limit/4
	case candorv1.Priority_PRIORITY_HIGH:
		return m.limit
	}
	return m.limit - m.limit/8
}

// take makes room for a request, or answers the Error that refuses it. The only request there is always has room: otherwise one
// that is larger than its share would never get in.
func (m *memory) take(size int64, p candorv1.Priority) error {
	used := m.used.Add(size)
	if used <= m.share(p) || used == size {
		return nil
	}
	m.used.Add(-size)
	m.refused[p].Add(1)
	e := errf(codes.ResourceExhausted, candorv1.ErrorReason_ERROR_REASON_OVERLOADED,
		"the gateway holds requests of %d bytes, and this one of %d bytes would pass what callers of its priority may fill (listen.max_in_flight_bytes, %d)",
		used-size, size, m.limit).with("stage", "admission")
	e.RetryAfter = time.Second
	return e
}

func (m *memory) release(size int64) { m.used.Add(-size) }
