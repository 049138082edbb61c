package backend

import (
	"sync"
	"sync/atomic"
	"time"
)

// clock rings when a model server has been silent for longer than it may since that was set, counting only the time during which
// somebody waits for it. It rings once.
type clock struct {
	ring func()
	rung atomic.Bool

	mu      sync.Mutex
	limit   time.Duration // 0: for ever
	running bool
	since   time.Time     // when it began to run
	spent   time.Duration // of the silence, before that
	timer   *time.Timer
}

// set says how long the silence may last from now on.
func (c *clock) set(limit time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limit, c.spent = limit, 0
	c.arm()
}

// run and stop say that somebody waits, and no longer.
func (c *clock) run() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.running {
		c.running = true
		c.arm()
	}
}

// stop answers how long the silence has lasted since it was set, as far as somebody waited; 0 where it may last for ever.
func (c *clock) stop() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running && c.limit > 0 {
		// Not more than was allowed: a busy machine that rings late has not left the model server more time.
		c.spent = min(c.spent+time.Since(c.since), c.limit)
	}
	c.running = false
	c.arm()
	return c.spent
}

// arm needs mu.
func (c *clock) arm() {
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
	if !c.running || c.limit <= 0 || c.rung.Load() {
		return
	}
	c.since = time.Now()
	var timer *time.Timer
	timer = time.AfterFunc(c.limit-c.spent, func() {
		c.mu.Lock()
		// One that was replaced while it fired says nothing.
		valid := c.timer == timer && c.running
		if valid {
			c.rung.Store(true)
		}
		c.mu.Unlock()
		if valid {
			c.ring()
		}
	})
	c.timer = timer
}
