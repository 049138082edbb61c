package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/candor-gateway/candor/calibration/certificate"
	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/oiptest"
	"github.com/candor-gateway/candor/limits"
)

// A latch, a reset that waits, a probation and a stop survive a reload; what a reset takes, and who is told, are the new configuration's.
func TestReloadKeepsStopsAndProbation(t *testing.T) {
	first, second := newInbox(t, 0), newInbox(t, 0)
	const bound = 4
	w := start(t, withLimit(bound, fmt.Sprintf(", on_trip: reject, reset: {people: 2}, probation: {share: 0.5, for: 10m}, alerts: [{name: desk, webhook: %q, allow_private: true}]", first.URL))...)
	decline := func() error { return w.infer(t.Context(), request([][4]float32{sureRow})).err }
	for range bound {
		if err := decline(); err != nil {
			t.Fatal(err)
		}
	}
	wantError(t, decline(), codes.FailedPrecondition, "ACTION_LIMIT_TRIPPED")
	w.eventually(func() bool { return len(first.of("limit.tripped")) == 1 })
	if _, err := w.reset(operatorToken, "declines", "r1"); err != nil {
		t.Fatal(err)
	}
	w.reloadSomething()
	if l := w.limit("declines"); !l.GetTripped() || l.GetPendingReset().GetAskedBy() != "olga" {
		t.Errorf("latched and asked for: %v", l)
	}
	if _, err := w.confirm(adminToken, "declines", "r1", "c1"); err != nil {
		t.Fatal(err)
	}
	w.eventually(func() bool { return len(first.of("limit.reset")) == 1 })
	if _, err := w.limits().StopAction(as(operatorToken), &candorv1.StopActionRequest{Action: "decline", Reason: "it went mad", RequestId: "s1"}); err != nil {
		t.Fatal(err)
	}
	w.eventually(func() bool { return len(first.got()) == 3 })

	w.reload("max_count: 4", "max_count: 8", "reset: {people: 2}", "reset: {people: 1}", "share: 0.5", "share: 0.25", first.URL, second.URL)
	if l := w.limit("declines"); l.GetTripped() || l.GetBound() != 4 || l.GetProbationEndTime() == nil || l.GetResetPeople() != 1 {
		t.Errorf("in probation, after a reload: %v", l)
	}
	md := wantError(t, decline(), codes.FailedPrecondition, "ACTION_LIMIT_TRIPPED")
	if md["limit"] != "stop:action:decline" {
		t.Errorf("metadata %v", md)
	}
	if _, err := w.reset(operatorToken, "stop:action:decline", "r2"); err != nil {
		t.Fatalf("one is enough now: %v", err)
	}
	w.eventually(func() bool { return len(second.of("limit.reset")) == 1 })
	// The window still has the first four, and half of eight holds.
	md = wantError(t, decline(), codes.FailedPrecondition, "ACTION_LIMIT_TRIPPED")
	if md["limit"] != "declines" {
		t.Errorf("metadata %v", md)
	}
	w.eventually(func() bool { return len(second.of("limit.tripped")) == 1 })
	if n := len(first.got()); n != 3 {
		t.Errorf("%d messages to a receiver that is gone", n)
	}
	if _, err := w.reset(operatorToken, "declines", "r3"); err != nil {
		t.Fatal(err)
	}
	if l := w.limit("declines"); l.GetBound() != 2 {
		t.Errorf("a quarter of eight holds after the next reset, and there is %v", l)
	}
}

// fading is a store of certificates that can be lost.
type fading struct {
	keeper
	lost atomic.Bool
	// opened counts how often certificates were opened, or were to be.
	opened atomic.Int64
}

func (f *fading) OpenCertificates(ctx context.Context, openings []certificate.Opening) ([]*candorv1.CertificateState, error) {
	f.opened.Add(1)
	if f.lost.Load() {
		return nil, errors.New("the disk is gone")
	}
	return f.keeper.OpenCertificates(ctx, openings)
}

