package gateway

import (
	"context"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/tap"

	"github.com/candor-gateway/candor/internal/defect"
	"github.com/candor-gateway/candor/internal/wire"
)

// grpc-go receives a message whole before any code of ours sees it, and has no place to count or to refuse what has come of it: its pool
// of buffers sees no frames below a KiB, and not whose the others are. So a connection counts the DATA frames that it hears for each of
// its calls, from the tap, where a call begins, until its message has been read; and the call's handler, which waits for the message,
// ends the call when memory says so.

// coming is what has come of a call's message, and the call's context.
type coming struct {
	context.Context
	conn *calmConn
	id   uint32
	// header is the metadata that the call came with.
	header metadata.MD
	// whole: the client sends no more.
	whole atomic.Bool
	// kept: it is, or was, among its connection's calls; the reader's.
	kept bool
	// held is memory's.
	held held
}

type comingKey struct{}

func (in *coming) Value(key any) any {
	if _, ok := key.(comingKey); ok {
		return in
	}
	return in.Context.Value(key)
}

// incomingValues are those of a lower-case key of the metadata that a call came with. Nobody changes them.
func incomingValues(ctx context.Context, key string) []string {
	if in, ok := ctx.Value(comingKey{}).(*coming); ok {
		return in.header[key] // as they come all keys are lower-case; gRPC doesn't rely on it, and goes through all of them
	}
	return metadata.ValueFromIncomingContext(ctx, key)
}

// comings are those of a connection.
type comings struct {
	// opened is the call whose headers were heard last, and latest what it became; only the connection's reader touches them.
	opened frame
	latest *coming

	// calls are those before the latest that aren't whole, and all of which something was counted. some says that there are any.
	mu    sync.Mutex
	calls map[uint32]*coming
	some  atomic.Bool
	ended bool
}

// begins is where a call begins, in its connection's reader: the server has just read its headers.
func begins(ctx context.Context, info *tap.Info) (context.Context, error) {
	pr, ok := peer.FromContext(ctx)
	if !ok {
		return ctx, nil
	}
	a, ok := pr.Addr.(calmAddr)
	if !ok {
		return ctx, nil // from inside
	}
	if from := a.conn.from; from != nil && !from.called.Load() {
		from.called.Store(true)
	}
	c := &a.conn.coming
	in := &coming{Context: ctx, conn: a.conn, id: c.opened.stream, header: info.Header}
	in.whole.Store(c.opened.last())
	c.keep(c.latest)
	c.latest = in
	return in, nil
}

// keep notes a call of which more will come. false: nobody would hear of its end, so nothing of it may be counted.
func (c *comings) keep(in *coming) bool {
	switch {
	case in == nil:
		return false
	case in.kept:
		return true // after its end memory counts nothing more
	case in.whole.Load() || in.Err() != nil:
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return false // what was read before that is still heard
	}
	if c.calls == nil {
		c.calls = map[uint32]*coming{}
	}
	c.calls[in.id] = in
	c.some.Store(true)
	// A call that has ended is told by its context before its end is said, which removes it here if it is here by then.
	if in.kept = in.Err() == nil; !in.kept {
		delete(c.calls, in.id)
		c.some.Store(len(c.calls) > 0)
	}
	return in.kept
}

func (c *comings) find(id uint32) *coming {
	if c.latest != nil && c.latest.id == id {
		return c.latest
	}
	if !c.some.Load() {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[id]
}

// forget ends what is counted of a call.
func (c *comings) forget(m *memory, id uint32) {
	if !c.some.Load() {
		return
	}
	c.mu.Lock()
	in := c.calls[id]
	delete(c.calls, id)
	c.some.Store(len(c.calls) > 0)
	c.mu.Unlock()
	if in != nil {
		m.over(in)
	}
}

// hears is told each frame that the client sends, before the server sees it.
func (c *calmConn) hears(f frame) {
	switch f.kind {
	case frameHeaders:
		c.coming.opened = f
		if f.last() { // the trailers of a client that has any
			if in := c.coming.find(f.stream); in != nil {
				in.whole.Store(true)
			}
		}
	case frameRSTStream:
		c.coming.forget(c.memory, f.stream)
		if in := c.coming.latest; in != nil && in.id == f.stream {
			c.coming.latest = nil
		}
	case frameData:
		in := c.coming.find(f.stream)
		if in == nil {
			return
		}
		if f.last() && !in.held.any.Load() {
			in.whole.Store(true) // in one frame, as nearly all
			return
		}
		if c.coming.keep(in) {
			c.memory.comes(in, int64(f.size))
		}
		if f.last() {
			in.whole.Store(true)
		}
	}
}

// says is told each frame that the server sends.
func (c *calmConn) says(f frame) {
	if f.kind == frameRSTStream || f.kind == frameHeaders && f.last() {
		c.coming.forget(c.memory, f.stream)
	}
}

// gone ends what is counted of the connection.
func (c *calmConn) gone() {
	c.coming.mu.Lock()
	calls := c.coming.calls
	c.coming.calls, c.coming.ended = nil, true
	c.coming.some.Store(false)
	c.coming.mu.Unlock()
	for _, in := range calls {
		c.memory.over(in)
	}
}

// received reads the call's next message, as recv does, unless memory ends the call before it has come. Then recv ends with the handler.
func received(ctx context.Context, recv func(any) error, into any) error {
	in, ok := ctx.Value(comingKey{}).(*coming)
	if !ok {
		return recv(into)
	}
	m := in.conn.memory
	if in.whole.Load() && !in.held.any.Load() && !in.held.refused.Load() {
		return recv(into)
	}
	got := make(chan error, 1)
	broke := make(chan any, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				broke <- defect.Carried(p)
			}
		}()
		got <- recv(into)
	}()
	select {
	case p := <-broke:
		panic(p) // for streamGuard or registrar, as one without a goroutine of its own
	case err := <-got:
		if err == nil && in.held.refused.Load() { // at its end
			return m.tooMuch()
		}
		size := int64(all)
		if f, ok := into.(*wire.Frame); ok && err == nil && !in.whole.Load() {
			size = int64(f.Len())
		}
		m.read(in, size)
		return err
	case <-m.refusal(in):
		return m.tooMuch()
	}
}
