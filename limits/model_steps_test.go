package limits

import (
	"fmt"
	"slices"
	"time"
)

// next answers every state that one step leads to.
func (w *world) next(size modelSize, bad mutant) (all []*world) {
	step := func(do func(c *world)) {
		c := w.clone()
		do(c)
		all = append(all, c)
	}
	if size.end == 0 || w.now < size.end {
		step(func(c *world) {
			c.now++
			left := func(at int) bool { return at <= c.now-size.window }
			c.released, c.others = slices.DeleteFunc(c.released, left), slices.DeleteFunc(c.others, left)
			for i := range c.gates {
				c.gates[i].forget(tick(c.now - size.window))
			}
		})
	}
	if w.sets > 0 {
		for _, by := range []int{size.window, -1, -size.window} {
			if !size.walls {
				step(func(c *world) { c.server, c.sets = c.server+by, c.sets-1 })
				continue
			}
			for i := range w.walls {
				step(func(c *world) { c.walls[i], c.sets = c.walls[i]+by, c.sets-1 })
			}
		}
	}
	if size.trips && w.tripped < 0 {
		step(func(c *world) { c.tripped = c.now })
	}
	for i := range w.gates {
		g := &w.gates[i]
		m := moment{t: tick(w.now).UnixNano(), process: tick(w.now)}
		if !size.asks(i) && len(w.others) < size.others {
			step(func(c *world) {
				c.others = append(c.others, c.now)
				c.gates[i].addLately(tick(c.now), 1, time.Second, time.Duration(size.window)*time.Second)
			})
		}
		late := bad == usesExpired && g.open != nil && g.open.used < g.open.Count
		for amount := int64(1); amount <= max(1, size.amounts); amount++ {
			if g.ready(m, amount) || late && amount == 1 || bad == takesOneOfAll && g.ready(m, 1) {
				step(func(c *world) { c.release(i, m, amount, size) })
			}
		}
		if !g.calling {
			for need := int64(1); need <= size.max && size.asks(i); need++ {
				// An amount of more than is in hand closes the lease.
				if !g.ready(m, 1) || need <= size.amounts && !g.ready(m, need) {
					step(func(c *world) { c.ask(i, need, size, bad) })
				}
			}
			if len(g.sending) > 0 || len(g.waiting) > 0 {
				step(func(c *world) { c.ask(i, 0, size, bad) })
			}
		}
		if size.fails && w.orphans() == 0 {
			step(func(c *world) { c.crashes(i) })
		}
		if w.starts > 0 && w.orphans() == 0 {
			step(func(c *world) {
				c.starts--
				c.crashes(i)
			})
		}
	}
	for i := range w.calls {
		switch {
		case bad == noLock && w.calls[i].stale == nil && !w.calls[i].decided:
			step(func(c *world) {
				old := c.account.clone()
				c.calls[i].stale = &old
			})
		case !w.calls[i].decided:
			step(func(c *world) { c.decide(i, w.calls[i].asked, bad) })
			// The server's clock may be asked for again once the account is locked.
			if w.calls[i].asked < w.now && w.setting {
				step(func(c *world) { c.decide(i, w.now, bad) })
			}
		default:
			step(func(c *world) { c.deliver(i, bad) })
		}
		fails := size.fails || !size.asks(w.calls[i].gate)
		if fails && w.calls[i].gate >= 0 && (w.calls[i].decided || w.orphans() == 0) {
			step(func(c *world) { c.lose(i) })
		}
	}
	for _, c := range all {
		for i := range c.gates {
			// What is used up or over is closed at the next question anyway.
			if g := &c.gates[i]; g.open != nil && bad != usesExpired && !g.ready(moment{process: tick(c.now)}, 1) {
				g.close(1)
			}
		}
	}
	return all
}

// orphans counts the calls that nobody waits for any more.
func (w *world) orphans() (n int) {
	for i := range w.calls {
		if w.calls[i].gate < 0 {
			n++
		}
	}
	return n
}

func (w *world) release(i int, m moment, amount int64, size modelSize) {
	g := &w.gates[i]
	if g.use(m, amount) == 0 {
		g.open.used++
	}
	for range amount {
		w.released = append(w.released, w.now)
	}
	w.excess = size.others > 0 && len(w.released) > max(1, len(w.others))
}

// ask is a request for permits; need 0: a report alone, which leaves an open lease as it is.
func (w *world) ask(i int, need int64, size modelSize, bad mutant) {
	g := &w.gates[i]
	if need > 0 {
		g.close(need)
	}
	r := LeaseRequest{
		Lease: Lease{Limit: "a", Count: need, From: tick(0), Until: tick(size.lease)}, Need: need,
		Max: size.max, Window: time.Duration(size.window) * time.Second, Seen: g.seen,
	}
	if g.settle != nil {
		s := *g.settle
		if bad == settlesAtGrant {
			s.Until = s.From
		}
		r.Settled = &s
	}
	if size.others > 0 {
		if g.by == "" {
			w.reporters++
			g.by = fmt.Sprint(w.reporters)
		}
		if bad == tellsAnew && g.sending != nil {
			g.sending, g.waiting = nil, append(slices.Clone(g.sending), g.waiting...)
		}
		r.Share, r.Report = &Share{PPM: whole, Min: 1}, g.report(time.Microsecond)
	}
	g.calling = true
	w.calls = append(w.calls, call{gate: i, wall: w.walls[i], asked: w.now, r: r})
}

