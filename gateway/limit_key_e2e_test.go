package gateway_test

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Each merchant has a limit of its own: one's runaway withholds nothing of another's, is told of once, stays over a restart, and is
// reset by name.
func TestEachKeyHasItsLimit(t *testing.T) {
	in := newInbox(t, 0)
	const two = `each: {action: decline, window: 1h, max_count: 2, key: {parameter: merchant, max_keys: 3}, on_trip: reject, reset: {people: 2}, probation: {share: 1},
  alerts: [{name: desk, webhook: URL, allow_private: true}]}`
	w := start(t, withLimits(strings.ReplaceAll(two, "URL", `"`+in.URL+`"`))...)
	declines := func(merchant any) answer {
		return w.infer(t.Context(), with(request([][4]float32{sureRow}, "candor_route"), map[string]any{"merchant": merchant}))
	}
	left := func(merchant any, n int) (out int) {
		for range n {
			if a := declines(merchant); a.err == nil && a.param("candor_route") == "ACCEPT" {
				out++
			}
		}
		return out
	}
	const café = "Café/1"
	if a, b, c := left("acme", 5), left(café, 5), left(7, 1); a != 2 || b != 2 || c != 1 {
		t.Errorf("%d, %d and %d left, want 2, 2 and 1", a, b, c)
	}
	if a := declines(café); a.param("candor_limit") != "each/keys/Caf%C3%A9%2F1" {
		t.Errorf("withheld by %q", a.param("candor_limit"))
	}
	w.eventually(func() bool { return len(in.of("limit.tripped")) == 2 })
	if a := in.of("limit.tripped")[1]; a.Data.Limit != "limits/each/keys/Caf%C3%A9%2F1" || a.Data.Key != café || a.Data.Count != 2 {
		t.Errorf("alert %+v", a)
	}
	w.restart()
	if a, c := left("acme", 2), left(7, 3); a != 0 || c != 1 {
		t.Errorf("after a restart %d and %d left, want 0 and 1", a, c)
	}
	all, err := w.limits().ListLimits(as(operatorToken), &candorv1.ListLimitsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, l := range all.GetLimits() {
		names = append(names, l.GetName())
	}
	if got := strings.Join(names, " "); got != "limits/each limits/each/keys/7 limits/each/keys/Caf%C3%A9%2F1 limits/each/keys/acme" {
		t.Errorf("the list has %s", got)
	}
	l := w.limit("each")
	if k := l.GetKeys(); l.GetTripped() || l.GetKey() != "parameter:merchant" || k.GetMaxKeys() != 3 || k.GetLive() != 3 || k.GetTripped() != 3 || len(k.GetLargest()) != 3 {
		t.Errorf("limit %v", l)
	}
	if n := w.metric(`candor_limit_keys_tripped{limit="each"}`); n != 3 {
		t.Errorf("%v keys tripped by the metric", n)
	}
	if n := w.metric(`candor_limit_tripped{limit="each/7"}`); n != -1 {
		t.Error("a key is a label")
	}

	const name = "each/keys/Caf%C3%A9%2F1"
	got, err := w.limits().GetLimit(as(auditorToken), &candorv1.GetLimitRequest{Name: "limits/" + name})
	if one := got.GetLimit(); err != nil || !one.GetTripped() || one.GetKeyValue() != café || one.GetUsed() != 2 || len(one.GetAlerts()) != 1 {
		t.Fatalf("one key: %v, %v", got, err)
	}
	if _, err := w.limits().AcknowledgeLimit(as(operatorToken), &candorv1.AcknowledgeLimitRequest{Name: "limits/" + name, RequestId: "a1"}); err != nil {
		t.Fatal(err)
	}
	if l, err := w.reset(operatorToken, name, "r1"); err != nil || l.GetPendingReset().GetAskedBy() != "olga" {
		t.Fatalf("asked: %v, %v", l, err)
	}
	if l, err := w.confirm(adminToken, name, "r1", "c1"); err != nil || l.GetTripped() || l.GetName() != "limits/"+name {
		t.Fatalf("confirmed: %v, %v", l, err)
	}
	var what []string
	for _, e := range w.history(name) {
		what = append(what, strings.TrimPrefix(e.GetEvent().String(), "LIMIT_EVENT_"))
	}
	if got := strings.Join(what, " "); got != "RESET RESET_ASKED ACKNOWLEDGED TRIPPED" {
		t.Errorf("history %s", got)
	}
	if got, err := w.limits().GetLimit(as(auditorToken), &candorv1.GetLimitRequest{Name: "limits/each/keys/acme"}); err != nil || !got.GetLimit().GetTripped() {
		t.Errorf("another key: %v, %v", got, err)
	}
	_, err = w.limits().GetLimit(as(auditorToken), &candorv1.GetLimitRequest{Name: "limits/each/keys/nobody"})
	wantError(t, err, codes.NotFound, "LIMIT_NOT_FOUND")
}

// Keys beyond those that a limit may have share one: never more than its bound leaves for all of them together.
func TestMoreKeysThanThereMayBe(t *testing.T) {
	w := start(t, withLimits("each: {action: decline, window: 1h, max_count: 3, key: {parameter: merchant, max_keys: 2}, on_trip: reject}")...)
	left := 0
	for _, merchant := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		if w.infer(t.Context(), with(request([][4]float32{sureRow}), map[string]any{"merchant": merchant})).err == nil {
			left++
		}
	}
	if left != 2+3 {
		t.Errorf("%d left, want one of a and of b, and 3 of the others", left)
	}
	if n := w.metric(`candor_limit_keys_overflowed_total{limit="each"}`); n < 6 {
		t.Errorf("%v answers overflowed", n)
	}
	if l, err := w.limits().GetLimit(as(auditorToken), &candorv1.GetLimitRequest{Name: "limits/each/keys/~other"}); err != nil || !l.GetLimit().GetTripped() {
		t.Errorf("what they share: %v, %v", l, err)
	}
}

