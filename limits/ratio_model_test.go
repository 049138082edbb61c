package limits

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// The protocol of ratios as a state machine, of which every reachable state is looked at: answers of the denominator at some gateways,
// numerators at another, reports and leases whose requests and answers take as long as they like, and reports that get lost, or whose
// answers do. The store's part is Account.Weigh and Decide, the gateways' leases and outbox. Lost leases and crashes are in
// TestModelOfLeases.

type ratioMutant int

const (
	soundRatio ratioMutant = iota
	// countsTwice: a report that is told again counts again.
	countsTwice
	// grantsForNow: permits are granted for what is in the window at the grant, not at the lease's end.
	grantsForNow
	// countsFromReport: an answer counts from when the store is told of it.
	countsFromReport
	// tellsAnew: what may have been told is told again as something new.
	tellsAnew
)

const (
	modelWindow = 3
	modelLease  = 2
	// modelAnswers bounds how many answers of the denominator are in a window.
	modelAnswers = 2
)

// modelShare allows as many numerators as there are others, and one at least.
var modelShare = Share{PPM: whole, Min: 1}

type ratioGate struct {
	leases
	outbox
	calling bool
}

type ratioWorld struct {
	now                int
	account            memAccount
	gates              [2]ratioGate
	calls              []call
	born               int
	approved, released []int // true times, in the last window
	excess             bool
}

func (w *ratioWorld) clone() *ratioWorld {
	c := *w
	c.account.leases, c.account.tallies, c.account.reporters = slices.Clone(w.account.leases), slices.Clone(w.account.tallies), slices.Clone(w.account.reporters)
	for i := range c.gates {
		g := &c.gates[i]
		if g.open != nil {
			o := *g.open
			g.open = &o
		}
		g.waiting = slices.Clone(g.waiting)
	}
	c.calls, c.approved, c.released = slices.Clone(w.calls), slices.Clone(w.approved), slices.Clone(w.released)
	return &c
}

func (w *ratioWorld) known(by string) int64 {
	for _, r := range w.account.reporters {
		if r.by == by {
			return r.seq
		}
	}
	return 0
}

// key says all that the future depends on; see world.key.
func (w *ratioWorld) key() string {
	var b []byte
	n := func(v ...int64) {
		for _, one := range v {
			b = binary.AppendVarint(b, one)
		}
	}
	at := func(t time.Time) { n(max(t.Sub(tick(w.now)).Microseconds(), -1_000_000*(modelWindow+modelLease))) }
	place := func(id int64) int64 {
		return int64(slices.IndexFunc(w.account.leases, func(o memLease) bool { return o.ID == id }))
	}
	tallies := func(all []Tally) {
		n(-8)
		for _, t := range all {
			if tick(w.now).Sub(t.From) < modelWindow*time.Second {
				at(t.From)
				n(t.Count)
			}
		}
	}
	settled := func(l *Lease) {
		if l != nil && place(l.ID) >= 0 {
			n(-5, place(l.ID), l.Count)
			at(l.Until)
		}
	}
	asked := func(c *call) {
		n(-3, c.r.Need, c.r.Count, truth(c.decided))
		if c.gate >= 0 && c.r.Count > 0 {
			at(tick(c.asked))
		}
		if p := c.r.Report; p != nil && !c.decided && p.Seq > w.known(p.By) {
			tallies(p.Tallies)
		}
		if !c.decided {
			settled(c.r.Settled)
		} else if c.grant.Count > 0 {
			n(place(c.grant.ID), c.grant.Count)
			at(c.grant.From)
		}
	}
	var parts []string
	for i := range w.gates {
		b = nil
		g := &w.gates[i]
		settled(g.settle)
		if o := g.open; o != nil {
			n(-6, place(o.ID), o.Count, o.used)
			at(o.From)
			at(o.began)
			if o.used > 0 {
				at(time.Unix(0, o.lastUse))
			}
		}
		n(-7, truth(g.seq > w.known(g.by)))
		tallies(g.sending)
		tallies(g.waiting)
		for j := range w.calls {
			if w.calls[j].gate == i {
				asked(&w.calls[j])
			}
		}
		parts = append(parts, string(b))
	}
	for j := range w.calls {
		if w.calls[j].gate < 0 {
			b = nil
			asked(&w.calls[j])
			parts = append(parts, string(b))
		}
	}
	slices.Sort(parts)
	b = nil
	n(-4, w.account.Permits)
	for _, l := range w.account.leases {
		n(l.Count)
		at(l.Until)
	}
	tallies(w.account.tallies)
	for _, all := range [][]int{w.approved, w.released} {
		n(int64(len(all)))
		for _, one := range all {
			n(int64(w.now - one))
		}
	}
	return string(b) + strings.Join(parts, "|")
}

