package limits

import (
	"encoding/binary"
	"slices"
	"strings"
	"time"
)

// key says all that the future depends on: times by how long ago they were, and nothing of what is over. Gateways are alike, so
// that their order doesn't matter, and neither does that of calls; leases are known by their place among those that are stored.
func (w *world) key(size modelSize) string {
	var b []byte
	n := func(v ...int64) {
		for _, one := range v {
			b = binary.AppendVarint(b, one)
		}
	}
	oldest := int64(-1_000_000 * (size.window + size.lease + 1))
	ago := func(t time.Time) int64 { return t.Sub(tick(w.now)).Microseconds() }
	at := func(t time.Time) { n(max(ago(t), oldest)) }
	place := func(id int64) int64 {
		return int64(slices.IndexFunc(w.account.leases, func(o memLease) bool { return o.ID == id }))
	}
	tallies := func(all []Tally) {
		n(-8)
		for _, t := range all {
			if tick(w.now).Sub(t.From) < time.Duration(size.window)*time.Second {
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
	account := func(a *memAccount) {
		n(a.Permits, int64(len(a.leases)))
		for i := range a.leases {
			n(a.leases[i].Count)
			at(a.leases[i].Until)
		}
		if w.setting {
			n(ago(a.Clock), a.Shift.Microseconds()+int64(w.server)*1_000_000, ago(a.Wall))
			if size.lost > 0 {
				n(a.Lost.Microseconds())
			}
		}
	}
	sight := func(s Sighting) {
		if !s.Now.IsZero() && s.Born.Equal(w.account.Born) {
			n(s.Now.Sub(s.Asked).Microseconds(), s.Now.Sub(s.Answered).Microseconds(), (w.account.Lost - s.Lost).Microseconds())
			if size.walls {
				n(s.Wall.Sub(s.Answered).Microseconds())
			}
		}
	}
	asked := func(c *call) {
		n(-3, c.r.Need, truth(c.decided), int64(c.wall))
		if !c.decided {
			if c.r.Count > 0 || w.setting {
				at(tick(c.asked))
			}
			settled(c.r.Settled)
			sight(c.r.Seen)
			if p := c.r.Report; p != nil && p.Seq > w.known(p.By) {
				tallies(p.Tallies)
			}
			if c.stale != nil {
				account(c.stale)
			}
			return
		}
		if c.grant.Count > 0 {
			n(place(c.grant.ID), c.grant.Count)
			at(c.grant.From)
			at(c.grant.Seen.Asked)
		}
		if w.setting {
			n(ago(c.grant.Seen.Answered))
			sight(c.grant.Seen)
		}
	}
	var parts []string
	for i := range w.gates {
		b = nil
		g := &w.gates[i]
		n(int64(w.walls[i]))
		sight(g.seen)
		settled(g.settle)
		if o := g.open; o != nil {
			n(-6, place(o.ID), o.Count, o.used)
			at(o.From)
			at(o.began)
			if o.used > 0 {
				at(time.Unix(0, o.lastUse))
			}
		}
		if size.others > 0 {
			n(-7, truth(g.seq > w.known(g.by)))
			tallies(g.sending)
			tallies(g.waiting)
		}
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
	if size.end > 0 {
		n(int64(w.now))
	}
	if w.tripped >= 0 {
		n(max(int64(w.tripped-w.now)*1_000_000, oldest))
	}
	n(-4, int64(w.sets), int64(w.starts), truth(w.lateGrant))
	account(&w.account)
	if size.others > 0 {
		tallies(w.account.tallies)
	}
	for _, all := range [][]int{w.others, w.released} {
		n(int64(len(all)))
		for _, one := range all {
			n(int64(w.now - one))
		}
	}
	return string(b) + strings.Join(parts, "|")
}

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// known is the Seq of the last report that the store has of one reporter.
func (w *world) known(by string) int64 {
	for _, r := range w.account.reporters {
		if r.by == by {
			return r.seq
		}
	}
	return 0
}
