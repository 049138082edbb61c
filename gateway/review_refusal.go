package gateway

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/codes"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// refused is a store's refusal in the caller's words, with what the caller needs to go on.
func (s *reviewService) refused(ctx context.Context, err error, name string) error {
	e := reviewError(err, name)
	if e == nil {
		return err
	}
	switch e.Reason {
	case candorv1.ErrorReason_ERROR_REASON_SELF_REVIEW:
		e.with("principal", principal(ctx).Name)
	case candorv1.ErrorReason_ERROR_REASON_REVIEW_ITEM_CLAIMED, candorv1.ErrorReason_ERROR_REASON_REVIEW_ITEM_RESOLVED:
		// The item may have moved on since; what it says now is the better news. Without it the refusal stands all the same.
		item, err := s.g.reviews.Get(ctx, review.IDOf(name))
		if err != nil {
			break
		}
		if !item.LeaseUntil.IsZero() {
			e.with("lease_expire_time", item.LeaseUntil.UTC().Format(time.RFC3339))
		}
		if author := item.Verdict.GetAuthor(); author != "" {
			e.with("author", author)
		}
	}
	return e
}

// reviewError is the refusal alone; nil: the error is none of the store's refusals.
func reviewError(err error, name string) *Error {
	var e *Error
	switch {
	case errors.Is(err, review.ErrNotFound):
		e = errf(codes.NotFound, candorv1.ErrorReason_ERROR_REASON_REVIEW_ITEM_NOT_FOUND, "there is no %s", name)
	case errors.Is(err, review.ErrClaimed):
		e = errf(codes.FailedPrecondition, candorv1.ErrorReason_ERROR_REASON_REVIEW_ITEM_CLAIMED, "somebody else holds %s; claim another", name)
	case errors.Is(err, review.ErrStaleLease):
		e = errf(codes.Aborted, candorv1.ErrorReason_ERROR_REASON_STALE_LEASE, "your lease of %s has ended; claim it again to see whether it still waits", name)
	case errors.Is(err, review.ErrResolved):
		e = errf(codes.FailedPrecondition, candorv1.ErrorReason_ERROR_REASON_REVIEW_ITEM_RESOLVED, "%s already has its final answer", name)
	case errors.Is(err, review.ErrSelfReview):
		e = errf(codes.PermissionDenied, candorv1.ErrorReason_ERROR_REASON_SELF_REVIEW, "you submitted %s, and nobody reviews their own", name)
	default:
		return nil
	}
	e.ResourceType, e.Resource = "candor.v1.ReviewItem", name
	return e.with("review_item", name)
}