// next answers every state that one step leads to.
func (w *ratioWorld) next(bad ratioMutant) (all []*ratioWorld) {
	step := func(do func(c *ratioWorld)) {
		c := w.clone()
		do(c)
		all = append(all, c)
	}
	step(func(c *ratioWorld) {
		c.now++
		left := func(at int) bool { return at <= c.now-modelWindow }
		c.approved, c.released = slices.DeleteFunc(c.approved, left), slices.DeleteFunc(c.released, left)
		for i := range c.gates {
			if g := &c.gates[i]; g.open != nil && !g.ready(moment{process: tick(c.now)}, 1) {
				g.close(1) // at the next question anyway
			}
			c.gates[i].forget(tick(c.now - modelWindow))
		}
	})
	orphans := 0
	for i := range w.calls {
		orphans += int(truth(w.calls[i].gate < 0))
	}
	m := moment{t: tick(w.now).UnixNano(), process: tick(w.now)}
	for i := range w.gates {
		g := &w.gates[i]
		if i == 0 && len(w.approved) < modelAnswers {
			step(func(c *ratioWorld) {
				c.approved = append(c.approved, c.now)
				c.gates[i].addLately(tick(c.now), 1, time.Second, modelWindow*time.Second)
			})
		}
		if g.ready(m, 1) {
			step(func(c *ratioWorld) {
				c.gates[i].use(m, 1)
				c.released = append(c.released, c.now)
				c.excess = len(c.released) > max(1, len(c.approved))
				if !c.gates[i].ready(m, 1) {
					c.gates[i].close(1)
				}
			})
		}
		if i == 1 && !g.calling && !g.ready(m, 1) {
			step(func(c *ratioWorld) { c.ask(i, 1, bad) })
		}
		if !g.calling && (len(g.sending) > 0 || len(g.waiting) > 0) {
			step(func(c *ratioWorld) { c.ask(i, 0, bad) })
		}
	}
	for i := range w.calls {
		if w.calls[i].decided {
			step(func(c *ratioWorld) { c.deliver(i) })
		} else {
			step(func(c *ratioWorld) { c.decide(i, bad) })
		}
		if w.calls[i].gate == 0 && (w.calls[i].decided || orphans == 0) {
			step(func(c *ratioWorld) { c.lose(i) })
		}
	}
	return all
}

// ask is a request for permits, or a report alone.
func (w *ratioWorld) ask(i int, need int64, bad ratioMutant) {
	g := &w.gates[i]
	if need > 0 {
		g.close(need)
	}
	if g.by == "" {
		w.born++
		g.by = fmt.Sprint(w.born)
	}
	if bad == tellsAnew && g.sending != nil {
		g.sending, g.waiting = nil, append(slices.Clone(g.sending), g.waiting...)
	}
	share := modelShare
	r := LeaseRequest{
		Lease: Lease{Limit: "a", Count: need, From: tick(0), Until: tick(modelLease)}, Need: need, Window: modelWindow * time.Second,
		Share: &share, Report: g.report(time.Microsecond), Settled: g.settle,
	}
	g.calling = true
	w.calls = append(w.calls, call{gate: i, asked: w.now, r: r})
}

// decide is the store's transaction.
func (w *ratioWorld) decide(i int, bad ratioMutant) {
	c := &w.calls[i]
	a, r, at := &w.account, c.r, tick(w.now)
	if p := r.Report; p != nil && bad != soundRatio {
		other := *p
		r.Report = &other
		switch bad {
		case countsTwice:
			w.born++
			other.By = fmt.Sprint(w.born)
		case countsFromReport:
			other.Tallies = slices.Clone(p.Tallies)
			for j := range other.Tallies {
				other.Tallies[j].From = at
			}
		}
	}
	if bad == grantsForNow {
		r.Until = r.From
	}
	now := a.Tick(Read(at, at), Sighting{})
	_, _ = a.Weigh(a, &r, now, at)
	r.Until = c.r.Until
	c.grant, _ = a.Decide(a, r, now, false)
	a.leases = slices.DeleteFunc(a.leases, func(l memLease) bool { return l.Count == 0 })
	c.decided = true
	if c.gate < 0 {
		w.calls = append(w.calls[:i], w.calls[i+1:]...)
	}
}

// deliver is the answer's arrival.
func (w *ratioWorld) deliver(i int) {
	c := w.calls[i]
	w.calls = append(w.calls[:i], w.calls[i+1:]...)
	g := &w.gates[c.gate]
	g.calling, g.settle = false, nil
	g.told(c.r.Report)
	if c.grant.Count > 0 {
		g.open = &openLease{Lease: c.grant.Lease, until: c.grant.Until.UnixNano(), began: tick(c.asked)}
		if !g.ready(moment{process: tick(w.now)}, 1) {
			g.close(1)
		}
	}
}

// lose is a call that fails: whether the store has decided, or still will, its gateway never learns.
func (w *ratioWorld) lose(i int) {
	c := &w.calls[i]
	w.gates[c.gate].calling = false
	c.gate = -1
	if c.decided {
		w.calls = append(w.calls[:i], w.calls[i+1:]...)
	}
}

func exploreRatio(bad ratioMutant) (states int, fault error) {
	first := &ratioWorld{}
	seen := map[string]struct{}{first.key(): {}}
	queue := []*ratioWorld{first}
	for len(queue) > 0 {
		w := queue[0]
		queue = queue[1:]
		for _, next := range w.next(bad) {
			if next.excess {
				return len(seen), fmt.Errorf("at %d, released at %v beside others at %v", next.now, next.released, next.approved)
			}
			k := next.key()
			if _, known := seen[k]; !known {
				seen[k] = struct{}{}
				queue = append(queue, next)
			}
		}
	}
	return len(seen), nil
}

// TestModelOfRatios: in no reachable state is a numerator one too many, and every mutant is caught.
func TestModelOfRatios(t *testing.T) {
	for bad, name := range []string{"sound", "counts twice", "grants for now", "counts from the report", "tells anew"} {
		began := time.Now()
		n, err := exploreRatio(ratioMutant(bad))
		t.Logf("%s: %d states, %v: %v", name, n, time.Since(began), err)
		switch {
		case bad == int(soundRatio) && (err != nil || n < 10_000):
			t.Errorf("%v in %d states", err, n)
		case bad != int(soundRatio) && err == nil:
			t.Errorf("%s: breaks no promise in %d states: the model sees nothing", name, n)
		}
	}
}
