package gateway_test

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/store/postgres"
	"github.com/candor-gateway/candor/store/postgres/pgtest"
)

// sharing is a world whose limits are in a database that another shares.
func sharing(t *testing.T, url, writer string) *world {
	t.Helper()
	st, err := postgres.Open(t.Context(), url, "test", postgres.Options{Writer: writer})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close(t.Context()) })
	return startWith(t, options{deps: func(d *gateway.Deps) { d.Limits = st }}, withLimit(1000, ", on_trip: reject, reset: {people: 2}")...)
}

// A stop at one gateway holds at the other within a second or so, and so does its release; who asks and who confirms may be at
// different gateways.
func TestStopEverywhere(t *testing.T) {
	pgtest.Skip(t)
	srv, err := pgtest.Start(false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	if err := postgres.Init(t.Context(), srv.URL("postgres"), "test"); err != nil {
		t.Fatal(err)
	}
	a, b := sharing(t, srv.URL("postgres"), "a"), sharing(t, srv.URL("postgres"), "b")
	declined := func(w *world) bool { return w.infer(t.Context(), request([][4]float32{sureRow})).err != nil }
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
	_, err = a.confirm(operatorToken, "stop:action:decline", "r1", "c1")
	wantError(t, err, codes.PermissionDenied, "LIMIT_RESET_SAME_PERSON")
	if _, err := a.confirm(adminToken, "stop:action:decline", "r1", "c1"); err != nil {
		t.Fatal(err)
	}
	if declined(a) {
		t.Error("withheld where it was released")
	}
	b.eventually(func() bool { return !declined(b) })
}
