package web

import (
	"net/http"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/people"
)

// queueRow is a queue as the table shows it.
type queueRow struct {
	*candorv1.ReviewQueue
	// Oldest is the age of the oldest item that waits; 0: none does.
	Oldest time.Duration
	// Wait is what an item that comes now waits; known only where WaitKnown.
	Wait      time.Duration
	WaitKnown bool
	Service   time.Duration
	Holders   []holder
	// May work: the person is a reviewer of the queue.
	May bool
}

type holder struct {
	Name, Item string
	// Left of the lease; negative: it has ended, and nobody has seen it yet.
	Left time.Duration
	Me   bool
}

type queuesPage struct {
	Queues []queueRow
	// Waiting is what the person could claim, by the counts.
	Waiting int64
	AtRisk  int64
	May     bool
	// RequestID of a claim.
	RequestID string
}

func (s *Server) queuesOf(r *http.Request, v *visit) ([]*candorv1.ReviewQueue, error) {
	ctx, cancel := s.call(r, v)
	defer cancel()
	resp, err := s.review.ListReviewQueues(ctx, &candorv1.ListReviewQueuesRequest{})
	return resp.GetQueues(), err
}

func (s *Server) queues(w http.ResponseWriter, r *http.Request, v *visit) error {
	list, err := s.queuesOf(r, v)
	if err != nil {
		return err
	}
	p := queuesPage{RequestID: newRequestID()}
	for _, q := range list {
		row := queueRowOf(q, v.Person, v.Now)
		p.Queues = append(p.Queues, row)
		p.AtRisk += q.GetAtRiskCount()
		if row.May {
			p.May = true
			p.Waiting += q.GetPendingCount()
		}
	}
	return s.render(w, r, v, view{Template: "queues", Title: "Queues", Section: "/queue", Data: p})
}

func queueRowOf(q *candorv1.ReviewQueue, who people.Person, now time.Time) queueRow {
	row := queueRow{
		ReviewQueue: q, Wait: q.GetExpectedWait().AsDuration(), WaitKnown: q.ExpectedWait != nil, Service: q.GetServiceTime().AsDuration(),
		May: q.GetMember() && who.Has(candorv1.Role_ROLE_REVIEWER),
	}
	if q.OldestTime != nil {
		row.Oldest = max(time.Second, now.Sub(q.GetOldestTime().AsTime()))
	}
	for _, h := range q.GetHolders() {
		row.Holders = append(row.Holders, holder{
			Name: h.GetReviewer(), Item: idOf(h.GetItem()), Left: leftUntil(h.GetLeaseExpireTime(), now), Me: h.GetReviewer() == who.Name,
		})
	}
	return row
}

// leftUntil is how long it is until then.
func leftUntil(t *timestamppb.Timestamp, now time.Time) time.Duration { return t.AsTime().Sub(now) }
