package review

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// life is an item and what a test knows of it beside.
type life struct {
	t      *testing.T
	rng    *rand.Rand
	it     *Item
	now    time.Time
	window time.Duration
	// Who has answered and not taken it back, who has skipped it for good.
	answered, skipped map[string]bool
	leases            []Lease
	trace             []step
}

// step is an act that was tried.
type step struct {
	at  time.Time
	act Act
	err error
}

var people = []string{"ann", "bob", "cid", "dan", "sue", "tom", "shop"}

func senior(name string) bool { return name == "sue" || name == "tom" }

func newLife(t *testing.T, seed uint64) *life {
	rng := rand.New(rand.NewPCG(seed, 42))
	now := time.Date(2026, 1, 1, 9, 0, 0, 0, time.UTC)
	it := &Item{
		ID: "it", Queue: "q", State: candorv1.ReviewState_REVIEW_STATE_PENDING, Consumer: "shop", Created: now, Deadline: now.Add(time.Hour),
		Wanted: 1 + rng.Uint32N(4), Kind: candorv1.ReviewKind(1 + rng.IntN(4)), Labels: []string{"a", "b"}, Revision: 1,
	}
	it.Agree = 1 + rng.Uint32N(it.Wanted)
	if it.Kind == candorv1.ReviewKind_REVIEW_KIND_GOLDEN {
		it.Wanted, it.Agree = 1, 1
	}
	return &life{
		t: t, rng: rng, it: it, now: now, window: time.Duration(rng.IntN(4)) * time.Minute,
		answered: map[string]bool{}, skipped: map[string]bool{},
	}
}

// act makes up something that somebody might do now, by a lease that may be old.
func (l *life) act() Act {
	who := people[l.rng.IntN(len(people))]
	if l.it.Adjudication && l.rng.IntN(2) == 0 {
		who = "sue"
	}
	lease := Lease{Holder: who, Epoch: uint64(l.rng.IntN(int(l.it.Epoch) + 2))}
	if len(l.leases) > 0 && l.rng.IntN(3) > 0 {
		lease = l.leases[len(l.leases)-1-l.rng.IntN(min(2, len(l.leases)))]
	}
	v := &candorv1.Verdict{Answer: &candorv1.Verdict_Label{Label: []string{"a", "b", "b"}[l.rng.IntN(3)]}}
	author := who
	if n := len(l.it.Verdicts); n > 0 {
		author = l.it.Verdicts[l.rng.IntN(n)].GetAuthor()
	}
	window := l.window * time.Duration(1+l.rng.IntN(2)) // the configuration may change
	etag := []string{"", "", l.it.Etag(), "7"}[l.rng.IntN(4)]
	switch l.rng.IntN(16) {
	case 0, 1, 2:
		return Claim{ID: "it", Holder: who, Senior: senior(who), Now: l.now, LeaseFor: func(string) time.Duration { return 3 * time.Minute }}
	case 3, 4, 5, 6:
		return Resolve{Lease: lease, Now: l.now, Verdict: v, Window: window}
	case 7:
		return Renew{Lease: lease, Now: l.now, Until: l.now.Add(5 * time.Minute)}
	case 8:
		return Release{Lease: lease, Now: l.now}
	case 9:
		return Skip{Lease: lease, Now: l.now, Until: []time.Time{{}, l.now.Add(time.Minute)}[l.rng.IntN(2)]}
	case 10:
		return Escalate{Lease: lease, Now: l.now, Queue: []string{"q", "p"}[l.rng.IntN(2)], Note: "x"}
	case 11, 12:
		return Revise{Reviewer: author, Now: l.now, Verdict: v, Window: window, Etag: etag}
	case 13:
		return Undo{Reviewer: []string{who, author}[l.rng.IntN(2)], Now: l.now, LeaseUntil: l.now.Add(3 * time.Minute), Window: window, Etag: etag}
	case 14:
		return []Act{
			Finalize{Now: l.now, Gated: Gated{Release: candorv1.ReleaseState_RELEASE_STATE_HELD, HeldBy: "limit"}},
			Expire{Now: l.now, Verdict: v}, Rescore{Now: l.now}, Rescore{Now: l.now, Answers: []*candorv1.StageAnswer{{}}},
		}[l.rng.IntN(4)]
	}
	if l.rng.IntN(8) == 0 {
		return Withdraw{Now: l.now, Verdict: v}
	}
	return []Act{Supersede{By: who, Now: l.now, Verdict: v, Etag: etag}, LetOut{Now: l.now}}[l.rng.IntN(2)]
}

// do applies an act as a store does, and checks what must hold whatever it is.
func (l *life) do(a Act) {
	before := *l.it
	before.Excluded, before.Verdicts = slices.Clone(before.Excluded), slices.Clone(before.Verdicts)
	said := spoken(l.it)
	after := *l.it
	e, err := a.Apply(&after)
	l.trace = append(l.trace, step{l.now, a, err})
	if !reflect.DeepEqual(before, *l.it) || said != spoken(l.it) {
		l.fail("the act changed what the item shares with its copy; it was\n%+v", before)
	}
	if err != nil || e.Unchanged {
		if !reflect.DeepEqual(before, after) {
			l.fail("an act without effect (%v) changed the item to\n%+v", err, after)
		}
		return
	}
	after.Revision++
	*l.it = after
	l.check(a, &before, e)
}

// spoken is everything that the item's verdicts say.
func spoken(it *Item) string {
	var out []byte
	for _, v := range slices.Concat(it.Verdicts, it.Superseded, []*candorv1.Verdict{it.Verdict}) {
		out, _ = proto.MarshalOptions{Deterministic: true}.MarshalAppend(out, v)
	}
	return string(out)
}

