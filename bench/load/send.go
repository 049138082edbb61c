package load

import (
	"errors"
	"slices"
	"time"

	"github.com/candor-gateway/candor/bench/h2"
)

// refill begins the requests that may be begun.
func (c *conn) refill() error {
	for len(c.queue) > 0 && c.hasRoom() {
		intended := c.queue[0]
		c.queue = c.queue[1:]
		if err := c.begin(intended); err != nil {
			return err
		}
	}
	for !c.run.stopping.Load() && len(c.open) < c.target && c.hasRoom() {
		if err := c.begin(c.run.now()); err != nil {
			return err
		}
	}
	if c.empty != nil && len(c.open)+len(c.queue) == 0 {
		close(c.empty)
		c.empty = nil
	}
	return nil
}

func (c *conn) hasRoom() bool { return uint64(len(c.open)) < uint64(c.peer.MaxConcurrent) }

// send begins a request that was to be sent at intended, now or when the server allows one more.
func (c *conn) send(intended time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) > 0 || !c.hasRoom() {
		c.queue = append(c.queue, intended)
		return nil
	}
	if err := c.begin(intended); err != nil {
		return err
	}
	return c.flush()
}

func (c *conn) begin(intended time.Duration) error {
	if c.nextID > maxID {
		return errors.New("the connection has used all of its streams; make the run shorter")
	}
	s := c.newStream()
	s.id, s.intended, s.window = c.nextID, intended, c.peer.InitialWindow
	c.open[s.id] = s
	first := c.nextID == 1
	c.nextID += 2
	if c.small != nil && !first && len(c.sending) == 0 && min(c.window, s.window) >= int64(len(c.body)) {
		frames := c.w.Raw(c.small)
		h2.SetStream(frames, s.id)
		h2.SetStream(frames[h2.HeaderLen+len(c.head.Again):], s.id)
		s.sent = len(c.body)
		c.window -= int64(len(c.body))
		return nil
	}
	block := c.head.Again
	if first {
		block = c.head.First
	}
	c.w.Raw(h2.AppendHeader(nil, len(block), h2.Headers, h2.EndHeaders, s.id))
	c.w.Raw(block)
	c.sending = append(c.sending, s)
	c.pump()
	return nil
}

// pump sends as much of the bodies as the windows allow: one frame of each in turn, as gRPC clients do.
func (c *conn) pump() {
	for progress := true; progress && c.window > 0; {
		progress = false
		for _, s := range c.sending {
			n := min(int64(len(c.body)-s.sent), h2.MaxFrame, c.window, s.window)
			if n <= 0 {
				continue
			}
			end := s.sent+int(n) == len(c.body)
			c.w.Data(s.id, c.body[s.sent:s.sent+int(n)], end)
			s.sent += int(n)
			s.window -= n
			c.window -= n
			progress = true
		}
		c.sending = slices.DeleteFunc(c.sending, func(s *stream) bool { return s.sent == len(c.body) })
	}
}

func (c *conn) newStream() *stream {
	if n := len(c.free); n > 0 {
		s := c.free[n-1]
		c.free = c.free[:n-1]
		*s = stream{message: s.message[:0]}
		return s
	}
	return &stream{}
}
