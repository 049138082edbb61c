package gateway

import (
	"context"
	"errors"
	"slices"
	"time"

	"google.golang.org/grpc/codes"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// refused is a store's refusal in the caller's words, with what the caller needs to go on.
func (s *reviewService) refused(ctx context.Context, err error, name string) error {
	if errors.Is(err, review.ErrResolved) {
		if _, ok := s.wasGivenBack(ctx, name); ok {
			err = review.ErrStaleLease
		}
	}
	e := reviewError(err, name)
	if e == nil {
		return err
	}
	switch e.Reason {
	case candorv1.ErrorReason_ERROR_REASON_SELF_REVIEW, candorv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED:
		e.with("principal", principal(ctx).Name)
	case candorv1.ErrorReason_ERROR_REASON_ETAG_MISMATCH:
		if item, err := s.g.reviews.Get(ctx, review.IDOf(name)); err == nil && s.g.mayLook(principal(ctx), &item) {
			e.with("etag", s.g.shown(principal(ctx), &item).GetEtag())
		}
	case candorv1.ErrorReason_ERROR_REASON_REVIEW_ITEM_CLAIMED, candorv1.ErrorReason_ERROR_REASON_REVIEW_ITEM_RESOLVED:
		// The item may have moved on since; what it says now is the better news. Without it the refusal stands all the same.
		item, err := s.g.reviews.Get(ctx, review.IDOf(name))
		if err != nil {
			break
		}
		until := item.LeaseUntil
		if e.Reason == candorv1.ErrorReason_ERROR_REASON_REVIEW_ITEM_CLAIMED && until.IsZero() {
			until = s.g.ledger.Now().Add(s.g.leaseOf(item.Queue)) // It was given back since, or looks as if somebody else had it.
		}
		if !until.IsZero() {
			e.with("lease_expire_time", until.UTC().Format(time.RFC3339))
		}
		if author := item.Verdict.GetAuthor(); author != "" && !mayJudge(principal(ctx), &item) {
			e.with("author", author)
		}
	}
	return e
}

// wasGivenBack reads a named item: see givenBack.
func (s *reviewService) wasGivenBack(ctx context.Context, name string) (review.Item, bool) {
	item, err := s.g.reviews.Get(ctx, review.IDOf(name))
	return item, err == nil && givenBack(&item)
}

// unclaimable is why a golden item that was given back can't be claimed: what another item would say to who has skipped it, or
// while somebody else holds it.
func (s *reviewService) unclaimable(ctx context.Context, err error, name string) error {
	item, ok := s.wasGivenBack(ctx, name)
	switch who := principal(ctx).Name; {
	case !ok || !errors.Is(err, review.ErrResolved):
		return err
	case slices.ContainsFunc(item.Excluded, func(x review.Exclusion) bool { return x.Reviewer == who }):
		return review.ErrExcluded
	}
	return review.ErrClaimed
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
	case errors.Is(err, review.ErrExcluded):
		e = errf(codes.PermissionDenied, candorv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED,
			"you have skipped or judged %s, or what it is about, and it is for others; claim another", name)
	case errors.Is(err, review.ErrSeniorOnly):
		e = errf(codes.PermissionDenied, candorv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED,
			"%s is for reviewers with the role senior; claim another", name).with("role", "senior")
	case errors.Is(err, review.ErrEtag):
		e = errf(codes.Aborted, candorv1.ErrorReason_ERROR_REASON_ETAG_MISMATCH, "%s has changed since you read it; read it again", name)
		e.Field, e.FieldProblem = "etag", "the item has another one by now"
	case errors.Is(err, review.ErrUndoClosed):
		e = errf(codes.FailedPrecondition, candorv1.ErrorReason_ERROR_REASON_UNDO_WINDOW_CLOSED,
			"there is no verdict of yours on %s that could still be changed; a senior can supersede a final one", name)
	case errors.Is(err, review.ErrNotFinal):
		e = errf(codes.FailedPrecondition, candorv1.ErrorReason_ERROR_REASON_REVIEW_ITEM_NOT_FINAL,
			"the answer of %s can still change; wait until it is final, or revise or undo your own verdict", name)
	default:
		return nil
	}
	e.ResourceType, e.Resource = "candor.v1.ReviewItem", name
	return e.with("review_item", name)
}
