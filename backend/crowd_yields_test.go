package backend

import "testing"

// Of several with as many calls the one that came last gives way.
func TestCrowdSendsAwayTheNewest(t *testing.T) {
	for name, who := range map[string]func(string) caller{"consumers": of, "addresses": from} {
		var c crowd
		for _, one := range []string{"a", "b", "c"} {
			at := c.line(who(one))
			c.stand(at, new(waiter))
			c.stand(at, new(waiter))
		}
		for when, other := range map[string]caller{"fewer calls": who("d"), "a higher priority": by(high)} {
			if got := c.yields(c.line(other)); got == nil || got.caller != who("c") {
				t.Errorf("%s: %+v gives way to one with %s, want c", name, got, when)
			}
		}
	}
}

// Of several with as many calls it is not the one that began last to wait, but the one whose newest call came last, over all its lines; those
// that don't wait any more are none.
func TestCrowdSendsAwayTheNewestCall(t *testing.T) {
	for name, who := range map[string]func(string) caller{"consumers": of, "addresses": from} {
		var c crowd
		comes := func(name string) { c.stand(c.line(who(name)), new(waiter)) }
		gives := func(want string) {
			t.Helper()
			if got := c.yields(c.line(who("new"))); got == nil || got.caller != who(want) {
				t.Errorf("%s: %+v gives way, want %s", name, got, want)
			}
		}
		for _, one := range []string{"a", "b", "c", "c", "b", "a"} {
			comes(one)
		}
		gives("a")
		c.quit(c.line(who("a")), 1)
		comes("a")
		comes("b")
		comes("a")
		c.quit(c.line(who("a")), 2)
		c.quit(c.line(who("b")), 0)
		gives("b")
		c.begin(c.line(who("c")))
		gives("c") // which has more
	}
	// Of consumers one may have several lines.
	var c crowd
	for _, one := range []caller{from("1"), of("x"), from("2"), of("x"), from("1"), of("x"), from("2"), of("x"), from("2")} {
		c.stand(c.line(one), new(waiter))
	}
	c.stand(c.line(of("y")), new(waiter))
	c.quit(c.line(from("2")), 0)
	if got := c.yields(c.line(of("y"))); got == nil || got.caller != from("2") {
		t.Errorf("%+v gives way, want an address of the consumer whose call came last", got)
	}
}
