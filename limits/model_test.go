package limits

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"
)

// The protocol of leases, and of what ratios report, as a state machine, of which every reachable state is looked at. The store's part is
// the code that store/postgres runs (Account.Tick, Weigh and Decide), and so is what a gateway does with a lease (leases) and with what
// it has counted (outbox). Whatever happens between the two may happen at any time: a request and its answer take as long as they like or
// get lost, gateways crash and start anew, stand still (then they just do nothing for a while), and the server's clock is set forward or
// back, or those of the gateways are.

// mutant is a protocol that is wrong in one place.
type mutant string

const (
	sound mutant = "sound"
	// reclaimsEarly: the store takes back a lease that isn't over.
	reclaimsEarly mutant = "reclaims early"
	// countsAtGrant: a lease leaves the window a window after its grant, not after its end.
	countsAtGrant mutant = "counts at the grant"
	// noLock: a grant is decided by what was stored a while ago.
	noLock mutant = "no lock"
	// timedFromAnswer: the gateway counts a lease's time from when it got it.
	timedFromAnswer mutant = "timed from the answer"
	// settlesAtGrant: what was used counts as used at the grant.
	settlesAtGrant mutant = "settles at the grant"
	// usesExpired: a permit in hand is used whenever.
	usesExpired mutant = "uses what is over"
	// trustsTheClock: the server's clock is believed when it is set forward.
	trustsTheClock mutant = "trusts the clock"
	// trustsTheFirst: it is believed when a gateway asks for the first time.
	trustsTheFirst mutant = "trusts the first"
	// letsOthersRun: where such a one can't tell what has passed, those who know go on by what they know.
	letsOthersRun mutant = "lets others run"
	// losesUnseen: where what is lost begins anew, those who know go on by what they know.
	losesUnseen mutant = "loses unseen"
	// forgetsTheLatch: a grant doesn't look at the latch.
	forgetsTheLatch mutant = "forgets the latch"
	// takesOneOfAll: any amount is released for one permit.
	takesOneOfAll mutant = "takes one of all"
	// countsTwice: a report that is told again counts again.
	countsTwice mutant = "counts twice"
	// grantsForNow: permits are granted for what is in the window at the grant, not at the lease's end.
	grantsForNow mutant = "grants for now"
	// countsFromReport: an answer of a denominator counts from when the store is told of it.
	countsFromReport mutant = "counts from the report"
	// tellsAnew: what may have been told is told again as something new.
	tellsAnew mutant = "tells anew"
)

// modelSize is what the exploration is bounded by. Time runs in ticks of a second, and for ever, unless it ends.
type modelSize struct {
	gates int
	max   int64
	// amounts that answers have, from 1 on; 0: they are counted.
	amounts int64
	// others is how many answers of its denominator a ratio meets in a window, all at the first gateway, whose calls may fail; the others
	// release numerators: as many as there are others, and one at least. 0: it is no ratio.
	others             int
	window, lease, end int
	// fails: gateways crash and calls fail, as often as they like; of calls whose gateway has gone one at a time is under way.
	fails, trips bool
	// sets is how often the server's clock is set, or, with walls, that of some gateway's machine. starts is how often a gateway is started
	// anew meanwhile.
	sets, starts int
	walls        bool
	// lost is what the limit's time has fallen behind before.
	lost time.Duration
}

// asks says whether the i-th gateway wants permits.
func (s *modelSize) asks(i int) bool { return s.others == 0 || i > 0 }

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

type modelGate struct {
	leases
	outbox
	calling bool
}

// world is one state.
type world struct {
	now, server int // true time; how far the server's clock is ahead
	account     memAccount
	gates       []modelGate
	calls       []call
	// true times, in the last window, of what was released, and of the answers of a ratio's denominator beside it
	released, others []int
	excess           bool // a numerator was one too many
	reporters        int  // how many there have been
	tripped          int  // when; -1: not
	lateGrant        bool
	walls            []int
	sets             int // how many are left
	starts           int
	setting          bool // the server's clock is set at some time: only then does it matter what was seen
}

var modelEpoch = time.Unix(1_000_000, 0).UTC()

func tick(n int) time.Time { return modelEpoch.Add(time.Duration(n) * time.Second) }

