package gateway_test

import (
	"context"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/people"
)

func (w *world) inside() candorv1.ReviewServiceClient {
	return candorv1.NewReviewServiceClient(w.gateway.InProcess())
}

func person(t *testing.T, name string, queues []string, roles ...candorv1.Role) context.Context {
	t.Helper()
	return gateway.OutgoingAs(bounded(t, ""), people.Person{Name: name, Roles: roles, Queues: queues, Method: people.MethodPasskey}, "203.0.113.9")
}

// A page calls the same services for its person, whose roles hold there as everywhere.
func TestInsideCallsAreAPersons(t *testing.T) {
	w := start(t)
	item, _ := w.deferOne(deferredRow)
	for _, role := range []candorv1.Role{candorv1.Role_ROLE_REVIEWER, candorv1.Role_ROLE_SENIOR, candorv1.Role_ROLE_ADMIN} {
		ctx := person(t, "sam", nil, role)
		claimed, err := w.inside().ClaimReviewItem(ctx, &candorv1.ClaimReviewItemRequest{Name: item})
		if err != nil {
			t.Fatalf("%v: %v", role, err)
		}
		if claimed.GetItem().GetHolder() != "sam" {
			t.Errorf("%v: the holder is %q", role, claimed.GetItem().GetHolder())
		}
	}
	for _, role := range []candorv1.Role{candorv1.Role_ROLE_AUDITOR, candorv1.Role_ROLE_OPERATOR} {
		_, err := w.inside().ClaimReviewItem(person(t, "sam", nil, role), &candorv1.ClaimReviewItemRequest{})
		wantError(t, err, codes.PermissionDenied, "PERMISSION_DENIED")
	}
	if _, err := candorv1.NewLimitServiceClient(w.gateway.InProcess()).ListLimits(person(t, "sam", nil, candorv1.Role_ROLE_ADMIN), &candorv1.ListLimitsRequest{}); err != nil {
		t.Error(err)
	}
}

// Only the inside connection is believed, and it is nobody's without a person: neither an anonymous caller's nor a token's.
func TestNamesInHeadersAreNoIdentity(t *testing.T) {
	w := start(t)
	_, err := w.reviews().ListReviewItems(person(t, "sam", nil, candorv1.Role_ROLE_ADMIN), &candorv1.ListReviewItemsRequest{})
	wantError(t, err, codes.Unauthenticated, "UNAUTHENTICATED")
	// Beside a good token, too: somebody tries something.
	ctx := metadata.AppendToOutgoingContext(person(t, "sam", nil, candorv1.Role_ROLE_ADMIN), "authorization", "Bearer "+reviewerToken)
	_, err = w.reviews().ListReviewItems(ctx, &candorv1.ListReviewItemsRequest{})
	wantError(t, err, codes.Unauthenticated, "UNAUTHENTICATED")
	for what, ctx := range map[string]context.Context{
		"no person":      bounded(t, ""),
		"a token":        bounded(t, reviewerToken),
		"two persons":    gateway.OutgoingAs(person(t, "sam", nil, candorv1.Role_ROLE_ADMIN), people.Person{Name: "eve"}, ""),
		"without a name": person(t, "", nil, candorv1.Role_ROLE_ADMIN),
		"no JSON":        metadata.AppendToOutgoingContext(bounded(t, ""), "candor-person-bin", "sam"),
	} {
		_, err := w.inside().ListReviewItems(ctx, &candorv1.ListReviewItemsRequest{})
		if err == nil {
			t.Errorf("%s: served", what)
			continue
		}
		wantError(t, err, codes.Unauthenticated, "UNAUTHENTICATED")
	}
}

func TestQueuesOfAPerson(t *testing.T) {
	const queues = "queues: {desk: {deadline: 1h, lease: 5m}}"
	w := start(t, queues, "queues: {desk: {deadline: 1h, lease: 5m}, other: {reviewers: [ann]}}")
	item, _ := w.deferOne(deferredRow)
	reviewer := candorv1.Role_ROLE_REVIEWER
	elsewhere := person(t, "sam", []string{"other"}, reviewer)
	_, err := w.inside().ClaimReviewItem(elsewhere, &candorv1.ClaimReviewItemRequest{Queue: "desk"})
	wantError(t, err, codes.PermissionDenied, "PERMISSION_DENIED")
	_, err = w.inside().ClaimReviewItem(elsewhere, &candorv1.ClaimReviewItemRequest{Name: item})
	wantError(t, err, codes.NotFound, "REVIEW_ITEM_NOT_FOUND")
	_, err = w.inside().ClaimReviewItem(elsewhere, &candorv1.ClaimReviewItemRequest{})
	wantError(t, err, codes.NotFound, "QUEUE_EMPTY")
	_, err = w.inside().GetReviewItem(elsewhere, &candorv1.GetReviewItemRequest{Name: item})
	wantError(t, err, codes.NotFound, "REVIEW_ITEM_NOT_FOUND")
	if l, err := w.inside().ListReviewItems(elsewhere, &candorv1.ListReviewItemsRequest{}); err != nil || len(l.GetItems()) != 0 {
		t.Errorf("the list of others' items: %v, %v", l, err)
	}
	// The queue's own reviewers hold for whoever may work on it.
	_, err = w.inside().ClaimReviewItem(person(t, "sam", nil, reviewer), &candorv1.ClaimReviewItemRequest{Queue: "other"})
	wantError(t, err, codes.PermissionDenied, "PERMISSION_DENIED")
	// No queue is not all queues.
	_, err = w.inside().ClaimReviewItem(person(t, "sam", []string{}, reviewer), &candorv1.ClaimReviewItemRequest{})
	wantError(t, err, codes.NotFound, "QUEUE_EMPTY")
	auditor := person(t, "sam", []string{"other"}, reviewer, candorv1.Role_ROLE_AUDITOR)
	if l, err := w.inside().ListReviewItems(auditor, &candorv1.ListReviewItemsRequest{}); err != nil || len(l.GetItems()) != 1 {
		t.Errorf("an auditor's list: %v, %v", l, err)
	}
	if _, err := w.inside().ClaimReviewItem(person(t, "sam", []string{"desk"}, reviewer), &candorv1.ClaimReviewItemRequest{Queue: "desk"}); err != nil {
		t.Error(err)
	}
}
