package review

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// The life of an item as a state machine, of which every reachable state is looked at. The acts are the code that stores apply. Two
// reviewers claim, send heartbeats and answers; answers to claims get lost, verdicts arrive late and twice, leases and the deadline
// run out.

// itemMutant is a store that is wrong in one place.
type itemMutant int

const (
	itemSound itemMutant = iota
	// anyEpoch: a verdict is applied under whichever lease runs.
	anyEpoch
	// sameEpoch: a claim doesn't raise the epoch.
	sameEpoch
	// forgetsRequests: an act that comes again is applied again.
	forgetsRequests
	// overwrites: a heartbeat saves the item as it was when it was sent.
	overwrites
)

// verdictSent is a verdict on its way.
type verdictSent struct {
	who   int
	epoch uint64
	left  int // how often it may still arrive
}

// itemWorld is one state.
type itemWorld struct {
	it      Item
	now     int
	knows   [2]uint64 // the epoch that a reviewer believes to hold; 0: none
	sent    []verdictSent
	old     *Item    // overwrites: what a heartbeat will save
	applied []string // who's verdict of which epoch was applied
	finals  int
	fault   string
}

var modelStart = time.Date(2026, 1, 1, 9, 0, 0, 0, time.UTC)

const (
	modelLease    = 2
	modelDeadline = 5
)

func atMinute(n int) time.Time { return modelStart.Add(time.Duration(n) * time.Minute) }

func reviewer(i int) string { return [...]string{"ann", "bob"}[i] }

func (w *itemWorld) key() string {
	it := func(i *Item) string {
		if i == nil {
			return ""
		}
		return fmt.Sprint(i.State, i.Holder, i.Epoch, i.LeaseUntil.Sub(modelStart), len(i.Verdicts), len(i.Excluded), i.Verdict != nil, !i.FinalTime.IsZero())
	}
	return fmt.Sprint(it(&w.it), w.now, w.knows, w.sent, it(w.old), w.applied, w.finals, w.fault)
}

// apply is a transaction: the act changes a copy, which is saved if it succeeds.
func (w *itemWorld) apply(a Act) error {
	it := w.it
	out, err := a.Apply(&it)
	if err != nil {
		return err
	}
	w.it = it
	if out.Final {
		w.finals++
	}
	return nil
}

func (w *itemWorld) claim(who int, learns bool, bad itemMutant) bool {
	if w.apply(Claim{Queue: "q", Holder: reviewer(who), Now: atMinute(w.now), LeaseFor: func(string) time.Duration { return modelLease * time.Minute }}) != nil {
		return false
	}
	if bad == sameEpoch && w.it.Epoch > 1 {
		w.it.Epoch--
	}
	if learns {
		w.knows[who] = w.it.Epoch
	}
	return true
}

// arrive is a verdict that comes to the store, for the first time or again.
func (w *itemWorld) arrive(i int, bad itemMutant) {
	s := &w.sent[i]
	s.left--
	me := fmt.Sprint(reviewer(s.who), "/", s.epoch)
	again := slices.Contains(w.applied, me)
	if again && bad != forgetsRequests {
		return // the request id is known: nothing changes, and it is no error
	}
	l := Lease{Holder: reviewer(s.who), Epoch: s.epoch}
	if bad == anyEpoch {
		l = Lease{Holder: w.it.Holder, Epoch: w.it.Epoch}
	}
	held := w.it.Epoch
	err := w.apply(Resolve{
		Lease: l, Now: atMinute(w.now), Verdict: &candorv1.Verdict{Answer: &candorv1.Verdict_Label{Label: "a"}}, RequestID: me,
	})
	switch {
	case err != nil && again:
		w.fault = me + " was applied, and its retry is told that it wasn't: " + err.Error()
	case err != nil:
	case held != s.epoch:
		w.fault = fmt.Sprintf("%s was applied under epoch %d", me, held)
	default:
		epoch := fmt.Sprint("/", s.epoch)
		if slices.ContainsFunc(w.applied, func(a string) bool { return strings.HasSuffix(a, epoch) }) {
			w.fault = fmt.Sprintf("two verdicts of epoch %d: %v and %s", s.epoch, w.applied, me)
		}
		w.applied = append(w.applied, me)
	}
}