func (a *memAccount) clone() memAccount {
	c := *a
	c.leases, c.tallies, c.reporters = slices.Clone(a.leases), slices.Clone(a.tallies), slices.Clone(a.reporters)
	return c
}

func (w *world) clone() *world {
	c := *w
	c.account, c.gates = w.account.clone(), slices.Clone(w.gates)
	for i := range c.gates {
		g := &c.gates[i]
		if g.open != nil {
			o := *g.open
			g.open = &o
		}
		g.waiting = slices.Clone(g.waiting)
	}
	c.calls, c.released, c.others, c.walls = slices.Clone(w.calls), slices.Clone(w.released), slices.Clone(w.others), slices.Clone(w.walls)
	return &c
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
	case w.excess:
		return fmt.Errorf("at %d, released at %v beside others at %v", w.now, w.released, w.others)
	case size.others == 0 && n > size.max:
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
		gates: make([]modelGate, size.gates), walls: make([]int, size.gates),
		tripped: -1, sets: size.sets, starts: size.starts, setting: size.sets > 0,
	}
	if first.setting {
		// The gateways have asked once before the server's clock is set.
		first.account.Clock, first.account.Wall, first.account.Lost = tick(0), tick(0), size.lost
		for i := range first.gates {
			first.gates[i].seen = Sighting{Now: tick(0), Asked: tick(0), Answered: tick(0), Wall: tick(0), Lost: size.lost}
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

// exploreAll wants no broken promise at any size, and one of every mutant at its size.
func exploreAll(t *testing.T, sizes map[string]modelSize, mutants map[mutant]string) {
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
	for bad, name := range mutants {
		n, err := explore(sizes[name], bad)
		t.Logf("%s, %s: after %d states: %v", bad, name, n, err)
		if err == nil {
			t.Errorf("%s breaks no promise in %d states: the model sees nothing", bad, n)
		}
	}
}

// TestModelOfLeases: in no reachable state is a window exceeded or a latch passed, and every mutant is caught.
func TestModelOfLeases(t *testing.T) {
	sizes := map[string]modelSize{
		"two permits": {gates: 2, max: 2, window: 2, lease: 2},
		"failures":    {gates: 2, max: 1, window: 3, lease: 2, fails: true},
		"clocks":      {gates: 2, max: 1, window: 2, lease: 2, sets: 2, end: 4},
		"a start":     {gates: 2, max: 1, window: 2, lease: 1, sets: 1, starts: 1, end: 3},
		"walls":       {gates: 2, max: 1, window: 1, lease: 1, sets: 1, starts: 1, walls: true, end: 2},
		"all lost":    {gates: 2, max: 1, window: 2, lease: 1, sets: 2, end: 3, lost: mostLostInAll},
		"a trip":      {gates: 2, max: 1, window: 2, lease: 2, fails: true, trips: true},
		"amounts":     {gates: 2, max: 3, amounts: 3, window: 2, lease: 1},
	}
	if os.Getenv("CANDOR_LONG") == "1" {
		sizes["long: a trip"] = modelSize{gates: 2, max: 2, window: 2, lease: 2, trips: true}
		sizes["long: walls"] = modelSize{gates: 2, max: 1, window: 1, lease: 1, sets: 1, starts: 1, walls: true, end: 3}
		sizes["long: three gateways"] = modelSize{gates: 3, max: 1, window: 3, lease: 2}
	}
	exploreAll(t, sizes, map[mutant]string{
		reclaimsEarly: "two permits", countsAtGrant: "two permits", noLock: "two permits", timedFromAnswer: "two permits",
		settlesAtGrant: "two permits", usesExpired: "two permits", trustsTheClock: "clocks", trustsTheFirst: "a start", letsOthersRun: "a start",
		losesUnseen: "all lost", forgetsTheLatch: "a trip", takesOneOfAll: "amounts",
	})
}

// TestModelOfRatios: in no reachable state is a numerator one too many, and every mutant is caught.
func TestModelOfRatios(t *testing.T) {
	exploreAll(t, map[string]modelSize{"ratio": {gates: 2, max: 1, others: 2, window: 3, lease: 2}}, map[mutant]string{
		countsTwice: "ratio", grantsForNow: "ratio", countsFromReport: "ratio", tellsAnew: "ratio",
	})
}