// A column of an input is a key, too, in each row its own; and a person's answer is of its row's key.
func TestKeyOfAColumn(t *testing.T) {
	edits := append(withLimits("each: {action: decline, window: 1h, max_count: 1, key: {input: {name: shop, column: 0}}, on_trip: reject}"),
		"{name: x, datatype: FP32, shape: [-1, 4]}", "{name: x, datatype: FP32, shape: [-1, 4]}, {name: shop, datatype: BYTES, shape: [-1]}")
	w := start(t, edits...)
	ask := func(rows [][4]float32, shops ...string) answer {
		return w.infer(as(clientToken), withTexts(request(rows, "candor_route"), "shop", shops...))
	}
	a := ask([][4]float32{sureRow, sureRow, sureRow}, "a", "b", "a")
	if a.err != nil || strings.Join(a.texts(t, "candor_route"), " ") != "ACCEPT ACCEPT REJECT" {
		t.Errorf("%v %v", a.resp, a.err)
	}
	b := ask([][4]float32{deferredRow}, "c")
	item := b.param("candor_review_item")
	if a := ask([][4]float32{sureRow}, "c"); a.param("candor_route") != "ACCEPT" {
		t.Errorf("%v %v", a.resp, a.err)
	}
	w.restart()
	if done := w.resolve(reviewerToken, item, "bad"); done.GetReleaseState() != candorv1.ReleaseState_RELEASE_STATE_HELD || done.GetHeldBy() != "limits/each/keys/c" {
		t.Errorf("verdict %v", done)
	}
	if _, err := w.reset(operatorToken, "each/keys/c", "r1"); err != nil {
		t.Fatal(err)
	}
	if a := ask([][4]float32{sureRow}, "d"); a.param("candor_route") != "ACCEPT" {
		t.Errorf("%v %v", a.resp, a.err)
	}
}

// What limits take from a request stands in the record of a plain accept beside the client's id, and not in its place.
func TestRequestIDBesideKeys(t *testing.T) {
	w := start(t, withLimits(`a: {action: decline, window: 1h, max_count: 9, key: {parameter: merchant}}, b: {action: decline, window: 1h, max_count: 9, key: {parameter: card}},
  c: {action: decline, window: 1h, max_count: 9, key: {parameter: city}}`)...)
	long := strings.Repeat("k", 128)
	req := with(request([][4]float32{sureRow}), map[string]any{"merchant": long, "card": long, "city": long})
	req.Id = strings.Repeat("r", 36)
	a := w.infer(as(clientToken), req)
	if a.err != nil {
		t.Fatal(a.err)
	}
	rec := w.explain(a.param("candor_prediction_id")).GetRecord()
	if in := rec.GetRows()[0].GetLimitInputs(); rec.GetRequestId() != req.GetId() || len(in) != 3 || string(in[0].GetKey()) != long {
		t.Errorf("the record has the request's id as %q, and %v", rec.GetRequestId(), in)
	}
}
