package limits

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// The lease protocol as a state machine, of which every reachable state is looked at. The store's part is the code that
// store/postgres runs (Account.Tick and Decide), and so is what a gateway does with a lease (leases). Whatever happens between the two
// may happen at any time: a request and its answer take as long as they like or get lost, gateways crash and start anew, stand still
// (then they just do nothing for a while), and the server's clock is set forward or back, or those of the gateways are.

// mutant is a protocol that is wrong in one place.
type mutant int

const (
	sound mutant = iota
	// reclaimsEarly: the store takes back a lease that isn't over.
	reclaimsEarly
	// countsAtGrant: a lease leaves the window a window after its grant, not after its end.
	countsAtGrant
	// noLock: a grant is decided by what was stored a while ago.
	noLock
	// timedFromAnswer: the gateway counts a lease's time from when it got it.
	timedFromAnswer
	// settlesAtGrant: what was used counts as used at the grant.
	settlesAtGrant
	// usesExpired: a permit in hand is used whenever.
	usesExpired
	// trustsTheClock: the server's clock is believed when it is set forward.
	trustsTheClock
	// trustsTheFirst: it is believed when a gateway asks for the first time.
	trustsTheFirst
	// letsOthersRun: where such a one can't tell what has passed, those who know go on by what they know.
	letsOthersRun
	// forgetsTheLatch: a grant doesn't look at the latch.
	forgetsTheLatch
	// takesOneOfAll: any amount is released for one permit.
	takesOneOfAll
)

// modelSize is what the exploration is bounded by. Time runs in ticks of a second, and for ever, unless it ends.
type modelSize struct {
	gates int
	max   int64
	// amounts that answers have, from 1 on; 0: they are counted.
	amounts            int64
	window, lease, end int
	// fails: gateways crash and calls fail, as often as they like; of calls whose gateway has gone one at a time is under way.
	fails, trips bool
	// sets is how often the server's clock is set, or, with walls, that of some gateway's machine. starts is how often a gateway is started
	// anew meanwhile.
	sets, starts int
	walls        bool
}

// call is a request on its way, or its answer.
type call struct {
	gate    int // -1: whoever asked has crashed
	wall    int // how far the clock of its machine was ahead
	asked   int
	r       LeaseRequest
	decided bool
	stale   *memAccount // noLock: what the decision is made by
	grant   Grant
}

// world is one state.
type world struct {
	now, server int // true time; how far the server's clock is ahead
	account     memAccount
	gates       []leases
	calling     []bool
	calls       []call
	released    []int // true times, in the last window
	tripped     int   // when; -1: not
	lateGrant   bool
	walls       []int
	sets        int // how many are left
	starts      int
	setting     bool // the server's clock is set at some time: only then does it matter what was seen
}

var modelEpoch = time.Unix(1_000_000, 0).UTC()

func tick(n int) time.Time { return modelEpoch.Add(time.Duration(n) * time.Second) }

func (w *world) clone() *world {
	c := *w
	c.account.leases = slices.Clone(w.account.leases)
	c.gates = slices.Clone(w.gates)
	for i := range c.gates {
		if o := c.gates[i].open; o != nil {
			n := *o
			c.gates[i].open = &n
		}
	}
	c.calling, c.calls, c.released, c.walls = slices.Clone(w.calling), slices.Clone(w.calls), slices.Clone(w.released), slices.Clone(w.walls)
	return &c
}

// key says all that the future depends on: times by how long ago they were, and nothing of what is over. Gateways are alike, so
// that their order doesn't matter, and neither does that of calls; leases are known by their place among those that are stored.
func (w *world) key(size modelSize) string {
	var b []byte
	n := func(v ...int64) {
		for _, one := range v {
			b = binary.AppendVarint(b, one)
		}
	}
	oldest := int64(-1000 * (size.window + size.lease + 1))
	ago := func(t time.Time) int64 { return t.Sub(tick(w.now)).Milliseconds() }
	at := func(t time.Time) { n(max(ago(t), oldest)) }
	place := func(id int64) int64 {
		return int64(slices.IndexFunc(w.account.leases, func(o memLease) bool { return o.ID == id }))
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
			n(ago(a.Clock), a.Shift.Milliseconds()+int64(w.server)*1000, ago(a.Wall))
		}
	}
	sight := func(s Sighting) {
		if !s.Now.IsZero() && s.Born.Equal(w.account.Born) {
			n(s.Now.Sub(s.Asked).Milliseconds(), s.Now.Sub(s.Answered).Milliseconds(), (w.account.Lost - s.Lost).Milliseconds())
		}
	}
	asked := func(c *call) {
		n(-3, c.r.Need, truth(c.decided), int64(c.wall))
		at(tick(c.asked))
		if !c.decided {
			settled(c.r.Settled)
			sight(c.r.Seen)
			if c.stale != nil {
				account(c.stale)
			}
			return
		}
		if c.grant.Count > 0 {
			n(place(c.grant.ID), c.grant.Count)
			at(c.grant.From)
		}
		if w.setting {
			n(ago(c.grant.Now), (w.account.Lost - c.grant.Lost).Milliseconds(), truth(c.grant.Born.Equal(w.account.Born)))
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
		n(max(int64(w.tripped-w.now)*1000, oldest))
	}
	n(-4, int64(w.sets), int64(w.starts), truth(w.lateGrant))
	account(&w.account)
	for _, r := range w.released {
		n(int64(w.now - r))
	}
	return string(b) + strings.Join(parts, "|")
}

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// fault says which promise a state breaks.
func (w *world) fault(size modelSize) error {
	var n int64
	for _, at := range w.released {
		if at > w.now-size.window {
			n++
		}
	}
	switch {
	case n > size.max:
		return fmt.Errorf("the window that ends at %d holds %d of at most %d: %v", w.now, n, size.max, w.released)
	case w.lateGrant:
		return fmt.Errorf("a lease was granted after the trip at %d", w.tripped)
	case w.tripped >= 0 && len(w.released) > 0 && w.released[len(w.released)-1] > w.tripped+size.lease:
		return fmt.Errorf("released at %d, more than a lease after the trip at %d", w.released[len(w.released)-1], w.tripped)
	}
	return nil
}