// startFading starts a gateway that promises, with such a store.
func startFading(t *testing.T) (*world, *fading) {
	t.Helper()
	f := &fading{}
	return startWith(t, options{deps: func(d *gateway.Deps) {
		f.keeper = d.Certificates
		d.Certificates = f
	}}, promised("")...), f
}

// A reload that is refused, whatever for, takes no name of a new limit: under it something else may be counted afterwards.
func TestRefusedReloadTakesNoName(t *testing.T) {
	w, certificates := startFading(t)
	first := w.yaml
	certificates.lost.Store(true)
	w.yaml += "\nlimits: {declines: {action: decline, window: 1h, max_count: 5}}\n"
	if changed, err := w.gateway.Reload(t.Context(), w.edited(), nil); err == nil || changed || !strings.Contains(err.Error(), "certificates") {
		t.Fatalf("without certificates: %v, %v", changed, err)
	}
	certificates.lost.Store(false)
	if got, err := w.limits().ListLimits(as(operatorToken), &candorv1.ListLimitsRequest{}); err != nil || len(got.GetLimits()) != 0 {
		t.Errorf("after it was refused: %v, %v", got, err)
	}
	w.yaml = first + "\nlimits: {declines: {action: decline, window: 1h, on_trip: review, sum: {amount: {parameter: cents}, unit: USD cents, max: 2000}}}\n"
	w.reload()
	if l := w.limit("declines"); l.GetUnit() != "USD cents" {
		t.Errorf("limit %v", l)
	}
}

// A reload that is refused for what a limit counts has opened no certificates: opening ends those of a stage that has changed.
func TestReloadRefusedByLimitsOpensNothing(t *testing.T) {
	w, certificates := startFading(t)
	first := w.yaml
	w.yaml = first + "\nlimits: {declines: {action: decline, window: 1h, max_count: 5}}\n"
	w.reload()
	w.yaml = first // The store goes on to know what it counted.
	w.reload()
	before := certificates.opened.Load()
	w.yaml = first + "\nlimits: {declines: {action: decline, window: 1h, on_trip: review, sum: {amount: {parameter: cents}, unit: USD cents, max: 2000}}}\n"
	var changed *limits.CountsError
	if _, err := w.gateway.Reload(t.Context(), w.edited(), nil); !errors.As(err, &changed) {
		t.Fatalf("another kind under one name: %v", err)
	}
	if n := certificates.opened.Load(); n != before || before == 0 {
		t.Errorf("certificates were opened %d times, and then %d", before, n)
	}
}

// Replicas of a backend that is as it was go on with their counts; of another list there are new ones, and the metrics follow.
func TestReloadOfReplicas(t *testing.T) {
	var servers []*oiptest.Server
	for range 3 {
		servers = append(servers, oiptest.Start(t, oiptest.Model{Name: "m", Version: "3", Infer: byColumn(0)}))
	}
	at := func(i int) string { return servers[i].Addr() }
	w := start(t, "primary: {address: PRIMARY", fmt.Sprintf("primary: {warm: true, replicas: {probe_every: 100ms}, addresses: [%q, %q]", at(0), at(1)))
	calls := func(i int) float64 {
		return w.metric(fmt.Sprintf("candor_replica_calls_total{backend=%q,replica=%q}", "primary", at(i)))
	}
	ask := func() {
		t.Helper()
		for range 20 {
			if a := w.infer(t.Context(), request([][4]float32{sureRow})); a.err != nil {
				t.Fatal(a.err)
			}
		}
	}
	ask()
	w.reloadSomething()
	if n := calls(0) + calls(1); n != 20 {
		t.Errorf("%v calls of 20 are known after a reload", n)
	}
	w.reload(at(0), at(2))
	ask()
	if calls(0) != -1 || calls(1)+calls(2) != 20 {
		t.Errorf("calls of another list: %v, %v, %v", calls(0), calls(1), calls(2))
	}
}
