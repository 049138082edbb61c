package gateway_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

func TestReviewLifecycle(t *testing.T) {
	w := start(t)
	name, id := w.deferOne(deferredRow)
	reviews := w.reviews()

	first := w.claim(reviewerToken, "")
	if first.GetName() != name || first.GetHolder() != "ann" || first.GetState() != candorv1.ReviewState_REVIEW_STATE_CLAIMED || first.GetEpoch() == 0 {
		t.Fatalf("claimed %v", first)
	}
	renewed, err := reviews.RenewReviewItemLease(as(reviewerToken), &candorv1.RenewReviewItemLeaseRequest{
		Name: name, Epoch: first.GetEpoch(), Lease: durationpb.New(3600e9),
	})
	if err != nil {
		t.Fatal(err)
	}
	if r := renewed.GetItem(); !r.GetLeaseExpireTime().AsTime().After(first.GetLeaseExpireTime().AsTime()) || !proto.Equal(r.GetExpireTime(), first.GetExpireTime()) {
		t.Errorf("a heartbeat made lease %v and deadline %v of %v and %v", r.GetLeaseExpireTime(), r.GetExpireTime(), first.GetLeaseExpireTime(), first.GetExpireTime())
	}
	_, err = reviews.ClaimReviewItem(as(operatorToken), &candorv1.ClaimReviewItemRequest{Name: name})
	if md := wantError(t, err, codes.FailedPrecondition, "REVIEW_ITEM_CLAIMED"); md["review_item"] != name || md["lease_expire_time"] == "" {
		t.Errorf("metadata %v", md)
	}
	if _, err := reviews.ReleaseReviewItem(as(reviewerToken), &candorv1.ReleaseReviewItemRequest{Name: name, Epoch: first.GetEpoch()}); err != nil {
		t.Fatal(err)
	}

	second := w.claim(operatorToken, name)
	if second.GetEpoch() <= first.GetEpoch() {
		t.Errorf("epoch %d after %d", second.GetEpoch(), first.GetEpoch())
	}
	resolve := func(token string, epoch uint64, v *candorv1.Verdict, request string) (*candorv1.ResolveReviewItemResponse, error) {
		return reviews.ResolveReviewItem(as(token), &candorv1.ResolveReviewItemRequest{Name: name, Epoch: epoch, Verdict: v, RequestId: request})
	}
	// The first reviewer comes back late, with a lease that was theirs once.
	_, err = resolve(reviewerToken, first.GetEpoch(), label("good"), "late")
	wantError(t, err, codes.Aborted, "STALE_LEASE")
	_, err = resolve(reviewerToken, second.GetEpoch(), label("good"), "stolen")
	wantError(t, err, codes.Aborted, "STALE_LEASE")
	_, err = resolve(operatorToken, second.GetEpoch(), label("ugly"), "r1")
	if md := wantError(t, err, codes.InvalidArgument, "INVALID_VERDICT"); md["allowed"] != "good, bad" || toldBy(t, err).bad.GetFieldViolations()[0].GetField() != "verdict.label" {
		t.Errorf("a label outside of the set: %v", err)
	}
	_, err = resolve(operatorToken, second.GetEpoch(), &candorv1.Verdict{Answer: &candorv1.Verdict_Value{Value: 1}}, "r1")
	wantError(t, err, codes.InvalidArgument, "INVALID_VERDICT")
	_, err = resolve(operatorToken, second.GetEpoch(), &candorv1.Verdict{}, "r1")
	wantError(t, err, codes.InvalidArgument, "INVALID_REQUEST")

	verdict := label("good")
	verdict.Note = "looks like the last one"
	verdict.Author = "somebody else"
	done, err := resolve(operatorToken, second.GetEpoch(), verdict, "r1")
	if err != nil {
		t.Fatal(err)
	}
	if i := done.GetItem(); i.GetState() != candorv1.ReviewState_REVIEW_STATE_RESOLVED || i.GetVerdict().GetAuthor() != "olga" || i.GetVerdict().GetNote() == "" {
		t.Errorf("resolved %v", i)
	}
	again, err := resolve(operatorToken, second.GetEpoch(), label("bad"), "r1")
	if err != nil || !proto.Equal(again.GetItem(), done.GetItem()) {
		t.Errorf("a retry answers %v %v, want what the first call answered", again, err)
	}
	_, err = resolve(operatorToken, second.GetEpoch(), label("bad"), "r2")
	if md := wantError(t, err, codes.FailedPrecondition, "REVIEW_ITEM_RESOLVED"); md["author"] != "olga" {
		t.Errorf("metadata %v", md)
	}
	if got := w.metric(`candor_review_final_total{by="verdict",model="fraud"}`); got != 1 {
		t.Errorf("%v final answers counted", got)
	}

	p := w.prediction(id)
	if p.GetState() != candorv1.AnswerState_ANSWER_STATE_FINAL || p.GetAuthor() != "olga" || p.GetAnsweredBy() != "olga" || p.GetLabel() != "good" {
		t.Errorf("final answer %v", p)
	}
	if !hasReason(p.GetDecision(), candorv1.Reason_REASON_VERDICT) || p.GetDecision().GetReviewItem() != name {
		t.Errorf("decision %v", p.GetDecision())
	}
}

