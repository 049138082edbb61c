package gateway_test

import (
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Issue: 200 goroutines at a count limit: exactly the limit is released; restart: still tripped; reset needs operator and
// reason. One alert for the trip, over the restart.
func TestExactlyTheLimit(t *testing.T) {
	const callers, limit = 200, 50
	for onTrip, reason := range map[string]string{"reject": "ACTION_LIMIT_TRIPPED", "review": "DEFERRED_TO_REVIEW"} {
		t.Run(onTrip, func(t *testing.T) {
			in := newInbox(t, 0)
			log := &lines{}
			// How many calls a busy machine can take is no subject of this test.
			edits := append(withLimit(limit, fmt.Sprintf(", on_trip: %s, webhook: %q, allow_private: true", onTrip, in.URL)),
				"PRIMARY, model: m", "PRIMARY, adaptive_limit: false, model: m")
			w := startWith(t, options{deps: func(d *gateway.Deps) { d.Log = slog.New(slog.NewTextHandler(log, nil)) }}, edits...)
			var released, withheld int
			var mu sync.Mutex
			var wg sync.WaitGroup
			for range callers {
				wg.Go(func() {
					a := w.infer(t.Context(), request([][4]float32{sureRow}))
					mu.Lock()
					defer mu.Unlock()
					if a.err == nil {
						released++
						return
					}
					withheld++
					_, why, md := details(t, a.err)
					if why != reason || md["limit"] != "declines" || md["action"] != "decline" {
						t.Errorf("withheld with %s %v", why, md)
					}
					if p := a.predictions[0]; p.GetAbstention().GetReason() != candorv1.Reason_REASON_LIMIT_TRIPPED || p.GetClassProbabilities() != nil {
						t.Errorf("withheld, and the trailer says %v", p)
					}
				})
			}
			wg.Wait()
			if released != limit || withheld != callers-limit {
				t.Fatalf("%d released and %d withheld, want %d and %d", released, withheld, limit, callers-limit)
			}
			if l := w.limit("declines"); !l.GetTripped() || l.GetUsed() != limit || l.GetWithheldSinceTrip() != callers-limit || l.GetTripTime() == nil {
				t.Errorf("limit %v", l)
			}
			w.eventually(func() bool { return len(in.got()) > 0 })
			a := in.got()[0]
			if a.Type != "limit.tripped" || a.ID == "" || a.ID != a.Data.header || a.Data.Limit != "limits/declines" || a.Data.Action != "decline" || a.Data.Count != limit || a.Data.PredictionID == "" {
				t.Errorf("alert %+v", a)
			}
			if n := log.count("action limit tripped"); n != 1 {
				t.Errorf("%d lines of log about the trip", n)
			}
			if trips, latched := w.metric(`candor_limit_trips_total{limit="declines"}`), w.metric(`candor_limit_tripped{limit="declines"}`); trips != 1 || latched != 1 {
				t.Errorf("metrics say %v trips, latched %v", trips, latched)
			}
			if apart := w.metric(`candor_limit_wall_clocks_apart_seconds`); apart != 0 {
				t.Errorf("the clocks of a gateway alone are %v s apart", apart)
			}
			if voided := w.metric(`candor_limit_sightings_voided_total{limit="declines"}`); voided != 0 {
				t.Errorf("a gateway alone has made void %v times what others know", voided)
			}
			// Answers that mean another action, or none, still leave.
			if a := w.infer(t.Context(), request([][4]float32{goodRow})); a.err != nil {
				t.Error(a.err)
			}

			w.restart()
			wantError(t, w.infer(t.Context(), request([][4]float32{sureRow})).err, codes.FailedPrecondition, reason)
			if !w.limit("declines").GetTripped() || w.metric(`candor_limit_tripped{limit="declines"}`) != 1 {
				t.Error("the restart has released the latch")
			}
			w.stop() // and with it whatever alerts were on their way
			if n := len(in.got()); n != 1 {
				t.Errorf("%d alerts for one trip", n)
			}
		})
	}
}

// A reset needs the role and a reason, and a replay of it resets nothing again.
func TestResetOfALimit(t *testing.T) {
	in := newInbox(t, 0)
	w := start(t, withLimit(1, fmt.Sprintf(", on_trip: reject, webhook: %q, allow_private: true", in.URL))...)
	reset := func(token, reason, request string) error {
		_, err := w.limits().ResetLimit(bounded(t, token), &candorv1.ResetLimitRequest{Name: "limits/declines", Reason: reason, RequestId: request})
		return err
	}
	decline := func() error { return w.infer(t.Context(), request([][4]float32{sureRow})).err }
	if err := decline(); err != nil {
		t.Fatal(err)
	}
	wantError(t, reset(operatorToken, "looked at it", "0"), codes.FailedPrecondition, "LIMIT_NOT_TRIPPED")
	wantError(t, decline(), codes.FailedPrecondition, "ACTION_LIMIT_TRIPPED")
	w.eventually(func() bool { return len(in.of("limit.tripped")) == 1 }) // those of two trips may overtake each other

	for _, token := range []string{"", clientToken, reviewerToken} {
		wantError(t, reset(token, "looked at it", "1"), codes.PermissionDenied, "PERMISSION_DENIED")
	}
	for _, reason := range []string{"", "ok", "   ", " \t\n "} {
		if err := reset(operatorToken, reason, "1"); wantError(t, err, codes.InvalidArgument, "INVALID_REQUEST")["field"] != "reason" {
			t.Errorf("reason %q: %v", reason, err)
		}
	}
	for _, id := range []string{"", "  "} {
		wantError(t, reset(operatorToken, "looked at it", id), codes.InvalidArgument, "INVALID_REQUEST")
	}
	_, err := w.limits().ResetLimit(as(operatorToken), &candorv1.ResetLimitRequest{Name: "limits/nothing", Reason: "looked at it", RequestId: "1"})
	wantError(t, err, codes.NotFound, "LIMIT_NOT_FOUND")
	if !w.limit("declines").GetTripped() {
		t.Fatal("a refused reset has released the latch")
	}

	if err := reset(operatorToken, "looked at it", "1"); err != nil {
		t.Fatal(err)
	}
	if l := w.limit("declines"); l.GetTripped() || l.GetLastResetBy() != "olga" || l.GetLastResetReason() != "looked at it" || l.GetUsed() != 1 {
		t.Errorf("after the reset %v", l)
	}
	// The window still counts what was released: the next answer trips again, with an alert of its own.
	wantError(t, decline(), codes.FailedPrecondition, "ACTION_LIMIT_TRIPPED")
	if err := reset(operatorToken, "looked at it", "1"); err != nil {
		t.Errorf("replay: %v", err)
	}
	w.restart()
	if err := reset(operatorToken, "looked at it", "1"); err != nil {
		t.Errorf("replay after a restart: %v", err)
	}
	if !w.limit("declines").GetTripped() {
		t.Error("a replay has released the second latch")
	}
	w.eventually(func() bool { return len(in.of("limit.tripped")) == 2 && len(in.of("limit.reset")) == 1 })
	if a := in.of("limit.tripped"); a[0].ID == a[1].ID || in.of("limit.reset")[0].ID != a[0].ID+"-reset" {
		t.Errorf("two trips have one id: %+v", in.got())
	}
}

// An alert that its receiver refuses is delivered later, over a restart, under the same id.
func TestAlertIsTriedAgain(t *testing.T) {
	in := newInbox(t, 1)
	w := start(t, withLimit(1, fmt.Sprintf(", webhook: %q, allow_private: true", in.URL))...)
	// An answer for which the store was too slow is withheld and trips nothing.
	w.eventually(func() bool {
		w.infer(t.Context(), request([][4]float32{sureRow}))
		return w.limit("declines").GetTripped()
	})
	w.within(time.Minute, func() bool { return len(in.got()) >= 1 })
	const of = `{receiver="webhook"}`
	w.within(time.Minute, func() bool { return w.metric("candor_alert_failures_total"+of) == 1 })
	if n, age := w.metric("candor_alerts_waiting"+of), w.metric("candor_alert_oldest_seconds"+of); n != 1 || age <= 0 {
		t.Errorf("%v wait, the oldest for %v s; want 1", n, age)
	}
	// The attempt is counted before what came of it is stored.
	w.eventually(func() bool {
		resp, err := w.limits().GetLimit(as(auditorToken), &candorv1.GetLimitRequest{Name: "limits/declines"})
		a := resp.GetLimit().GetAlerts()
		return err == nil && len(a) == 1 && a[0].GetAttempts() == 1 && a[0].GetError() != "" && a[0].GetNextAttemptTime() != nil &&
			a[0].GetWaitTime().AsTime().Equal(resp.GetLimit().GetTripTime().AsTime())
	})
	w.restart()
	w.within(time.Minute, func() bool { return len(in.got()) == 2 })
	w.within(time.Minute, func() bool { return w.metric("candor_alerts_waiting"+of) == 0 })
	if age := w.metric("candor_alert_oldest_seconds" + of); age != 0 {
		t.Errorf("nothing waits, the oldest for %v s", age)
	}
	if a := in.got(); a[0].ID != a[1].ID {
		t.Errorf("one trip has two ids: %+v", a)
	}
}

func TestDryRunHoldsNothing(t *testing.T) {
	w := start(t, withLimit(2, ", dry_run: true")...)
	for range 4 {
		if a := w.infer(t.Context(), request([][4]float32{sureRow})); a.err != nil {
			t.Fatal(a.err)
		}
	}
	if l := w.limit("declines"); !l.GetTripped() || !l.GetDryRun() || l.GetWithheldSinceTrip() != 2 {
		t.Errorf("limit %v", l)
	}
	if trips := w.metric(`candor_limit_trips_total{limit="declines"}`); trips != 1 {
		t.Errorf("%v trips", trips)
	}
}

func TestLimitsBindInObserve(t *testing.T) {
	edits := append(withLimit(1, ", on_trip: reject"), "mode: enforce", "mode: observe")
	w := start(t, edits...)
	// deferredRow passes in observe, as the primary's answer, and that is a decline.
	if a := w.infer(t.Context(), request([][4]float32{deferredRow})); a.err != nil || a.param("candor_action") != "decline" {
		t.Fatalf("%v %v", a.resp, a.err)
	}
	wantError(t, w.infer(t.Context(), request([][4]float32{deferredRow})).err, codes.FailedPrecondition, "ACTION_LIMIT_TRIPPED")
}

// Provisional answers are released answers; and a verdict is another release.
func TestProvisionalAnswersCount(t *testing.T) {
	edits := append(withLimit(2, ""), "on_defer: withhold", "on_defer: provisional")
	w := start(t, edits...)
	first, _ := w.deferOne(deferredRow)
	if used := w.limit("declines").GetUsed(); used != 1 {
		t.Errorf("%d used after a provisional answer", used)
	}
	if item := w.resolve(reviewerToken, first, "bad"); item.GetReleaseState() != candorv1.ReleaseState_RELEASE_STATE_RELEASED {
		t.Errorf("verdict %v", item)
	}
	a := w.infer(t.Context(), request([][4]float32{deferredRow}))
	if md := wantError(t, a.err, codes.FailedPrecondition, "DEFERRED_TO_REVIEW"); md["limit"] != "declines" {
		t.Errorf("metadata %v", md)
	}
}

// A stale verdict is no release: at a full limit it must not trip it.
func TestStaleVerdictTripsNothing(t *testing.T) {
	w := start(t, withLimit(1, "")...)
	name, _ := w.deferOne(deferredRow)
	if a := w.infer(t.Context(), request([][4]float32{sureRow})); a.err != nil {
		t.Fatal(a.err)
	}
	epoch := w.claim(reviewerToken, name).GetEpoch()
	for range 2 {
		_, err := w.reviews().ResolveReviewItem(as(operatorToken), &candorv1.ResolveReviewItemRequest{Name: name, Epoch: epoch, Verdict: label("bad"), RequestId: "r"})
		wantError(t, err, codes.Aborted, "STALE_LEASE")
	}
	if w.limit("declines").GetTripped() {
		t.Error("a verdict that was refused has tripped the limit")
	}
}
