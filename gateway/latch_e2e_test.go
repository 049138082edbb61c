package gateway_test

import (
	"errors"
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

const twoPeople = ", reset: {people: 2, expires: 15m}"

func (w *world) reset(token, name, request string) (*candorv1.Limit, error) {
	resp, err := w.limits().ResetLimit(as(token), &candorv1.ResetLimitRequest{Name: "limits/" + name, Reason: "the feed was wrong", RequestId: request})
	return resp.GetLimit(), err
}

func (w *world) confirm(token, name, asked, request string) (*candorv1.Limit, error) {
	resp, err := w.limits().ConfirmLimitReset(as(token), &candorv1.ConfirmLimitResetRequest{Name: "limits/" + name, ResetRequestId: asked, RequestId: request})
	return resp.GetLimit(), err
}

// history is a limit's, the newest first.
func (w *world) history(name string) []*candorv1.LimitHistory {
	w.t.Helper()
	var out []*candorv1.LimitHistory
	req := &candorv1.ListLimitEventsRequest{Name: "limits/" + name, PageSize: 2}
	for {
		resp, err := w.limits().ListLimitEvents(as(auditorToken), req)
		if err != nil {
			w.t.Fatal(err)
		}
		out = append(out, resp.GetEvents()...)
		if req.PageToken = resp.GetNextPageToken(); req.PageToken == "" {
			return out
		}
	}
}

// A reset by two: the first asks, a second confirms; the first may not, nor whom nobody can tell from another; what is replayed does
// nothing twice; over restarts.
func TestResetByTwoPeople(t *testing.T) {
	w := start(t, withLimit(1, ", on_trip: reject"+twoPeople)...)
	_, err := w.reset(operatorToken, "declines", "r1")
	wantError(t, err, codes.FailedPrecondition, "LIMIT_NOT_TRIPPED")
	for range 2 {
		_ = w.infer(t.Context(), request([][4]float32{sureRow}))
	}
	_, err = w.confirm(adminToken, "declines", "r1", "c1")
	wantError(t, err, codes.FailedPrecondition, "LIMIT_RESET_NOT_ASKED")
	for range 2 {
		l, err := w.reset(operatorToken, "declines", "r1")
		if err != nil || !l.GetTripped() || l.GetPendingReset().GetAskedBy() != "olga" || l.GetResetPeople() != 2 {
			t.Fatalf("asked: %v, %v", l, err)
		}
	}
	_, err = w.reset(adminToken, "declines", "r2")
	if md := wantError(t, err, codes.FailedPrecondition, "LIMIT_RESET_PENDING"); md["asked_by"] != "olga" || md["request_id"] != "r1" {
		t.Errorf("metadata %v", md)
	}
	_, err = w.confirm(operatorToken, "declines", "r1", "c1")
	wantError(t, err, codes.PermissionDenied, "LIMIT_RESET_SAME_PERSON")
	for _, token := range []string{clientToken, reviewerToken} {
		_, err = w.confirm(token, "declines", "r1", "c1")
		wantError(t, err, codes.PermissionDenied, "PERMISSION_DENIED")
	}
	w.restart()
	if l := w.limit("declines"); !l.GetTripped() || l.GetPendingReset().GetReason() != "the feed was wrong" {
		t.Fatalf("after a restart: %v", l)
	}
	for range 2 {
		l, err := w.confirm(adminToken, "declines", "r1", "c1")
		if err != nil || l.GetTripped() || l.GetLastResetBy() != "olga" || l.GetLastResetConfirmedBy() != "root" || l.GetPendingReset() != nil {
			t.Fatalf("confirmed: %v, %v", l, err)
		}
	}
	// The window is still full: it trips again, and what is replayed doesn't help.
	wantError(t, w.infer(t.Context(), request([][4]float32{sureRow})).err, codes.FailedPrecondition, "ACTION_LIMIT_TRIPPED")
	w.restart()
	_, asked := w.reset(operatorToken, "declines", "r1")
	_, confirmed := w.confirm(adminToken, "declines", "r1", "c1")
	if err := errors.Join(asked, confirmed); err != nil {
		t.Errorf("replayed: %v", err)
	}
	if l := w.limit("declines"); !l.GetTripped() || l.GetPendingReset() != nil {
		t.Errorf("what was replayed has done something: %v", l)
	}
	var got []string
	for _, e := range w.history("declines") {
		got = append(got, fmt.Sprint(e.GetEvent(), " ", e.GetAskedBy(), " ", e.GetBy()))
	}
	want := []string{"LIMIT_EVENT_TRIPPED  ", "LIMIT_EVENT_RESET olga root", "LIMIT_EVENT_RESET_ASKED  olga", "LIMIT_EVENT_TRIPPED  "}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("history %q, want %q", got, want)
	}
}

// Who isn't proved to be somebody doesn't count as one of two.
func TestAnonymousIsNotOneOfTwo(t *testing.T) {
	edits := append(withLimit(1, ", on_trip: reject"+twoPeople), "anyone: {identity: {anonymous: true}, models: [fraud]}", "anyone: {identity: {token_sha256: "+gateway.HashToken("any")+"}, models: [fraud]}",
		"vera: {identity: {token_sha256: AUDITOR}, roles: [auditor]}", "vera: {identity: {anonymous: true}, roles: [operator]}")
	w := start(t, edits...)
	for range 2 {
		_ = w.infer(as(clientToken), request([][4]float32{sureRow}))
	}
	_, err := w.limits().ResetLimit(t.Context(), &candorv1.ResetLimitRequest{Name: "limits/declines", Reason: "I can", RequestId: "r1"})
	wantError(t, err, codes.PermissionDenied, "LIMIT_RESET_SAME_PERSON")
}

