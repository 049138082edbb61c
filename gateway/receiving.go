package gateway

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

const (
	// comingShareDiv is the part of the memory that messages which have not come whole may fill, so that those that have find room.
	comingShareDiv = 2
	// comingFree of a call's message aren't counted: an open call costs as much without one.
	comingFree = 4 << 10
	// comingPatience is how long a message may be coming while others need its room.
	comingPatience = 5 * time.Second
	// What a message takes on the wire beyond its own size, at most, where it isn't compressed, or doesn't get smaller by it.
	wireExtra, wireExtraDiv = 1 << 10, 64
	// all of what has come.
	all = math.MaxInt64
)

// receiving are the messages that have not come whole. Those that would pass their part of the memory are refused, except when others
// have been coming for comingPatience: then these are.
type receiving struct {
	mu    sync.Mutex
	calls map[*coming]struct{}
	used  int64
	// patience is comingPatience; a test has its own.
	patience time.Duration
	refused  atomic.Int64
}

// held is what a call holds of the memory. receiving.mu guards it, but for any.
type held struct {
	// any: something has come that isn't read.
	any atomic.Bool
	// bytes have come; they are counted when they are more than comingFree.
	bytes   int64
	counted bool
	since   time.Time
	// out is closed when the call is refused. gone: nothing more is counted.
	out           chan struct{}
	refused, gone bool
}

// comes notes n more bytes of a call's message, and refuses one where there is no room for them.
func (m *memory) comes(in *coming, n int64) {
	r, h := &m.receiving, &in.held
	r.mu.Lock()
	defer r.mu.Unlock()
	if h.gone {
		return
	}
	h.any.Store(true)
	if h.bytes += n; !h.counted {
		if h.bytes <= comingFree {
			return
		}
		n = h.bytes
		h.counted, h.since = true, time.Now()
		if r.calls == nil {
			r.calls = map[*coming]struct{}{}
		}
		r.calls[in] = struct{}{}
	}
	r.used += n
	m.used.Add(n)
	for m.passed(h) {
		oldest := in
		for other := range r.calls {
			if other != in && time.Since(other.held.since) > r.patience && (oldest == in || other.held.since.Before(oldest.held.since)) {
				oldest = other
			}
		}
		m.dismiss(oldest)
		if oldest == in {
			return
		}
	}
}

// passed says that there is no room for what has come. The only message there is always has room.
func (m *memory) passed(h *held) bool {
	used := m.used.Load()
	return m.receiving.used > m.limit/comingShareDiv && m.receiving.used != h.bytes || used > m.limit && used != h.bytes
}

// dismiss refuses a call. It needs receiving.mu.
func (m *memory) dismiss(in *coming) {
	m.receiving.refused.Add(1)
	m.settle(in, all)
	in.held.gone, in.held.refused = true, true
	if in.held.out != nil {
		close(in.held.out)
	}
}

// settle takes bytes off a call's. It needs receiving.mu.
func (m *memory) settle(in *coming, bytes int64) {
	r, h := &m.receiving, &in.held
	bytes = min(bytes, h.bytes)
	h.bytes -= bytes
	h.any.Store(h.bytes > 0)
	if !h.counted {
		return
	}
	r.used -= bytes
	m.used.Add(-bytes)
	// What is left is of another message.
	h.since = time.Now()
	if h.bytes <= comingFree {
		r.used -= h.bytes
		m.used.Add(-h.bytes)
		h.counted = false
		delete(r.calls, in)
	}
}

// read notes that a message of this size was read, or all that has come.
func (m *memory) read(in *coming, size int64) {
	if !in.held.any.Load() {
		return
	}
	if size != all {
		size += size/wireExtraDiv + wireExtra
	}
	m.receiving.mu.Lock()
	defer m.receiving.mu.Unlock()
	m.settle(in, size)
}

// over notes that the call has ended.
func (m *memory) over(in *coming) {
	m.receiving.mu.Lock()
	defer m.receiving.mu.Unlock()
	m.settle(in, all)
	in.held.gone = true
}

// refusal is closed when the call is refused.
func (m *memory) refusal(in *coming) <-chan struct{} {
	m.receiving.mu.Lock()
	defer m.receiving.mu.Unlock()
	if h := &in.held; h.out == nil {
		h.out = make(chan struct{})
		if h.refused {
			close(h.out)
		}
	}
	return in.held.out
}

// tooMuch is the Error of a call that is refused before its message has come.
func (m *memory) tooMuch() error {
	e := errf(codes.ResourceExhausted, candorv1.ErrorReason_ERROR_REASON_OVERLOADED,
		"the gateway is receiving more than it may hold, or others needed the room of a message that took longer than %v to come (half of listen.max_in_flight_bytes, %d)",
		m.receiving.patience, m.limit).with("stage", "admission")
	e.RetryAfter = time.Second
	return e
}
