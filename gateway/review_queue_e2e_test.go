package gateway_test

import (
	"context"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

func (w *world) queue(token, name string) *candorv1.ReviewQueue {
	w.t.Helper()
	resp, err := w.reviews().ListReviewQueues(as(token), &candorv1.ListReviewQueuesRequest{})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, q := range resp.GetQueues() {
		if q.GetName() == "queues/"+name {
			return q
		}
	}
	return nil
}

func TestQueues(t *testing.T) {
	w := start(t, withDesk("", ", closed: {reviewers: [ann], description: for one}")...)
	for range 3 {
		w.deferOne(deferredRow)
	}
	w.resolve(reviewerToken, "", "bad")
	held := w.claim(reviewerToken, "")
	q := w.queue(auditorToken, "desk")
	if q.GetPendingCount() != 1 || q.GetClaimedCount() != 1 || q.GetResolvedCount() != 1 || q.GetOldestTime() == nil || q.GetServiceTime() == nil ||
		q.GetExpectedWait() == nil || q.GetAtRiskCount() != 0 || !q.GetOpen() || q.GetMember() || len(q.GetEscalateTo()) != 1 {
		t.Errorf("as an auditor sees it: %v", q)
	}
	if h := q.GetHolders(); len(h) != 1 || h[0].GetReviewer() != "ann" || h[0].GetItem() != held.GetName() {
		t.Errorf("holders %v", h)
	}
	if h := w.queue(otherToken, "desk").GetHolders(); len(h) != 1 || h[0].GetItem() != "" {
		t.Errorf("as another reviewer sees who holds what: %v", h)
	}
	if q := w.queue(reviewerToken, "closed"); !q.GetMember() || q.GetDescription() != "for one" || q.GetOldestTime() != nil {
		t.Errorf("an empty queue: %v", q)
	}
	if q := w.queue(otherToken, "closed"); q != nil {
		t.Errorf("ben sees a queue that isn't his: %v", q)
	}
	if got := w.metric(`candor_review_claims_total{queue="desk"}`); got != 2 {
		t.Errorf("%v claims counted", got)
	}
	if got := w.metric(`candor_review_verdicts_total{queue="desk"}`); got != 1 {
		t.Errorf("%v verdicts counted", got)
	}
	w.restart() // The gauges are set at once when the work begins.
	w.eventually(func() bool { return w.metric(`candor_review_queue_items{queue="desk",state="pending"}`) == 1 })
	if w.metric(`candor_review_queue_items{queue="desk",state="claimed"}`) != 1 || w.metric(`candor_review_queue_oldest_seconds{queue="closed"}`) != 0 {
		t.Error("gauges of the queues")
	}
}

// Only an administrator removes a payload; the item and its digest stay.
func TestDeletePayload(t *testing.T) {
	w := start(t)
	name, _ := w.deferOne(deferredRow)
	del := func(token, name string) error {
		_, err := w.reviews().DeleteReviewPayload(as(token), &candorv1.DeleteReviewPayloadRequest{Name: name, Reason: "a request of the person", RequestId: "1"})
		return err
	}
	for _, token := range []string{reviewerToken, operatorToken, seniorToken, auditorToken, clientToken} {
		if md := wantError(t, del(token, name), codes.PermissionDenied, "PERMISSION_DENIED"); md["role"] != "admin" {
			t.Errorf("metadata %v", md)
		}
	}
	before := w.look(auditorToken, name).GetPayload()
	for range 2 {
		if err := del(adminToken, name); err != nil {
			t.Fatal(err)
		}
	}
	after := w.look(auditorToken, name).GetPayload()
	if !after.GetDeleted() || len(after.GetTensors()) != 0 || after.GetSha256() != before.GetSha256() {
		t.Errorf("%v", after)
	}
	wantError(t, del(adminToken, "reviewItems/00000000-0000-7000-8000-000000000000"), codes.NotFound, "REVIEW_ITEM_NOT_FOUND")
	w.resolve(reviewerToken, name, "bad")
}

// Who copies the model shows in the statistics: to seniors of everybody, to reviewers of themselves.
func TestStatistics(t *testing.T) {
	w := start(t, withDesk(", undo_window: 1h", "")...)
	since := timestamppb.Now()
	revise := func(token, name, l string) {
		t.Helper()
		if _, err := w.reviews().ReviseReviewItem(as(token), &candorv1.ReviseReviewItemRequest{Name: name, Verdict: label(l), RequestId: "r"}); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 4 {
		// The primary says bad; both say good at first, and ann changes her mind when she sees it.
		for _, token := range []string{reviewerToken, otherToken} {
			w.deferOne(row(.6, .55, float32(n)/100))
			item := w.claim(token, "")
			w.mustSay(token, item, "good")
			if token == reviewerToken {
				revise(token, item.GetName(), "bad")
			}
		}
	}
	stats := func(token string, in *candorv1.GetReviewStatisticsRequest) (*candorv1.GetReviewStatisticsResponse, error) {
		return w.reviews().GetReviewStatistics(as(token), in)
	}
	all, err := stats(seniorToken, &candorv1.GetReviewStatisticsRequest{Since: since, Queue: "desk"})
	if err != nil || len(all.GetReviewers()) != 2 || len(all.GetFlips()) != 1 {
		t.Fatalf("%v %v", all, err)
	}
	ann, ben := all.GetReviewers()[0], all.GetReviewers()[1]
	if ann.GetVerdicts() != 4 || ann.GetFlips()[0].GetFlippedToModel() != 4 || ann.GetFlips()[0].GetDiffered() != 4 {
		t.Errorf("who copies: %v", ann)
	}
	if ben.GetVerdicts() != 4 || ben.GetFlips()[0].GetFlippedToModel() != 0 || ben.GetFlips()[0].GetDiffered() != 4 {
		t.Errorf("who doesn't: %v", ben)
	}
	mine, err := stats(otherToken, &candorv1.GetReviewStatisticsRequest{})
	if err != nil || len(mine.GetReviewers()) != 1 || mine.GetReviewers()[0].GetReviewer() != "ben" || len(mine.GetFlips()) != 0 {
		t.Errorf("ben's own: %v %v", mine, err)
	}
	for field, in := range map[string]*candorv1.GetReviewStatisticsRequest{
		"since": {Since: timestamppb.Now(), Until: since}, "until": {Until: &timestamppb.Timestamp{Seconds: 1 << 60}}, "queue": {Queue: "cellar"},
	} {
		_, err := stats(seniorToken, in)
		if md := wantError(t, err, codes.InvalidArgument, "INVALID_REQUEST"); md["field"] != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// Half of the claims go to audits first when the share says so, and the others don't.
func TestShareOfAudits(t *testing.T) {
	for share, first := range map[string]candorv1.ReviewKind{"0": candorv1.ReviewKind_REVIEW_KIND_DEFERRED, "1": candorv1.ReviewKind_REVIEW_KIND_AUDIT} {
		w := start(t, append(promised(""), append(withDesk(", audit_share: "+share, ""), "on_expire: reject", "on_expire: reject, audit_deadline: 2h")...)...)
		w.earn(0)
		var audit, deferred string
		for n := 5000; audit == "" || deferred == ""; n++ {
			p := float32(.95)
			if audit != "" {
				p = .55
			}
			a := w.infer(as(clientToken), request([][4]float32{{p, .5, .5, float32(n)}}, "candor_route"))
			if a.err != nil {
				t.Fatal(a.err)
			}
			if items := w.explain(a.param("candor_prediction_id")).GetReviewItems(); len(items) > 0 {
				if items[0].GetKind() == candorv1.ReviewKind_REVIEW_KIND_AUDIT {
					audit = items[0].GetName()
					if d := items[0].GetExpireTime().AsTime().Sub(items[0].GetCreateTime().AsTime()).Hours(); d != 2 || items[0].GetExpectedLoss() > .1 {
						t.Errorf("an audit is due after %v hours, with an expected loss of %v", d, items[0].GetExpectedLoss())
					}
				} else {
					deferred = items[0].GetName()
				}
			}
		}
		item := w.look(auditorToken, w.drain(otherToken, audit, deferred))
		if item.GetKind() != first {
			t.Errorf("with a share of %s the first claim is %v", share, item.GetKind())
		}
		w.stop()
	}
}

// drain claims until one of the named items comes.
func (w *world) drain(token string, names ...string) string {
	w.t.Helper()
	for range 1000 {
		got := w.claim(token, "").GetName()
		for _, n := range names {
			if got == n {
				return n
			}
		}
	}
	w.t.Fatal("they don't come")
	return ""
}

// A queue that isn't blind shows what the models said, and still not why the item is there.
func TestAQueueThatIsNotBlind(t *testing.T) {
	w := start(t, withDesk(", blind: false", "")...)
	_, id := w.deferOne(deferredRow)
	item := w.claim(reviewerToken, "")
	if len(item.GetAnswers()) != 4 || item.GetKind() != 0 || len(item.GetReasons()) != 0 || item.GetPredictionId() != "" {
		t.Errorf("%v", item)
	}
	if v := w.mustSay(reviewerToken, item, "bad").GetVerdict(); v.GetBlind() {
		t.Errorf("%v", v)
	}
	if p := w.prediction(id); p.GetLabel() != "bad" {
		t.Errorf("%v", p)
	}
}

// Every call of the queue needs its role.
func TestQueueCallsNeedARole(t *testing.T) {
	w := start(t)
	name, _ := w.deferOne(deferredRow)
	r := w.reviews()
	id := "goldenItems/00000000-0000-7000-8000-000000000000"
	for what, call := range map[string]func(ctx context.Context) error{
		"revise": func(ctx context.Context) error {
			_, err := r.ReviseReviewItem(ctx, &candorv1.ReviseReviewItemRequest{Name: name, Verdict: label("bad"), RequestId: "1"})
			return err
		},
		"undo": func(ctx context.Context) error {
			_, err := r.UndoReviewItem(ctx, &candorv1.UndoReviewItemRequest{Name: name, RequestId: "1"})
			return err
		},
		"skip": func(ctx context.Context) error {
			_, err := r.SkipReviewItem(ctx, &candorv1.SkipReviewItemRequest{Name: name, Epoch: 1, Reason: "r", RequestId: "1"})
			return err
		},
		"escalate": func(ctx context.Context) error {
			_, err := r.EscalateReviewItem(ctx, &candorv1.EscalateReviewItemRequest{Name: name, Epoch: 1, Queue: "q", Note: "n", RequestId: "1"})
			return err
		},
		"events": func(ctx context.Context) error {
			_, err := r.ListReviewEvents(ctx, &candorv1.ListReviewEventsRequest{Name: name})
			return err
		},
		"queues": func(ctx context.Context) error {
			_, err := r.ListReviewQueues(ctx, &candorv1.ListReviewQueuesRequest{})
			return err
		},
		"statistics": func(ctx context.Context) error {
			_, err := r.GetReviewStatistics(ctx, &candorv1.GetReviewStatisticsRequest{})
			return err
		},
		"golden items": func(ctx context.Context) error {
			_, err := r.ListGoldenItems(ctx, &candorv1.ListGoldenItemsRequest{})
			return err
		},
		"delete a golden item": func(ctx context.Context) error {
			_, err := r.DeleteGoldenItem(ctx, &candorv1.DeleteGoldenItemRequest{Name: id})
			return err
		},
	} {
		if md := wantError(t, call(as(clientToken)), codes.PermissionDenied, "PERMISSION_DENIED"); md["principal"] != "payments" || md["role"] == "" {
			t.Errorf("%s: metadata %v", what, md)
		}
	}
	if w.look(auditorToken, name).GetState() != candorv1.ReviewState_REVIEW_STATE_PENDING {
		t.Error("a refused call did something")
	}
}
