package gateway

import (
	"context"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// queuesSpan is how far back a queue's counts and pace go.
const queuesSpan = 24 * time.Hour

func (s *reviewService) ListReviewQueues(ctx context.Context, in *candorv1.ListReviewQueuesRequest) (*candorv1.ListReviewQueuesResponse, error) {
	p, err := allowed(ctx, in, readers...)
	if err != nil {
		return nil, err
	}
	now := s.g.ledger.Now()
	states, err := s.g.reviews.Queues(ctx, now, now.Add(-queuesSpan))
	if err != nil {
		return nil, err
	}
	byName := map[string]*review.QueueState{}
	for i := range states {
		byName[states[i].Queue] = &states[i]
	}
	for name := range s.g.plan().cfg.GetQueues() {
		if byName[name] == nil {
			byName[name] = &review.QueueState{Queue: name}
		}
	}
	mine := s.g.queuesOf(p)
	out := &candorv1.ListReviewQueuesResponse{}
	for name, st := range byName {
		member := p.has(candorv1.Role_ROLE_REVIEWER) && slices.Contains(mine, name)
		if !p.sees(name) || (!member && !p.oversees()) {
			continue
		}
		q := s.g.queueProto(st, now)
		q.Member = member
		for _, h := range st.Holders {
			holder := &candorv1.QueueHolder{Reviewer: h.Reviewer, Item: review.Name(h.ItemID), LeaseExpireTime: timestamppb.New(h.Until)}
			if h.Reviewer != p.Name && !p.oversees() {
				holder.Item = ""
			}
			q.Holders = append(q.Holders, holder)
		}
		out.Queues = append(out.Queues, q)
	}
	slices.SortFunc(out.Queues, func(a, b *candorv1.ReviewQueue) int { return strings.Compare(a.GetName(), b.GetName()) })
	return out, nil
}

func (g *Gateway) queueProto(st *review.QueueState, now time.Time) *candorv1.ReviewQueue {
	conf := g.plan().cfg.GetQueues()[st.Queue]
	q := &candorv1.ReviewQueue{
		Lease: conf.GetLease(), UndoWindow: conf.GetUndoWindow(), RequireReason: conf.GetRequireReason(), Reasons: conf.GetReasons(),
		Name: "queues/" + st.Queue, Description: conf.GetDescription(), PendingCount: st.Pending, ClaimedCount: st.Claimed,
		ResolvedCount: st.Resolved, ExpiredCount: st.Expired, Open: true, EscalateTo: g.targets(st.Queue),
	}
	if oldest := oldestOf(st); !oldest.IsZero() {
		q.OldestTime = timestamppb.New(oldest)
	}
	if service, ok := medianOf(st.WorkTimes); ok {
		q.ServiceTime = durationpb.New(service)
	}
	wait, atRisk, known := expectedWait(st, now)
	if known {
		q.ExpectedWait = durationpb.New(wait)
	}
	q.AtRiskCount = atRisk
	g.showDesk(q, st.Queue, now)
	return q
}

// oldestOf is when the oldest pending item was made; zero: there is none.
func oldestOf(st *review.QueueState) time.Time {
	var oldest time.Time
	for _, w := range st.Waiting {
		if oldest.IsZero() || w.Created.Before(oldest) {
			oldest = w.Created
		}
	}
	return oldest
}

// expectedWait is how long an item that comes now waits for its claim, and how many of those that wait are reached after their
// deadline: everybody who holds an item takes the next one when the median of the work times has passed. known is false where nobody
// is at work or nothing is known of the pace; then those are at risk whose deadline has passed.
func expectedWait(st *review.QueueState, now time.Time) (wait time.Duration, atRisk int64, known bool) {
	service, known := medianOf(st.WorkTimes)
	known = known && len(st.Holders) > 0
	per := time.Duration(0)
	if known {
		per = service / time.Duration(len(st.Holders))
	}
	for i, w := range st.Waiting {
		if !w.Deadline.After(now.Add(per * time.Duration(i+1))) {
			atRisk++
		}
	}
	return per * time.Duration(st.Pending), atRisk, known
}

func medianOf(spans []time.Duration) (time.Duration, bool) {
	if len(spans) == 0 {
		return 0, false
	}
	sorted := slices.Sorted(slices.Values(spans))
	return sorted[len(sorted)/2], true
}
