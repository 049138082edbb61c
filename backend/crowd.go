package backend

import (
	"cmp"
	"slices"
)

// caller is for whom a call is, as far as places are concerned: a consumer of a class of priority, and, where everybody who shows no
// credentials is one consumer, the address that the call comes from.
type caller struct {
	class             int
	consumer, address string
}

// slot of a caller among recent lines. Names and addresses differ most at their ends.
func (who *caller) slot() int {
	n := who.class
	if k := len(who.consumer); k > 0 {
		n += k + int(who.consumer[k-1])
	}
	if k := len(who.address); k > 0 {
		n += k + int(who.address[k-1])
	}
	return n % recentLines
}

// line is what one caller has in flight, and what waits, in order.
type line struct {
	caller
	of      *party
	used    int
	waiting []*waiter
	// served is when it last got a place that it had waited for, as a number that grows; before the first, when it came: who is new
	// passes nobody who waits.
	served uint64
}

func (l *line) has() int { return l.used + len(l.waiting) }

// newest is the number of the last that began to wait of those who still do.
func (l *line) newest() uint64 { return l.waiting[len(l.waiting)-1].stood }

// party is what one consumer has in flight and waiting, in one class.
type party struct {
	who          caller // without an address
	used, queued int
	served       uint64
	// standing are its lines in which somebody waits. kept is how many lines are remembered, active how many of them have something.
	standing     []*line
	kept, active int
	shed, waited int64
}

func (p *party) has() int { return p.used + p.queued }

func (p *party) newest() (number uint64) {
	for _, at := range p.standing {
		number = max(number, at.newest())
	}
	return number
}

const (
	// linesKept and partiesKept are how many are remembered without a look for those that have nothing any more.
	linesKept   = 64
	partiesKept = 256
	// recentLines is a power of two.
	recentLines = 16
)

// crowd are those who have calls in flight at a backend, or wait for it, and who of them is next. Between parties of a class a place goes to
// the one with the fewest in flight, of several to the one that has waited longest for its turn, and within a party to a line by the same
// rule: max-min fairness, which holds for calls of any length. Whoever has the most makes room where all is full (longest queue drop;
// Suter et al., INFOCOM 1998). It needs a lock of its user's.
type crowd struct {
	lines   map[caller]*line
	parties map[caller]*party
	// recent are lines that were asked for of late, at their slots: to hash a caller costs more than all else here.
	recent [recentLines]*line
	// standing are the parties of a class in which somebody waits, waiting how many calls that are. active are those with a call in
	// flight or waiting.
	standing        [priorities][]*party
	waiting, active [priorities]int
	// turn numbers the places that were given to those who had waited, stood those who have begun to wait.
	turn, stood uint64
	// linesMost is when to look for lines that have nothing.
	linesMost int
	// others are counts of parties that are not remembered.
	others ConsumerLoad
}

// line finds or makes a caller's.
func (c *crowd) line(who caller) *line {
	slot := who.slot()
	if at := c.recent[slot]; at != nil && at.caller == who {
		return at
	}
	at := c.lines[who]
	if at == nil {
		if c.lines == nil {
			c.lines, c.linesMost = map[caller]*line{}, linesKept
		}
		if len(c.lines) >= c.linesMost {
			c.forgetLines()
		}
		p := c.party(who)
		p.kept++
		at = &line{caller: who, of: p, served: c.turn}
		c.lines[who] = at
	}
	c.recent[slot] = at
	return at
}

// party finds or makes a caller's.
func (c *crowd) party(who caller) *party {
	who.address = ""
	p := c.parties[who]
	if p == nil {
		if c.parties == nil {
			c.parties = map[caller]*party{}
		}
		if len(c.parties) >= partiesKept {
			c.forgetParties()
		}
		p = &party{who: who, served: c.turn}
		c.parties[who] = p
	}
	return p
}

func (c *crowd) forgetLines() {
	for who, at := range c.lines {
		if at.has() == 0 {
			at.of.kept--
			delete(c.lines, who)
		}
	}
	c.recent, c.linesMost = [recentLines]*line{}, max(linesKept, 2*len(c.lines))
}

func (c *crowd) forgetParties() {
	c.forgetLines()
	for who, p := range c.parties {
		if p.kept == 0 {
			c.others.Shed += p.shed
			c.others.Waited += p.waited
			delete(c.parties, who)
		}
	}
}

// begin counts a call of a line in flight.
func (c *crowd) begin(at *line) {
	c.comes(at)
	at.used++
	at.of.used++
}

// end undoes begin.
func (c *crowd) end(at *line) {
	at.used--
	at.of.used--
	c.goes(at)
}