// next answers every state that one step leads to.
func (w *itemWorld) next(bad itemMutant) (all []*itemWorld) {
	step := func(do func(c *itemWorld) bool) {
		c := *w
		c.sent, c.applied = slices.Clone(w.sent), slices.Clone(w.applied)
		if do(&c) {
			all = append(all, &c)
		}
	}
	if w.now <= modelDeadline {
		step(func(c *itemWorld) bool { c.now++; return true })
	}
	for who := range w.knows {
		step(func(c *itemWorld) bool { return c.claim(who, true, bad) })
		step(func(c *itemWorld) bool { return c.claim(who, false, bad) })
		if w.knows[who] == 0 {
			continue
		}
		lease := Lease{Holder: reviewer(who), Epoch: w.knows[who]}
		beat := Renew{Lease: lease, Now: atMinute(w.now), Until: atMinute(w.now + modelLease)}
		if bad != overwrites {
			step(func(c *itemWorld) bool { return c.apply(beat) == nil })
		} else if w.old == nil {
			step(func(c *itemWorld) bool {
				old := c.it
				c.old = &old
				_, err := beat.Apply(c.old)
				return err == nil
			})
		}
		if !slices.ContainsFunc(w.sent, func(s verdictSent) bool { return s.who == who && s.epoch == lease.Epoch }) {
			step(func(c *itemWorld) bool { c.sent = append(c.sent, verdictSent{who, lease.Epoch, 2}); return true })
		}
	}
	if w.old != nil {
		step(func(c *itemWorld) bool { c.it, c.old = *c.old, nil; return true })
	}
	for i := range w.sent {
		if w.sent[i].left > 0 {
			step(func(c *itemWorld) bool { c.arrive(i, bad); return true })
		}
	}
	step(func(c *itemWorld) bool { return c.apply(Finalize{Now: atMinute(c.now)}) == nil })
	step(func(c *itemWorld) bool { return c.apply(Expire{Now: atMinute(c.now)}) == nil })
	return all
}

// broken says which promise a state breaks.
func (w *itemWorld) broken() string {
	switch {
	case w.fault != "":
		return w.fault
	case w.finals > 1:
		return "the item became final twice"
	case len(w.applied) > len(w.it.Verdicts):
		return fmt.Sprintf("of the verdicts %v, which were acknowledged, %d are there", w.applied, len(w.it.Verdicts))
	}
	return ""
}

func exploreItem(wanted uint32, bad itemMutant) (states int, fault string) {
	first := &itemWorld{it: Item{
		ID: "it", Queue: "q", State: candorv1.ReviewState_REVIEW_STATE_PENDING, Consumer: "shop", Created: atMinute(0), Deadline: atMinute(modelDeadline),
		Wanted: wanted, Agree: wanted, Kind: candorv1.ReviewKind_REVIEW_KIND_DEFERRED, Labels: []string{"a", "b"},
	}}
	seen := map[string]bool{first.key(): true}
	for queue := []*itemWorld{first}; len(queue) > 0; {
		w := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for _, n := range w.next(bad) {
			if n.it.Epoch > 3 { // so many claims are enough
				continue
			}
			k := n.key()
			if seen[k] {
				continue
			}
			seen[k] = true
			if fault := n.broken(); fault != "" {
				return len(seen), fault
			}
			queue = append(queue, n)
		}
	}
	return len(seen), ""
}

// TestModelOfAnItem: in no reachable state has an epoch two verdicts, is one applied under another epoch, or one that was acknowledged
// lost; no item becomes final twice; and every mutant is caught.
func TestModelOfAnItem(t *testing.T) {
	for wanted := uint32(1); wanted <= 2; wanted++ {
		n, fault := exploreItem(wanted, itemSound)
		t.Logf("%d reviewers wanted: %d states", wanted, n)
		if fault != "" || n < 1000 {
			t.Errorf("%d reviewers wanted: after %d states: %s", wanted, n, fault)
		}
	}
	for _, bad := range []itemMutant{anyEpoch, sameEpoch, forgetsRequests, overwrites} {
		n, fault := exploreItem(2, bad)
		t.Logf("mutant %d: after %d states: %s", bad, n, fault)
		if fault == "" {
			t.Errorf("mutant %d breaks no promise in %d states: the model sees nothing", bad, n)
		}
	}
}
