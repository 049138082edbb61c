package gateway

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// mostGiven bounds the verdicts that one account of people's work is made of.
const mostGiven = 100_000

// statisticsSpan is how far back an account goes when nobody says how far.
const statisticsSpan = 24 * time.Hour

func (s *reviewService) GetReviewStatistics(ctx context.Context, in *candorv1.GetReviewStatisticsRequest) (*candorv1.GetReviewStatisticsResponse, error) {
	p, err := allowed(ctx, in, readers...)
	if err != nil {
		return nil, err
	}
	if err := s.g.knownQueue(in.GetQueue()); err != nil {
		return nil, err
	}
	for _, t := range []struct {
		field string
		time  *timestamppb.Timestamp
	}{{"since", in.GetSince()}, {"until", in.GetUntil()}} {
		if t.time != nil && !t.time.IsValid() {
			return nil, invalid(t.field, "it is not a time between the years 1 and 9999")
		}
	}
	until := s.g.ledger.Now()
	if in.GetUntil() != nil {
		until = in.GetUntil().AsTime()
	}
	since := until.Add(-statisticsSpan)
	if in.GetSince() != nil {
		since = in.GetSince().AsTime()
	}
	if !since.Before(until) {
		return nil, invalid("since", "it is not before until")
	}
	filter := review.GivenFilter{Since: since, Until: until, Queue: in.GetQueue(), Model: in.GetModel(), Limit: mostGiven}
	given, err := s.g.reviews.Given(ctx, filter)
	if err != nil {
		return nil, err
	}
	if len(given) == mostGiven {
		return nil, invalid("since", fmt.Sprintf("there are more than %d verdicts in the span; ask for a shorter one, a queue or a model", mostGiven))
	}
	passed, err := s.g.reviews.Passed(ctx, filter)
	if err != nil {
		return nil, err
	}
	out := review.Statistics(given, passed, since, until)
	if !p.oversees() {
		// Others' verdicts are needed to compare with, and nobody else's to see.
		out.Flips = nil
		for _, r := range out.GetReviewers() {
			if r.GetReviewer() == p.Name {
				out.Reviewers = []*candorv1.ReviewerStatistics{r}
				return out, nil
			}
		}
		out.Reviewers = nil
	}
	return out, nil
}
