package gateway_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/faultproxy"
	"github.com/candor-gateway/candor/store/postgres"
	"github.com/candor-gateway/candor/store/postgres/pgtest"
)

// sharing is a world whose limits are in a database that another shares.
func sharing(t *testing.T, url, writer string, edits ...string) *world {
	t.Helper()
	st, err := postgres.Open(t.Context(), url, "test", postgres.Options{Writer: writer})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close(t.Context()) })
	return startWith(t, options{deps: func(d *gateway.Deps) { d.Limits = st }}, edits...)
}

// shared is a database for them.
func shared(t *testing.T) *pgtest.Server {
	t.Helper()
	pgtest.Skip(t)
	srv, err := pgtest.Start(false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	if err := postgres.Init(t.Context(), srv.URL("postgres"), "test"); err != nil {
		t.Fatal(err)
	}
	return srv
}

// A stop at one gateway holds at the other within a second or so, and so does its release; who asks and who confirms may be at
// different gateways.
func TestStopEverywhere(t *testing.T) {
	url := shared(t).URL("postgres")
	edits := withLimit(1000, ", on_trip: reject, reset: {people: 2}")
	a, b := sharing(t, url, "a", edits...), sharing(t, url, "b", edits...)
	declined := func(w *world) bool {
		for {
			answer := w.infer(t.Context(), request([][4]float32{sureRow}))
			if !slices.Contains(answer.decision().GetReasons(), candorv1.Reason_REASON_LIMIT_UNAVAILABLE) {
				return answer.err != nil
			}
			// The database was too slow for this gateway to know of stops, on a machine that is busy.
		}
	}
	if declined(a) || declined(b) {
		t.Fatal("withheld before anything was stopped")
	}
	began := time.Now()
	if _, err := a.limits().StopAction(as(operatorToken), &candorv1.StopActionRequest{Action: "decline", Reason: "it is mad", RequestId: "s1"}); err != nil {
		t.Fatal(err)
	}
	if !declined(a) {
		t.Error("not stopped where the order was taken")
	}
	b.eventually(func() bool { return declined(b) })
	t.Logf("the other gateway withheld %v after the order was given", time.Since(began))
	if _, err := b.reset(operatorToken, "stop:action:decline", "r1"); err != nil {
		t.Fatal(err)
	}
	a.eventually(func() bool { return a.limit("stop:action:decline").GetPendingReset() != nil })
	_, err := a.confirm(operatorToken, "stop:action:decline", "r1", "c1")
	wantError(t, err, codes.PermissionDenied, "LIMIT_RESET_SAME_PERSON")
	if _, err := a.confirm(adminToken, "stop:action:decline", "r1", "c1"); err != nil {
		t.Fatal(err)
	}
	if declined(a) {
		t.Error("withheld where it was released")
	}
	b.eventually(func() bool { return !declined(b) })
}

// A gateway that is cut off from the database can't hear of a stop of an action that no limit bounds. It withholds all that mean an action
// then, and what means none where its policy says so, and goes on once it is back.
func TestStopCutOff(t *testing.T) {
	srv := shared(t)
	proxy := faultproxy.Start(t, srv.Socket())
	user, _, _ := strings.Cut(strings.TrimPrefix(srv.URL("postgres"), "postgres://"), "@")
	far := "postgres://" + user + "@" + proxy.Addr() + "/postgres?sslmode=disable"
	const unbounded = "on_defer: withhold\n"
	here := sharing(t, srv.URL("postgres"), "here")
	there := sharing(t, far, "there")
	all := sharing(t, far, "all", unbounded, unbounded+"      on_store_lost: {withhold: everything}\n")
	none := sharing(t, far, "none", unbounded, unbounded+"      on_store_lost: {withhold: nothing}\n")
	declines, others := sureRow, [4]float32{.01, .01, .01, .01}
	passes := func(w *world, row [4]float32) bool {
		return w.infer(t.Context(), request([][4]float32{row})).err == nil
	}
	for _, w := range []*world{here, there, all, none} {
		for _, row := range [][4]float32{declines, others} {
			w.eventually(func() bool {
				a := w.infer(t.Context(), request([][4]float32{row}))
				// The database may have been too slow for this gateway to know of stops, on a machine that is busy.
				if a.err != nil && !slices.Contains(a.decision().GetReasons(), candorv1.Reason_REASON_LIMIT_UNAVAILABLE) {
					t.Fatalf("withheld before anything happened: %v", a.err)
				}
				return a.err == nil
			})
		}
	}

	decision := func(w *world, row [4]float32) *candorv1.Decision {
		return w.infer(t.Context(), request([][4]float32{row})).decision()
	}

	proxy.Set(faultproxy.Fault{Blackhole: true})
	stop := &candorv1.StopActionRequest{Action: "decline", Reason: "it is mad", RequestId: "s1"}
	if _, err := here.limits().StopAction(as(operatorToken), stop); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for _, w := range []*world{there, all} {
		w.eventually(func() bool {
			asked := time.Since(began)
			passed := passes(w, declines)
			if passed && asked > time.Second { // on_store_lost.after
				t.Errorf("an answer passed that was asked for %v after the stop", asked)
			}
			return !passed
		})
		t.Logf("cut off, a gateway withheld %v after the order was given", time.Since(began))
		if d := decision(w, declines); d.GetLimit() != "limits/stop:action:decline" || !slices.Contains(d.GetReasons(), candorv1.Reason_REASON_LIMIT_UNAVAILABLE) {
			t.Errorf("withheld by %v", d)
		}
	}
	if !passes(there, others) {
		t.Error("what means no action is withheld where only actions are to be")
	}
	all.eventually(func() bool { return !passes(all, others) })
	if !passes(none, declines) {
		t.Error("withheld where nothing is to be")
	}

	proxy.Set(faultproxy.Fault{})
	for _, w := range []*world{there, all, none} {
		w.within(time.Minute, func() bool {
			return slices.Contains(decision(w, declines).GetReasons(), candorv1.Reason_REASON_LIMIT_TRIPPED) && passes(w, others)
		})
	}
}
