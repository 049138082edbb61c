package gateway_test

import (
	"encoding/hex"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/candor-gateway/candor/config"
	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
)

// edited is the world's configuration with replacements, which it has from now on.
func (w *world) edited(edits ...string) *candorv1.Config {
	w.t.Helper()
	for i := 0; i < len(edits); i += 2 {
		if !strings.Contains(w.yaml, edits[i]) {
			w.t.Fatalf("the configuration has no %q to replace", edits[i])
		}
		w.yaml = strings.ReplaceAll(w.yaml, edits[i], edits[i+1])
	}
	cfg, faults := config.Parse("test.yaml", []byte(w.yaml))
	if errs := faults.Errors(); len(errs) > 0 {
		w.t.Fatal(errs)
	}
	return cfg
}

// reload gives the gateway another configuration.
func (w *world) reload(edits ...string) {
	w.t.Helper()
	if changed, err := w.gateway.Reload(w.t.Context(), w.edited(edits...), nil); err != nil || !changed {
		w.t.Fatalf("reload: %v %v", changed, err)
	}
}

const (
	strict = "accept: {threshold: {probability: 0.9}}"
	loose  = "accept: {threshold: {probability: 0.5}}"
)

// Under load fifty configurations come one after the other, and as many that are refused. No call fails, and each is decided by one of them
// from its beginning to its end.
func TestReloadUnderLoad(t *testing.T) {
	w := start(t)
	strictly := w.edited()
	loosely := w.edited(strict, loose)
	threshold := map[string]float64{
		hex.EncodeToString(config.Digest(strictly, "fraud")): 0.9, hex.EncodeToString(config.Digest(loosely, "fraud")): 0.5,
	}
	bad := w.edited()
	bad.Backends["a"].Timeout = bad.Backends["a"].MinTimeout

	var stop atomic.Bool
	var calls sync.WaitGroup
	seen := make([]map[string]int, 4)
	for i := range seen {
		seen[i] = map[string]int{}
		calls.Go(func() {
			for !stop.Load() {
				a := w.infer(t.Context(), request([][4]float32{sureRow, row(.8, .95, .5)}))
				if a.err != nil {
					t.Error(a.err)
					return
				}
				for k, p := range a.predictions {
					d := p.GetDecision()
					want, ok := threshold[d.GetPolicyDigest()]
					if !ok {
						t.Errorf("decided by %s, which is none of the two", d.GetPolicyDigest())
					}
					seen[i][d.GetPolicyDigest()]++
					accepted := d.GetRoute() == candorv1.Route_ROUTE_ACCEPT
					if accepted && d.GetThreshold() != want {
						t.Errorf("compared with %v by a policy that says %v", d.GetThreshold(), want)
					}
					if accepted != (k == 0 || want == 0.5) {
						t.Errorf("row %d: %v by a policy that says %v", k, d.GetRoute(), want)
					}
				}
			}
		})
	}
	before := 0
	for n := range 50 {
		next := strictly
		if n%2 == 0 {
			next = loosely
		}
		if changed, err := w.gateway.Reload(t.Context(), next, nil); err != nil || !changed {
			t.Fatalf("reload %d: %v %v", n, changed, err)
		}
		if _, err := w.gateway.Reload(t.Context(), bad, nil); err == nil || !strings.Contains(err.Error(), "backends.a.timeout") {
			t.Errorf("a bad configuration: %v", err)
		}
		if changed, err := w.gateway.Reload(t.Context(), next, nil); err != nil || changed {
			t.Errorf("the same again: %v %v", changed, err)
		}
		// Some calls in between.
		at := w.primary.Calls()
		w.eventually(func() bool { return w.primary.Calls() > at+2 })
		if n == 4 {
			before = runtime.NumGoroutine()
		}
	}
	stop.Store(true)
	calls.Wait()
	for digest := range threshold {
		if !slices.ContainsFunc(seen, func(m map[string]int) bool { return m[digest] > 0 }) {
			t.Errorf("nothing was decided by %s", digest)
		}
	}
	// With calls still under way when it was counted first: no more than then.
	w.eventually(func() bool { return runtime.NumGoroutine() <= before })
}

// What only a restart changes is refused by name, and nothing is changed.
func TestReloadRefusesWhatNeedsARestart(t *testing.T) {
	w := start(t)
	cfg := w.edited(strict, loose, "reflection: true", "reflection: false", `sqlite: {path: candor.db}`, `sqlite: {path: other.db}`)
	_, err := w.gateway.Reload(t.Context(), cfg, nil)
	var restart *gateway.RestartError
	if !errors.As(err, &restart) || !slices.Equal(restart.Fields, []string{"listen.reflection", "store"}) || !strings.Contains(err.Error(), "restart") {
		t.Fatalf("%v", err)
	}
	if d := w.infer(t.Context(), request([][4]float32{row(.8, .95, .5)})).predictions[0].GetDecision(); d.GetRoute() != candorv1.Route_ROUTE_FALLBACK {
		t.Errorf("the refused policy decides: %v", d)
	}
}