// stand lets a call wait.
func (c *crowd) stand(at *line, w *waiter) {
	c.comes(at)
	if p := at.of; len(at.waiting) == 0 {
		if p.queued == 0 {
			c.standing[at.class] = append(c.standing[at.class], p)
		}
		p.standing = append(p.standing, at)
	}
	c.stood++
	w.stood = c.stood
	at.waiting = append(at.waiting, w)
	at.of.queued++
	c.waiting[at.class]++
}

// quit ends the waiting of a line's call at an index.
func (c *crowd) quit(at *line, i int) *waiter {
	p, w := at.of, at.waiting[i]
	at.waiting = slices.Delete(at.waiting, i, i+1)
	p.queued--
	c.waiting[at.class]--
	if len(at.waiting) == 0 {
		p.standing = without(p.standing, at)
		if p.queued == 0 {
			c.standing[at.class] = without(c.standing[at.class], p)
		}
	}
	c.goes(at)
	return w
}

// comes notes that a line is about to have one call more.
func (c *crowd) comes(at *line) {
	if at.of.has() == 0 {
		c.active[at.class]++
	}
	if at.has() == 0 {
		at.of.active++
	}
}

// goes notes that a line has one call less.
func (c *crowd) goes(at *line) {
	if at.has() == 0 {
		at.of.active--
	}
	if at.of.has() == 0 {
		c.active[at.class]--
	}
}

// next is the line of a class that a place goes to; nil: nobody waits.
func (c *crowd) next(class int) *line {
	if len(c.standing[class]) == 0 {
		return nil
	}
	p := slices.MinFunc(c.standing[class], func(a, b *party) int { return fewer(a.used, b.used, a.served, b.served) })
	return slices.MinFunc(p.standing, func(a, b *line) int { return fewer(a.used, b.used, a.served, b.served) })
}

// serve takes the first out of a line that next gave, and counts it in flight.
func (c *crowd) serve(at *line) *waiter {
	w := c.quit(at, 0)
	c.begin(at)
	c.turn++
	at.served, at.of.served = c.turn, c.turn
	at.of.waited++
	return w
}

// fewer orders by calls in flight, then by who was served longest ago.
func fewer(a, b int, servedA, servedB uint64) int {
	return cmp.Or(cmp.Compare(a, b), cmp.Compare(servedA, servedB))
}

// share is what a line may have of n places while all that are active want some, and what it has: its consumer's, where there are several,
// else its own.
func (c *crowd) share(at *line, n int) (share, has int) {
	if parties := c.sharing(at); parties > 1 {
		return max(1, n/parties), at.of.used
	}
	lines := at.of.active
	if at.has() == 0 {
		lines++
	}
	return max(1, n/lines), at.used
}

// sharing is how many parties of a line's class are active, its own counted even where it has nothing yet.
func (c *crowd) sharing(at *line) int {
	if at.of.has() == 0 {
		return c.active[at.class] + 1
	}
	return c.active[at.class]
}

// ahead is how many of those who wait would be served before another call of a line, about: those of higher classes, and of its own
// class those whose turn is before.
func (c *crowd) ahead(at *line) int {
	n := 0
	for q := at.class + 1; q < priorities; q++ {
		n += c.waiting[q]
	}
	own := len(at.waiting)
	for _, other := range at.of.standing {
		if other != at {
			own += min(len(other.waiting), len(at.waiting)+1)
		}
	}
	for _, other := range c.standing[at.class] {
		if other != at.of {
			n += min(other.queued, own+1)
		}
	}
	return n + own
}

// fairer is how many calls more a line must have than the one that it makes room for, so that it still has no fewer afterwards.
const fairer = 2

// yields is the line whose newest call gives way to another of the line at; nil: none has to. The lowest class does so first.
func (c *crowd) yields(at *line) *line {
	for q := range at.class {
		if p := longest(c.standing[q]); p != nil {
			return longest(p.standing)
		}
	}
	if p := longest(c.standing[at.class]); p != nil && p != at.of && p.has() >= at.of.has()+fairer {
		return longest(p.standing)
	}
	if other := longest(at.of.standing); other != nil && other != at && other.has() >= at.has()+fairer {
		return other
	}
	return nil
}

// longest has the most calls, in flight and waiting, and of several it is the one whose newest call came last; nil of none. In all somebody
// waits.
func longest[T interface {
	has() int
	newest() uint64
}](all []T) (out T) {
	most, last := 0, uint64(0) // last is only looked for where there are several
	for _, one := range all {
		switch has := one.has(); {
		case has > most:
			out, most, last = one, has, 0
		case has == most:
			if last == 0 {
				last = out.newest()
			}
			if newest := one.newest(); newest > last {
				out, last = one, newest
			}
		}
	}
	return out
}

// without takes one out, in place. Of equals the order says who has waited longest.
func without[T comparable](all []T, one T) []T {
	i := slices.Index(all, one)
	return slices.Delete(all, i, i+1)
}