// A stop holds an action, or all of a model, at once and over a restart, wherever its answers come from; it is released like a limit.
func TestStop(t *testing.T) {
	w := start(t, withLimit(1000, ", on_trip: reject"+twoPeople)...)
	stop := func(token string, in *candorv1.StopActionRequest) (*candorv1.Limit, error) {
		in.Reason = "it went mad"
		resp, err := w.limits().StopAction(as(token), in)
		return resp.GetLimit(), err
	}
	decline := func() error { return w.infer(t.Context(), request([][4]float32{sureRow})).err }
	_, err := stop(reviewerToken, &candorv1.StopActionRequest{Action: "decline", RequestId: "s1"})
	wantError(t, err, codes.PermissionDenied, "PERMISSION_DENIED")
	for _, in := range []*candorv1.StopActionRequest{{RequestId: "s"}, {Action: "decline", Model: "fraud", RequestId: "s"}, {Action: "nosuch", RequestId: "s"}, {Model: "nosuch", RequestId: "s"}} {
		_, err = stop(operatorToken, in)
		wantError(t, err, codes.InvalidArgument, "INVALID_REQUEST")
	}
	if err := decline(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		l, err := stop(operatorToken, &candorv1.StopActionRequest{Action: "decline", RequestId: "s1"})
		if err != nil || l.GetName() != "limits/stop:action:decline" || !l.GetTripped() || l.GetStop().GetBy() != "olga" || l.GetResetPeople() != 2 {
			t.Fatalf("stopped: %v, %v", l, err)
		}
	}
	md := wantError(t, decline(), codes.FailedPrecondition, "ACTION_LIMIT_TRIPPED")
	if md["limit"] != "stop:action:decline" {
		t.Errorf("metadata %v", md)
	}
	if a := w.infer(t.Context(), request([][4]float32{goodRow})); a.err != nil {
		t.Errorf("another answer is withheld: %v", a.err)
	}
	w.restart()
	wantError(t, decline(), codes.FailedPrecondition, "ACTION_LIMIT_TRIPPED")
	if l := w.limit("stop:action:decline"); l.GetWithheldSinceTrip() != 1 {
		t.Errorf("after a restart %v", l)
	}
	// As the limit on the action, it takes two.
	if _, err := w.reset(operatorToken, "stop:action:decline", "r1"); err != nil {
		t.Fatal(err)
	}
	wantError(t, decline(), codes.FailedPrecondition, "ACTION_LIMIT_TRIPPED")
	if _, err := w.confirm(adminToken, "stop:action:decline", "r1", "c1"); err != nil {
		t.Fatal(err)
	}
	if err := decline(); err != nil {
		t.Errorf("released, and withheld: %v", err)
	}
	if _, err := stop(operatorToken, &candorv1.StopActionRequest{Action: "decline", RequestId: "s1"}); err != nil || decline() != nil {
		t.Errorf("a replayed stop stopped again: %v", err)
	}

	if _, err := stop(operatorToken, &candorv1.StopActionRequest{Model: "fraud", RequestId: "s2", OnTrip: candorv1.OnTrip_ON_TRIP_REVIEW}); err != nil {
		t.Fatal(err)
	}
	for _, row := range [][4]float32{sureRow, goodRow, fallbackRow} {
		wantError(t, w.infer(t.Context(), request([][4]float32{row})).err, codes.FailedPrecondition, "DEFERRED_TO_REVIEW")
	}
	events := w.history("stop:model:fraud")
	if len(events) != 1 || events[0].GetEvent() != candorv1.LimitEvent_LIMIT_EVENT_STOPPED || events[0].GetBy() != "olga" || events[0].GetReason() != "it went mad" {
		t.Errorf("history %v", events)
	}
}

// A person's answer of a stopped model is kept, and goes out when the stop is released.
func TestStopHoldsVerdicts(t *testing.T) {
	w := start(t, "queues: {desk: {deadline: 1h, lease: 5m}}", "queues: {desk: {deadline: 1h, lease: 5m}}")
	name, _ := w.deferOne(deferredRow)
	_, err := w.limits().StopAction(as(operatorToken), &candorv1.StopActionRequest{Model: "fraud", Reason: "it went mad", RequestId: "s1"})
	if err != nil {
		t.Fatal(err)
	}
	if item := w.resolve(reviewerToken, name, "good"); item.GetReleaseState() != candorv1.ReleaseState_RELEASE_STATE_HELD || item.GetHeldBy() != "limits/stop:model:fraud" {
		t.Errorf("verdict %v", item)
	}
	if _, err := w.reset(operatorToken, "stop:model:fraud", "r1"); err != nil {
		t.Fatal(err)
	}
	w.eventually(func() bool {
		resp, err := w.reviews().GetReviewItem(as(operatorToken), &candorv1.GetReviewItemRequest{Name: name})
		return err == nil && resp.GetItem().GetReleaseState() == candorv1.ReleaseState_RELEASE_STATE_RELEASED
	})
}