func (l *life) check(a Act, before *Item, e Effects) {
	it := l.it
	if it.Epoch < before.Epoch {
		l.fail("the epoch fell from %d to %d", before.Epoch, it.Epoch)
	}
	if !it.Deadline.Equal(before.Deadline) {
		l.fail("the deadline moved")
	}
	authors := map[string]bool{}
	for _, v := range it.Verdicts {
		if authors[v.GetAuthor()] || v.GetAuthor() == it.Consumer {
			l.fail("%s has two verdicts, or judges what they submitted", v.GetAuthor())
		}
		authors[v.GetAuthor()] = true
	}
	switch a := a.(type) {
	case Claim:
		if l.answered[a.Holder] || l.skipped[a.Holder] {
			l.fail("%s gets the item again", a.Holder)
		}
		if before.Adjudication && !a.Senior {
			l.fail("%s, no senior, gets what a senior decides", a.Holder)
		}
		l.leases = append(l.leases, Lease{Holder: a.Holder, Epoch: it.Epoch})
	case Resolve:
		l.answered[a.Holder] = true
		l.leased(a.Lease, before)
	case Revise:
		l.undisturbed(before)
	case Undo:
		l.undisturbed(before)
		delete(l.answered, a.Reviewer)
		l.leases = append(l.leases, Lease{Holder: it.Holder, Epoch: it.Epoch})
	case Skip:
		l.skipped[a.Holder] = l.skipped[a.Holder] || a.Until.IsZero()
		l.leased(a.Lease, before)
	case Renew:
		l.leased(a.Lease, before)
	case Release:
		l.leased(a.Lease, before)
	case Escalate:
		l.leased(a.Lease, before)
	case LetOut, Supersede:
		if !before.Final() {
			l.fail("an answer that isn't final was replaced or let out")
		}
	}
	if before.Final() && !e.Announced {
		l.fail("%T changed a final item", a)
	}
	if e.Final != (it.Final() && !before.Final()) {
		l.fail("the effects say final %t", e.Final)
	}
	settled := it.State == candorv1.ReviewState_REVIEW_STATE_RESOLVED
	switch {
	case settled && it.Verdict == nil, settled && it.FinalReason == candorv1.Reason_REASON_UNSPECIFIED:
		l.fail("it is settled without an answer")
	case settled && !it.Final() && !it.Verdict.GetAdjudication() && it.Agreeing < it.Agree:
		l.fail("it is settled, and %d of %d agree", it.Agreeing, it.Agree)
	case it.UndoUntil.IsZero() == (settled && !it.Final()):
		l.fail("%v, final %t, can be undone until %v", it.State, it.Final(), it.UndoUntil)
	case it.Open() && it.Verdict != nil, it.Open() && it.Final():
		l.fail("it is open, and has an answer")
	case (it.State == candorv1.ReviewState_REVIEW_STATE_CLAIMED) == it.LeaseUntil.IsZero():
		l.fail("%v, leased until %v", it.State, it.LeaseUntil)
	}
}

// undisturbed: who is at work on the item stays so.
func (l *life) undisturbed(before *Item) {
	if before.held(l.now) && (l.it.Holder != before.Holder || l.it.Epoch != before.Epoch || !l.it.held(l.now)) {
		l.fail("the item was taken out of a reviewer's hands")
	}
}

// leased: only the lease that runs may change anything.
func (l *life) leased(lease Lease, before *Item) {
	if before.Holder != lease.Holder || before.Epoch != lease.Epoch || !before.LeaseUntil.After(l.now) {
		l.fail("a lease changed the item that isn't the one that runs")
	}
}

func (l *life) fail(format string, args ...any) {
	l.t.Helper()
	for _, s := range l.trace {
		l.t.Logf("%v %T %+v: %v", s.at.Format("15:04:05"), s.act, s.act, s.err)
	}
	l.t.Fatalf(format+"\n%+v", append(args, *l.it)...)
}

// Whatever people and clocks do in whatever order, the rules of the queue hold; and the deadline ends every item.
func TestLives(t *testing.T) {
	states := map[candorv1.ReviewState]int{}
	adjudicated, several := 0, 0
	for seed := range uint64(1500) {
		l := newLife(t, seed)
		for range 10 + l.rng.IntN(60) {
			l.do(l.act())
			l.now = l.now.Add(time.Duration(l.rng.IntN(40)) * time.Second)
		}
		l.end()
		states[l.it.State]++
		if l.it.Verdict.GetAdjudication() {
			adjudicated++
		}
		if l.it.Agreeing > 1 {
			several++
		}
	}
	if states[candorv1.ReviewState_REVIEW_STATE_RESOLVED] < 200 || states[candorv1.ReviewState_REVIEW_STATE_EXPIRED] < 200 || adjudicated < 5 || several < 50 {
		t.Errorf("ended in %v, %d by a senior, %d by several; the test shows too little", states, adjudicated, several)
	}
}

// end lets time pass: the gateway does what is due, and nothing else happens.
func (l *life) end() {
	if l.now.Before(l.it.Deadline) {
		l.now = l.it.Deadline
	}
	for range 3 {
		if l.it.Final() {
			return
		}
		l.now = l.now.Add(l.window)
		if l.it.Open() {
			l.do(Expire{Now: l.now})
		} else {
			l.now = later(l.now, l.it.UndoUntil)
			l.do(Finalize{Now: l.now})
		}
	}
	l.fail("it doesn't end")
}
