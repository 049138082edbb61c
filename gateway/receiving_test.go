package gateway

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/candor-gateway/candor/internal/wire"
)

// dismissed says whether a call's refusal has been told.
func dismissed(m *memory, in *coming) bool {
	select {
	case <-m.refusal(in):
		return true
	default:
		return false
	}
}

// Who comes when there is no room is refused, unless somebody has been coming for too long, who then is: the one who came first.
func TestWhoComesTooSlowlyMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 100 << 10
		m := &memory{limit: 4 * size}
		m.receiving.patience = comingPatience
		first, second, third, fourth := new(coming), new(coming), new(coming), new(coming)
		m.comes(first, size)
		time.Sleep(time.Second)
		m.comes(second, size)
		m.comes(third, size)
		if dismissed(m, first) || dismissed(m, second) || !dismissed(m, third) || m.used.Load() != 2*size {
			t.Fatalf("%v %v %v, %d bytes", dismissed(m, first), dismissed(m, second), dismissed(m, third), m.used.Load())
		}
		time.Sleep(comingPatience)
		m.comes(fourth, size)
		if !dismissed(m, first) || dismissed(m, second) || dismissed(m, fourth) || m.used.Load() != 2*size {
			t.Errorf("%v %v %v, %d bytes", dismissed(m, first), dismissed(m, second), dismissed(m, fourth), m.used.Load())
		}
		// What comes of a call that was refused counts no more.
		m.comes(first, size)
		m.comes(third, size)
		if m.used.Load() != 2*size || m.receiving.refused.Load() != 2 {
			t.Errorf("%d bytes, %d refused", m.used.Load(), m.receiving.refused.Load())
		}
		// Small messages need no room, and a message that is alone always has it.
		m.comes(new(coming), comingFree)
		m.over(second)
		m.over(fourth)
		alone := new(coming)
		m.comes(alone, 100*size)
		if dismissed(m, alone) || m.used.Load() != 100*size {
			t.Errorf("%d bytes", m.used.Load())
		}
		m.read(alone, all)
		if m.used.Load() != 0 {
			t.Errorf("%d bytes are left", m.used.Load())
		}
	})
}

// Whatever comes, is read and ends in whatever order, what is counted is what is there, within its bound.
func TestReceivingCountsWhatIsThere(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		m := &memory{limit: 1 << 20}
		m.receiving.patience = time.Hour
		var calls []*coming
		for range 300 {
			switch i := rng.IntN(10); {
			case i < 2 || len(calls) == 0:
				calls = append(calls, new(coming))
			case i < 7:
				m.comes(calls[rng.IntN(len(calls))], rng.Int64N(64<<10))
			case i < 9:
				m.read(calls[rng.IntN(len(calls))], rng.Int64N(64<<10))
			default:
				k := rng.IntN(len(calls))
				m.over(calls[k])
				calls = append(calls[:k], calls[k+1:]...)
			}
			var want, counted int64
			for _, in := range calls {
				if in.held.counted {
					want += in.held.bytes
					counted++
				}
			}
			if r := &m.receiving; r.used != want || m.used.Load() != want || int64(len(r.calls)) != counted || counted > 1 && want > m.limit/comingShareDiv {
				t.Fatalf("seed %d: %d and %d bytes of %d calls, want %d of %d", seed, r.used, m.used.Load(), len(r.calls), want, counted)
			}
		}
	}
}

// Who is refused because others fill the memory has done nothing wrong: that is no reset of its connection, as a message that is too large
// counts for many.
func TestRefusalForMemoryIsNoReset(t *testing.T) {
	const size = 100 << 10
	m := &memory{limit: 2 * size}
	m.receiving.patience = comingPatience
	conn := &calmConn{memory: m}
	in := &coming{Context: peer.NewContext(t.Context(), &peer.Peer{Addr: calmAddr{new(net.TCPAddr), conn}}), conn: conn}
	m.comes(new(coming), size)
	m.comes(in, size)
	ended := make(chan struct{})
	defer close(ended)
	err := receive(in, func(any) error { <-ended; return nil }, new(wire.Frame))
	var ours *Error
	if !errors.As(err, &ours) || ours.Code != codes.ResourceExhausted {
		t.Fatalf("refused with %v", err)
	}
	if n := conn.refused.Load(); n != 0 {
		t.Errorf("counts as %d resets", n)
	}
	large := &coming{Context: in.Context, conn: conn}
	large.whole.Store(true)
	if err := receive(large, func(any) error { return status.Error(codes.ResourceExhausted, "larger than max") }, new(wire.Frame)); err == nil || conn.refused.Load() != tooLargeAs {
		t.Errorf("a message that is too large: %v, as %d resets", err, conn.refused.Load())
	}
}

// A connection that has been closed is read to the end of what was buffered. Nobody says the end of its calls any more, so what still comes is
// not counted.
func TestNothingIsCountedOfAClosedConnection(t *testing.T) {
	m := &memory{limit: 1 << 20}
	conn := &calmConn{memory: m}
	in := &coming{Context: t.Context(), conn: conn, id: 1}
	conn.coming.latest = in
	conn.gone()
	for range 2 {
		conn.hears(frame{kind: frameData, size: 16 << 10, stream: 1})
	}
	if m.used.Load() != 0 || len(m.receiving.calls) != 0 {
		t.Errorf("%d bytes of %d calls are held", m.used.Load(), len(m.receiving.calls))
	}
}

// endsThen is a context that ends right after it was asked whether it has.
type endsThen struct {
	context.Context
	ended atomic.Bool
	then  func()
}

func (c *endsThen) Err() error {
	if c.ended.Swap(true) {
		return context.Canceled
	}
	c.then()
	return nil
}

// A call may end, and its end be said, at any moment at which something comes of it: it is not kept then.
func TestCallThatEndsWhileItComes(t *testing.T) {
	m := &memory{limit: 1 << 20}
	conn := &calmConn{memory: m}
	in := &coming{conn: conn, id: 1}
	in.Context = &endsThen{Context: t.Context(), then: func() {
		if conn.coming.mu.TryLock() { // otherwise who says it would wait until what is noted now is noted
			conn.coming.mu.Unlock()
			conn.says(frame{kind: frameHeaders, flags: flagEndStream, stream: 1})
		}
	}}
	conn.coming.latest = in
	for range 2 {
		conn.hears(frame{kind: frameData, size: 16 << 10, stream: 1})
	}
	if m.used.Load() != 0 || len(m.receiving.calls) != 0 || len(conn.coming.calls) != 0 {
		t.Errorf("%d bytes of %d calls are held, and %d calls kept", m.used.Load(), len(m.receiving.calls), len(conn.coming.calls))
	}
}
