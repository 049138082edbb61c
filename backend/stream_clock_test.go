package backend

import (
	"testing"
	"testing/synctest"
	"time"
)

// The clock measures silence while somebody waits, and only then.
func TestClock(t *testing.T) {
	for _, test := range []struct {
		name  string
		do    func(c *clock)
		rings bool
	}{
		{"nobody waits", func(c *clock) { c.set(time.Second); time.Sleep(time.Hour) }, false},
		{"nothing is owed", func(c *clock) { c.run(); time.Sleep(time.Hour) }, false},
		{"silence", func(c *clock) { c.set(time.Second); c.run(); time.Sleep(time.Second) }, true},
		{"answers in time", func(c *clock) {
			c.set(time.Second)
			for range 10 {
				c.run()
				time.Sleep(time.Second - 1)
				c.stop()
				c.set(time.Second)
			}
		}, false},
		{"something comes, but not what is owed", func(c *clock) {
			c.set(time.Second)
			for range 20 {
				c.run()
				time.Sleep(time.Second / 10)
				c.stop()
			}
		}, true},
		{"a reader that is busy for longer", func(c *clock) {
			c.set(time.Second)
			c.run()
			time.Sleep(time.Millisecond)
			c.stop()
			time.Sleep(time.Hour)
			c.run()
		}, false},
		{"owed while it waits already", func(c *clock) {
			c.run()
			time.Sleep(time.Hour)
			c.set(time.Second)
			time.Sleep(time.Second)
		}, true},
		{"no longer owed", func(c *clock) {
			c.set(time.Second)
			c.run()
			time.Sleep(time.Second / 2)
			c.set(0)
			time.Sleep(time.Hour)
		}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rings := 0
				c := &clock{ring: func() { rings++ }}
				test.do(c)
				synctest.Wait()
				if (rings == 1) != test.rings || rings > 1 || c.rung.Load() != test.rings {
					t.Errorf("it rang %d times", rings)
				}
				c.stop()
			})
		})
	}
}

func TestClockSaysHowLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &clock{ring: func() {}}
		c.run()
		time.Sleep(time.Minute)
		if got := c.stop(); got != 0 {
			t.Errorf("waited %v for what is not owed", got)
		}
		c.set(time.Hour)
		c.run()
		time.Sleep(time.Minute)
		if got := c.stop(); got != time.Minute {
			t.Errorf("waited %v", got)
		}
	})
}