// A call in flight ends at the model server that it began at; the next one is asked at the new address. The old server's connections are
// closed when its last call has ended.
func TestReloadMovesABackend(t *testing.T) {
	w := start(t)
	other := w.server(0, "3")
	// Its breaker and counts belong to what doesn't change.
	if a := w.infer(t.Context(), request([][4]float32{fallbackRow})); a.err != nil {
		t.Fatal(a.err)
	}
	w.primary.Hang()
	type result struct {
		resp *inference.ModelInferResponse
		err  error
	}
	held := make(chan result, 1)
	go func() {
		resp, err := inference.NewGRPCInferenceServiceClient(w.conn).ModelInfer(bounded(t, ""), request([][4]float32{sureRow}))
		held <- result{resp, err}
	}()
	if err := w.primary.AwaitCalls(bounded(t, ""), 2); err != nil {
		t.Fatal(err)
	}
	w.reload(w.primary.Addr(), other.Addr())
	if a := w.infer(t.Context(), request([][4]float32{sureRow})); a.err != nil || a.param("candor_answered_by") != "primary" {
		t.Errorf("%v %v", a.resp, a.err)
	}
	if n := other.Calls(); n != 1 {
		t.Errorf("%d calls at the new address", n)
	}
	w.primary.Resume()
	if got := <-held; got.err != nil || got.resp.GetParameters()["candor_answered_by"].GetStringParam() != "primary" {
		t.Errorf("the call in flight: %v %v", got.resp, got.err)
	}
	if n := w.primary.Calls(); n != 2 {
		t.Errorf("%d calls at the old address", n)
	}
	if b := w.backend("primary"); b.GetAddress() != other.Addr() || b.GetCalls() != 1 {
		t.Errorf("shown: %v", b)
	}
	if b := w.backend("a"); b.GetCalls() != 1 {
		t.Errorf("a backend that did not change has lost its counts: %v", b)
	}
}

// A client's stream goes on over a change of the model's primary: what was sent is answered by the old one, what is sent now by the new one.
func TestReloadUnderAStream(t *testing.T) {
	w := start(t)
	other := w.server(0, "3")
	c := w.openStream()
	c.ask("1", [][4]float32{sureRow})
	if a := c.next(); a.resp.GetId() != "1" {
		t.Errorf("%v", a.resp)
	}
	w.primary.Hang()
	c.ask("2", [][4]float32{sureRow})
	if err := w.primary.AwaitCalls(bounded(t, ""), 2); err != nil {
		t.Fatal(err)
	}
	w.reload(w.primary.Addr(), other.Addr(), strict, loose)
	c.ask("3", [][4]float32{row(.8, .5, .5)})
	if a := c.next(); a.resp.GetId() != "3" || a.param("candor_route") != "ACCEPT" {
		t.Errorf("by the new policy: %v", a.resp)
	}
	w.primary.Resume()
	if a := c.next(); a.resp.GetId() != "2" || a.param("candor_route") != "ACCEPT" {
		t.Errorf("by the old policy: %v", a.resp)
	}
	c.ask("4", [][4]float32{goodRow})
	if a := c.next(); a.resp.GetId() != "4" {
		t.Errorf("%v", a.resp)
	}
	c.end()
	if n, m := w.primary.Calls(), other.Calls(); n != 2 || m != 2 {
		t.Errorf("%d calls at the old address, %d at the new one", n, m)
	}
}

// Counts and latches of limits stay, whatever becomes of their definitions.
func TestReloadKeepsLimits(t *testing.T) {
	w := start(t, withLimit(3, "")...)
	decline := func() bool {
		t.Helper()
		a := w.infer(t.Context(), request([][4]float32{sureRow}, "candor_route"))
		if a.err != nil {
			t.Fatal(a.err)
		}
		return a.predictions[0].GetDecision().GetLimit() == ""
	}
	decline()
	w.reload("max_count: 3", "max_count: 2")
	if !decline() || decline() {
		t.Error("under the lower bound one more may be released, and no second")
	}
	const limit = "limits: {declines: {action: decline, window: 1h, max_count: 2}}"
	w.reload("\n"+limit, "")
	if !decline() {
		t.Error("what is not configured withholds")
	}
	if l := w.limit("declines"); !l.GetTripped() {
		t.Errorf("the latch is gone with the configuration: %v", l)
	}
	w.yaml += limit
	w.reload("max_count: 2", "max_count: 1000")
	if decline() {
		t.Error("two reloads have released the latch")
	}
	if _, err := w.limits().ResetLimit(as(operatorToken), &candorv1.ResetLimitRequest{Name: "limits/declines", Reason: "seen", RequestId: "r1"}); err != nil {
		t.Fatal(err)
	}
	if !decline() {
		t.Error("withheld after the reset")
	}
}

// Who is no longer in the configuration is refused at the next call, and on streams that are open.
func TestReloadRevokes(t *testing.T) {
	w := start(t)
	finals, err := w.predictions().WatchPredictions(bounded(t, clientToken), &candorv1.WatchPredictionsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	c := w.openStream()
	c.ask("1", [][4]float32{sureRow})
	c.next()
	w.reload("payments: {identity: {token_sha256: "+gateway.HashToken(clientToken)+"}", "payments: {identity: {token_sha256: "+gateway.HashToken("new")+"}")
	_, err = finals.Recv()
	wantError(t, err, codes.Unauthenticated, "UNAUTHENTICATED")
	wantError(t, c.failed(), codes.Unauthenticated, "UNAUTHENTICATED")
	_, err = inference.NewGRPCInferenceServiceClient(w.conn).ModelInfer(bounded(t, clientToken), request([][4]float32{sureRow}))
	wantError(t, err, codes.Unauthenticated, "UNAUTHENTICATED")
	if _, err := inference.NewGRPCInferenceServiceClient(w.conn).ModelInfer(bounded(t, "new"), request([][4]float32{sureRow})); err != nil {
		t.Error(err)
	}
}
