package gateway

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"slices"
	"time"

	"github.com/google/uuid"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// tossClaim says what the next claim of a queue goes to: audits first (set in the claim), or a golden item of the queue that it answers
// (empty: of none). A claim of any queue is tossed by one of them, each as likely as it has items that wait. Nobody is given golden
// items alone: where nothing else waits there is none.
func (s *reviewService) tossClaim(ctx context.Context, c *review.Claim) (golden string, err error) {
	queues := c.Queues
	if c.Queue != "" {
		queues = []string{c.Queue}
	}
	var names []string
	var waiting []int64
	total := int64(0)
	for _, name := range queues {
		q := s.g.plan().cfg.GetQueues()[name]
		if q.GetGolden() == nil && (len(queues) == 1 || q.GetAuditShare() == 0) {
			continue // No count is needed for the one coin that is left.
		}
		page, err := s.g.reviews.List(ctx, review.Filter{Queue: name, State: candorv1.ReviewState_REVIEW_STATE_PENDING, NoGolden: true, Limit: 1})
		if err != nil {
			return "", err
		}
		names, waiting, total = append(names, name), append(waiting, page.Pending), total+page.Pending
	}
	chosen := c.Queue
	if len(queues) == 1 {
		chosen = queues[0]
	}
	if total > 0 && chosen == "" {
		at := int64(toss() * float64(total))
		i := slices.IndexFunc(waiting, func(n int64) bool { at -= n; return at < 0 })
		chosen = names[max(i, 0)]
	}
	q := s.g.plan().cfg.GetQueues()[chosen]
	c.AuditsFirst = heads(q.GetAuditShare())
	if total > 0 && heads(q.GetGolden().GetShare()) {
		golden = chosen
	}
	return golden, nil
}

// heads is true with the probability.
func heads(probability float64) bool { return toss() < probability }

// toss is a number in [0,1) that nobody can foretell: who knew the coin would know what is golden.
func toss() float64 {
	var b [8]byte
	// Read never answers an error.
	_, _ = rand.Read(b[:])
	const bits = 53
	return float64(binary.LittleEndian.Uint64(b[:])>>(64-bits)) / (1 << bits)
}

// goldenItem is what an item that shows a golden question has of its own: it looks like a row that has come just now, of any model
// of the queue.
func (g *Gateway) goldenItem(queue string, now time.Time) review.Item {
	var deadlines []time.Duration
	for _, m := range g.plan().models {
		if m.review.GetQueue() == queue {
			deadlines = append(deadlines, m.reviewDeadline, m.auditDeadline)
		}
	}
	deadline := g.plan().cfg.GetQueues()[queue].GetDeadline().AsDuration()
	if len(deadlines) > 0 {
		deadline = deadlines[int(toss()*float64(len(deadlines)))]
	}
	return review.Item{
		ID: uuid.Must(uuid.NewV7()).String(), PredictionID: uuid.Must(uuid.NewV7()).String(), Queue: queue,
		Kind: candorv1.ReviewKind_REVIEW_KIND_GOLDEN, State: candorv1.ReviewState_REVIEW_STATE_PENDING,
		Release: candorv1.ReleaseState_RELEASE_STATE_HELD, OnExpire: candorv1.ExpireAction_EXPIRE_ACTION_REJECT,
		Created: now, Deadline: now.Add(deadline), Wanted: 1, Agree: 1, SamplingProbability: 1,
	}
}