// decide is the store's transaction, in which the server's clock was asked for at before.
func (w *world) decide(i, before int, bad mutant) {
	c := &w.calls[i]
	a := &w.account
	if c.gate >= 0 {
		c.wall = w.walls[c.gate]
	}
	at := Readings{Server: tick(w.now + w.server), Before: tick(before), After: tick(w.now), Wall: tick(w.now + c.wall)}
	known := !c.r.Seen.Now.IsZero() && c.r.Seen.Born.Equal(a.Born)
	switch {
	case bad == trustsTheClock:
		c.r.Seen, a.Wall = Sighting{}, time.Time{}
	case bad == trustsTheFirst && !known:
		a.Wall = time.Time{}
	}
	if bad == reclaimsEarly {
		for j := range a.leases {
			if l := &a.leases[j]; !l.settled && l.From.Before(at.Server) {
				a.Permits -= l.Count
				l.Count = 0
			}
		}
	}
	latched := w.tripped >= 0 && bad != forgetsTheLatch
	by := a
	if c.stale != nil {
		old := c.stale.clone()
		by = &old
	}
	r := c.r
	w.misread(&r, at.After, bad)
	born := by.Born
	now := by.Tick(at, r.Seen)
	if bad == letsOthersRun {
		by.Born = born
	}
	lost := by.Lost
	born = by.Born
	_, _ = by.Weigh(by, &r, now, at.After)
	if bad == losesUnseen && by.Lost < lost {
		by.Born = born
	}
	r.Until = c.r.Until
	c.grant, _ = by.Decide(by, r, now, latched)
	c.grant.Seen = a.Sight(at, now)
	if c.stale != nil {
		a.Account = by.Account
		if c.grant.Count > 0 {
			_ = a.Add(c.grant.Lease)
		}
		c.stale = nil
	}
	if n := len(a.leases); bad == countsAtGrant && c.grant.Count > 0 {
		a.leases[n-1].Until = c.grant.From
	}
	a.leases = slices.DeleteFunc(a.leases, func(l memLease) bool { return l.Count == 0 })
	w.lateGrant = w.lateGrant || w.tripped >= 0 && c.grant.Count > 0
	c.decided = true
	if c.gate < 0 {
		w.calls = append(w.calls[:i], w.calls[i+1:]...)
	}
}

// misread is what a store that is wrong about ratios makes of a request.
func (w *world) misread(r *LeaseRequest, at time.Time, bad mutant) {
	if bad == grantsForNow {
		r.Until = r.From
	}
	if r.Report == nil || bad != countsTwice && bad != countsFromReport {
		return
	}
	p := *r.Report
	r.Report = &p
	if bad == countsTwice {
		w.reporters++
		p.By = fmt.Sprint(w.reporters)
		return
	}
	p.Tallies = slices.Clone(p.Tallies)
	for j := range p.Tallies {
		p.Tallies[j].From = at
	}
}

// deliver is the answer's arrival.
func (w *world) deliver(i int, bad mutant) {
	c := w.calls[i]
	w.calls = append(w.calls[:i], w.calls[i+1:]...)
	g := &w.gates[c.gate]
	g.calling, g.settle = false, nil
	g.told(c.r.Report)
	if w.setting {
		g.seen = g.seen.or(c.grant.Seen)
	}
	if c.grant.Count == 0 {
		return
	}
	g.open = &openLease{Lease: c.grant.Lease, until: c.grant.Until.UnixNano(), began: c.grant.Seen.Asked}
	if bad == timedFromAnswer {
		g.open.began = tick(w.now)
	}
}

// lose is a call that fails: whether the store has decided, or still will, its gateway never learns.
func (w *world) lose(i int) {
	c := &w.calls[i]
	w.gates[c.gate].calling = false
	c.gate = -1
	if c.decided {
		w.calls = append(w.calls[:i], w.calls[i+1:]...)
	}
}

// crashes is a gateway that is started anew; what it had asked is still under way.
func (w *world) crashes(i int) {
	w.gates[i] = modelGate{}
	for j := len(w.calls) - 1; j >= 0; j-- {
		if w.calls[j].gate != i {
			continue
		}
		w.calls[j].gate = -1
		if w.calls[j].decided {
			w.calls = append(w.calls[:j], w.calls[j+1:]...)
		}
	}
}