// explore looks at every state that can be reached, and answers how many there are, and the first that breaks a promise.
func explore(size modelSize, bad mutant) (states int, fault error) {
	first := &world{
		gates: make([]leases, size.gates), calling: make([]bool, size.gates), walls: make([]int, size.gates),
		tripped: -1, sets: size.sets, starts: size.starts, setting: size.sets > 0,
	}
	if first.setting {
		// The gateways have asked once before the server's clock is set.
		first.account.Clock, first.account.Wall = tick(0), tick(0)
		for i := range first.gates {
			first.gates[i].seen = Sighting{Now: tick(0), Asked: tick(0), Answered: tick(0)}
		}
	}
	seen := map[string]struct{}{first.key(size): {}}
	queue := []*world{first}
	for len(queue) > 0 {
		w := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for _, next := range w.next(size, bad) {
			k := next.key(size)
			if _, known := seen[k]; known {
				continue
			}
			seen[k] = struct{}{}
			if err := next.fault(size); err != nil {
				return len(seen), err
			}
			queue = append(queue, next)
		}
	}
	return len(seen), nil
}

// TestModelOfLeases: in no reachable state is a window exceeded or a latch passed, and every mutant is caught.
func TestModelOfLeases(t *testing.T) {
	sizes := map[string]modelSize{
		"two permits": {gates: 2, max: 2, window: 2, lease: 2},
		"failures":    {gates: 2, max: 1, window: 3, lease: 2, fails: true},
		"clocks":      {gates: 2, max: 1, window: 2, lease: 2, sets: 2, end: 4},
		"a start":     {gates: 2, max: 1, window: 2, lease: 1, sets: 1, starts: 1, end: 3},
		"walls":       {gates: 2, max: 1, window: 1, lease: 1, sets: 1, starts: 1, walls: true, end: 3},
		"a trip":      {gates: 2, max: 1, window: 2, lease: 2, fails: true, trips: true},
		"amounts":     {gates: 2, max: 3, amounts: 3, window: 2, lease: 1},
	}
	if os.Getenv("CANDOR_LONG") == "1" {
		sizes["long: a trip"] = modelSize{gates: 2, max: 2, window: 2, lease: 2, trips: true}
		sizes["long: a start"] = modelSize{gates: 2, max: 1, window: 2, lease: 2, sets: 1, starts: 1, end: 4}
		sizes["long: walls"] = modelSize{gates: 2, max: 1, window: 2, lease: 2, sets: 1, starts: 1, walls: true, end: 4}
		sizes["long: three gateways"] = modelSize{gates: 3, max: 1, window: 2, lease: 2}
	}
	for name, size := range sizes {
		began := time.Now()
		n, err := explore(size, sound)
		t.Logf("%s: %d states, %v", name, n, time.Since(began))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if n < 10_000 {
			t.Errorf("%s: only %d states", name, n)
		}
	}
	for bad, name := range map[mutant]string{
		reclaimsEarly: "two permits", countsAtGrant: "two permits", noLock: "two permits", timedFromAnswer: "two permits",
		settlesAtGrant: "two permits", usesExpired: "two permits", trustsTheClock: "clocks", trustsTheFirst: "a start", letsOthersRun: "a start",
		forgetsTheLatch: "a trip", takesOneOfAll: "amounts",
	} {
		n, err := explore(sizes[name], bad)
		t.Logf("mutant %d, %s: after %d states: %v", bad, name, n, err)
		if err == nil {
			t.Errorf("mutant %d breaks no promise in %d states: the model sees nothing", bad, n)
		}
	}
}