func TestReviewNeedsARole(t *testing.T) {
	w := start(t)
	name, _ := w.deferOne(deferredRow)
	reviews := w.reviews()
	for what, call := range map[string]func() error{
		"get": func() error {
			_, err := reviews.GetReviewItem(as(clientToken), &candorv1.GetReviewItemRequest{Name: name})
			return err
		},
		"list": func() error {
			_, err := reviews.ListReviewItems(as(clientToken), &candorv1.ListReviewItemsRequest{})
			return err
		},
		"claim": func() error {
			_, err := reviews.ClaimReviewItem(as(clientToken), &candorv1.ClaimReviewItemRequest{})
			return err
		},
		"renew": func() error {
			_, err := reviews.RenewReviewItemLease(as(clientToken), &candorv1.RenewReviewItemLeaseRequest{Name: name})
			return err
		},
		"release": func() error {
			_, err := reviews.ReleaseReviewItem(as(clientToken), &candorv1.ReleaseReviewItemRequest{Name: name})
			return err
		},
		"resolve": func() error {
			_, err := reviews.ResolveReviewItem(as(clientToken), &candorv1.ResolveReviewItemRequest{Name: name, Epoch: 1, Verdict: label("good"), RequestId: "r"})
			return err
		},
	} {
		t.Run(what, func(t *testing.T) {
			if md := wantError(t, call(), codes.PermissionDenied, "PERMISSION_DENIED"); md["principal"] != "payments" || md["role"] == "" {
				t.Errorf("metadata %v", md)
			}
		})
	}
	_, err := reviews.GetReviewItem(as(reviewerToken), &candorv1.GetReviewItemRequest{Name: "reviewItems/00000000-0000-7000-8000-000000000000"})
	wantError(t, err, codes.NotFound, "REVIEW_ITEM_NOT_FOUND")
}

