package review

import (
	"cmp"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// JoinTo makes a new item wait for another one's answer, as its Join asks, and reports whether it does. Both are changed: nobody
// reviews what they submitted, so that the new item's consumer doesn't get the first one any more. A row that is evidence for a
// certificate has an answer of its own. The caller has compared key and payload.
func JoinTo(it, first *Item, now time.Time) (ofItem, ofFirst Effects, ok bool) {
	switch {
	case it.Join == nil, it.Kind != candorv1.ReviewKind_REVIEW_KIND_DEFERRED, len(it.Sequences) > 0,
		!first.Open(), first.JoinedTo != "", first.Kind != candorv1.ReviewKind_REVIEW_KIND_DEFERRED, len(first.Sequences) > 0,
		first.Created.Before(it.Join.Since), first.Joined >= it.Join.Max,
		first.Holder == it.Consumer, first.verdictOf(it.Consumer) != nil:
		return Effects{}, Effects{}, false
	}
	it.JoinedTo = first.ID
	first.Joined++
	ofFirst.Exclude = first.keepFrom(it.Consumer)
	ofItem.Events = []Event{it.event(candorv1.ReviewEventKind_REVIEW_EVENT_KIND_JOINED, now, AuthorGateway, first.ID)}
	return ofItem, ofFirst, true
}

// keepFrom excludes the consumer of an item that joined.
func (i *Item) keepFrom(consumer string) []Exclusion {
	x := Exclusion{Reviewer: consumer}
	if consumer == "" || consumer == i.Consumer || slices.Contains(i.Excluded, x) {
		return nil
	}
	i.exclude(x)
	return []Exclusion{x}
}

// Follow gives an item the final answer of the one that it joined. It becomes final by Finalize, at once: its action asks the limits
// for itself. It reports whether the item waited for it.
func Follow(it *Item, first *Item, now time.Time) (Effects, bool) {
	if !it.Open() || first.Verdict == nil {
		return Effects{}, false
	}
	it.State, it.LeaseUntil = candorv1.ReviewState_REVIEW_STATE_RESOLVED, time.Time{}
	it.Verdict, it.Agreeing, it.FinalReason, it.UndoUntil = proto.CloneOf(first.Verdict), first.Agreeing, first.FinalReason, now
	ev := it.event(candorv1.ReviewEventKind_REVIEW_EVENT_KIND_ANSWERED, now, first.Verdict.GetAuthor(), "by "+first.ID)
	ev.Verdict = it.Verdict
	return Effects{Events: []Event{ev}}, true
}

// Succeed chooses which of the items that had joined an ended one takes its place: the one that was worth most, then the oldest. The
// others join it. joined isn't empty. The items are changed in place; the first of the answer is the one.
func Succeed(joined []*Item, now time.Time) ([]*Item, []Effects) {
	slices.SortFunc(joined, func(a, b *Item) int {
		return cmp.Or(cmp.Compare(b.ExpectedLoss, a.ExpectedLoss), a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
	first := joined[0]
	effects := make([]Effects, len(joined))
	for i, it := range joined {
		it.JoinedTo = first.ID
		effects[i].Events = []Event{it.event(candorv1.ReviewEventKind_REVIEW_EVENT_KIND_JOINED, now, AuthorGateway, first.ID)}
		effects[0].Exclude = append(effects[0].Exclude, first.keepFrom(it.Consumer)...)
	}
	first.JoinedTo, first.Joined = "", uint32(len(joined)-1)
	return joined, effects
}
