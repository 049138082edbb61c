package web

import (
	"net/http"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// recentVerdicts is how many of one's own verdicts the page of work lists.
const recentVerdicts = 25

type workPage struct {
	// Held are the items that the person holds, the shortest lease first.
	Held []itemRow
	// Recent are those that they have judged, newest first.
	Recent []itemRow
	// Today's figures; nil: there are none.
	Today *candorv1.ReviewerStatistics
	// Pace is the median time of a verdict.
	Pace time.Duration
	// Flipped of Differed first answers were changed to the model's.
	Flipped, Differed int64
	Waiting           int64
	RequestID         string
}

func (s *Server) work(w http.ResponseWriter, r *http.Request, v *visit) error {
	if !v.Person.Has(candorv1.Role_ROLE_REVIEWER) {
		http.Redirect(w, r, "/queue", http.StatusSeeOther)
		return nil
	}
	ctx, cancel := s.call(r, v)
	defer cancel()
	mine, err := s.review.ListReviewItems(ctx, &candorv1.ListReviewItemsRequest{Reviewer: "me", PageSize: recentVerdicts})
	if err != nil {
		return err
	}
	p := workPage{RequestID: newRequestID()}
	for _, it := range mine.GetItems() {
		row := itemRowOf(it, v)
		switch {
		case row.Mine:
			p.Held = append(p.Held, row)
		case row.Verdict != nil:
			p.Recent = append(p.Recent, row)
		}
	}
	midnight := time.Date(v.Now.Year(), v.Now.Month(), v.Now.Day(), 0, 0, 0, 0, v.Zone)
	stats, err := s.review.GetReviewStatistics(ctx, &candorv1.GetReviewStatisticsRequest{Since: timestamppb.New(midnight)})
	if err != nil {
		return err
	}
	for _, one := range stats.GetReviewers() {
		if one.GetReviewer() != v.Person.Name {
			continue
		}
		p.Today, p.Pace = one, one.GetWorkTime().AsDuration()
		for _, f := range one.GetFlips() {
			p.Flipped += f.GetFlippedToModel()
			p.Differed += f.GetDiffered()
		}
	}
	queues, err := s.review.ListReviewQueues(ctx, &candorv1.ListReviewQueuesRequest{})
	if err != nil {
		return err
	}
	for _, q := range queues.GetQueues() {
		if q.GetMember() {
			p.Waiting += q.GetPendingCount()
		}
	}
	return s.render(w, r, v, view{Template: "work", Title: "My work", Section: "/work", Data: p})
}
