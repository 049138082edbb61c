package postgres_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/candor-gateway/candor/store/postgres"
)

// A server's clock is set back: a store in which nothing is committed doesn't stand still until it has caught up, and so its deadlines pass.
func TestServerClockSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c postgres.Clock
		ahead := time.Duration(0)
		server, began := func() time.Time { return time.Now().Add(ahead) }, time.Now()
		measure := func() {
			t.Helper()
			if err := c.Measure(t.Context(), server, began); err != nil {
				t.Fatal(err)
			}
		}
		passes := func(what string, from time.Time) {
			t.Helper()
			for range 4 {
				time.Sleep(30 * time.Second)
				measure()
			}
			if passed := c.Now().Sub(from); passed != 2*time.Minute {
				t.Errorf("%s: in two minutes %v have passed", what, passed)
			}
		}
		time.Sleep(time.Second)
		measure()
		passes("a right clock", c.Now())
		before := c.Now()
		ahead = -5 * time.Minute
		passes("set back", before)
		ahead = time.Hour
		measure()
		if c.Now().Before(server()) {
			t.Errorf("set forward: %v, the server says %v", c.Now(), server())
		}
		// One that goes a little slower is followed.
		before = c.Now()
		for range 10 {
			time.Sleep(30 * time.Second)
			ahead -= 10 * time.Millisecond
			measure()
		}
		if off := c.Now().Sub(server()); off > 10*time.Millisecond || !c.Now().After(before) {
			t.Errorf("a slower clock: %v ahead of it", off)
		}
	})
}