// 16 reviewers at one queue: every item goes to somebody, none to two.
func TestNeverOneItemToTwo(t *testing.T) {
	const reviewers, items = 16, 96
	var operators strings.Builder
	for i := range reviewers {
		fmt.Fprintf(&operators, "  r%02d: {identity: {token_sha256: %s}, roles: [reviewer]}\n", i, gateway.HashToken(fmt.Sprint("reviewer ", i)))
	}
	w := start(t, "  olga:", operators.String()+"  olga:")
	rows := make([][4]float32, items)
	for i := range rows {
		rows[i] = deferredRow
	}
	if a := w.infer(t.Context(), request(rows, "candor_route")); a.err != nil {
		t.Fatal(a.err)
	}
	var mu sync.Mutex
	holder := map[string]string{}
	var wg sync.WaitGroup
	for i := range reviewers {
		wg.Go(func() {
			for {
				resp, err := w.reviews().ClaimReviewItem(as(fmt.Sprint("reviewer ", i)), &candorv1.ClaimReviewItemRequest{Queue: "desk"})
				if status.Code(err) == codes.NotFound {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if other, twice := holder[resp.GetItem().GetName()]; twice {
					t.Errorf("%s went to %s and to %s", resp.GetItem().GetName(), other, resp.GetItem().GetHolder())
				}
				holder[resp.GetItem().GetName()] = resp.GetItem().GetHolder()
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(holder) != items {
		t.Errorf("%d of %d items were claimed", len(holder), items)
	}
	list, err := w.reviews().ListReviewItems(as(reviewerToken), &candorv1.ListReviewItemsRequest{PageSize: 7})
	if err != nil || list.GetClaimedCount() != items || list.GetPendingCount() != 0 || len(list.GetItems()) != 7 || list.GetNextPageToken() == "" {
		t.Errorf("the list shows %d claimed, %d pending, %d on a page: %v", list.GetClaimedCount(), list.GetPendingCount(), len(list.GetItems()), err)
	}
}

// A person whose one credential is both a consumer's and a reviewer's. The configuration's check refuses that, so this
// guards what stands behind the check.
func TestNobodyReviewsTheirOwn(t *testing.T) {
	w := startWith(t, options{config: func(cfg *candorv1.Config) {
		cfg.GetConsumers()["payments"].Identity = cfg.GetOperators()["ann"].GetIdentity()
	}})
	a := w.infer(as(reviewerToken), request([][4]float32{deferredRow}, "candor_route"))
	if a.err != nil {
		t.Fatal(a.err)
	}
	name := a.param("candor_review_item")
	_, err := w.reviews().ClaimReviewItem(as(reviewerToken), &candorv1.ClaimReviewItemRequest{Name: name})
	if md := wantError(t, err, codes.PermissionDenied, "SELF_REVIEW"); md["review_item"] != name || md["principal"] != "payments" {
		t.Errorf("metadata %v", md)
	}
	_, err = w.reviews().ClaimReviewItem(as(reviewerToken), &candorv1.ClaimReviewItemRequest{Queue: "desk"})
	wantError(t, err, codes.NotFound, "QUEUE_EMPTY")
	w.claim(operatorToken, name)
}

func TestQueueMembership(t *testing.T) {
	w := start(t, "desk: {deadline: 1h, lease: 5m}", "desk: {deadline: 1h, lease: 5m, reviewers: [ann]}")
	name, _ := w.deferOne(deferredRow)
	claim := func(in *candorv1.ClaimReviewItemRequest) error {
		_, err := w.reviews().ClaimReviewItem(as(operatorToken), in)
		return err
	}
	if md := wantError(t, claim(&candorv1.ClaimReviewItemRequest{Queue: "desk"}), codes.PermissionDenied, "PERMISSION_DENIED"); md["queue"] != "desk" || md["principal"] != "olga" {
		t.Errorf("metadata %v", md)
	}
	wantError(t, claim(&candorv1.ClaimReviewItemRequest{}), codes.NotFound, "QUEUE_EMPTY")
	wantError(t, claim(&candorv1.ClaimReviewItemRequest{Name: name}), codes.NotFound, "REVIEW_ITEM_NOT_FOUND")
	wantError(t, claim(&candorv1.ClaimReviewItemRequest{Queue: "cellar"}), codes.InvalidArgument, "INVALID_REQUEST")
	if got := w.claim(reviewerToken, ""); got.GetName() != name {
		t.Errorf("ann got %v", got)
	}
}

// A restart loses neither items nor leases.
func TestReviewSurvivesARestart(t *testing.T) {
	w := start(t)
	mine, id := w.deferOne(deferredRow)
	other, _ := w.deferOne(row(.6, .6, .55))
	held := w.claim(reviewerToken, mine)
	w.restart()
	resp, err := w.reviews().ResolveReviewItem(as(reviewerToken), &candorv1.ResolveReviewItemRequest{
		Name: mine, Epoch: held.GetEpoch(), Verdict: label("bad"), RequestId: "after the restart",
	})
	if err != nil || resp.GetItem().GetVerdict().GetLabel() != "bad" {
		t.Fatalf("%v %v", resp, err)
	}
	if got := w.claim(operatorToken, ""); got.GetName() != other {
		t.Errorf("the next item is %s, want %s", got.GetName(), other)
	}
	w.restart()
	if p := w.prediction(id); p.GetState() != candorv1.AnswerState_ANSWER_STATE_FINAL || p.GetLabel() != "bad" || p.GetAuthor() != "ann" {
		t.Errorf("final answer %v", p)
	}
}
