package gateway_test

import (
	"testing"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
)

// reloadSomething changes what nobody is decided by.
func (w *world) reloadSomething() {
	w.t.Helper()
	w.reload("queues: {desk: {", "queues: {desk: {description: \"changed\", ")
}

// What certificates have earned is the store's: it licenses under every configuration whose stages are the same, from its first call on. A
// promise that comes by a reload starts with nothing.
func TestReloadKeepsWhatIsEarned(t *testing.T) {
	w := start(t)
	if r := w.infer(as(clientToken), request([][4]float32{sureRow}, "candor_route")).param("candor_route"); r != "ACCEPT" {
		t.Fatalf("by a threshold: %s", r)
	}
	w.reload(promised("")...)
	a := w.infer(as(clientToken), request([][4]float32{{.99, .5, .5, -1}}, "candor_route"))
	if a.param("candor_route") != "DEFER" || a.param("candor_reasons") != "UNCERTIFIED" {
		t.Fatalf("by a promise with no evidence: %v", a.resp.GetParameters())
	}
	w.resolve(reviewerToken, "", "bad")
	w.earn(0)
	w.reloadSomething()
	if r := w.judge(1000, "bad").param("candor_route"); r != "ACCEPT" {
		t.Errorf("after a reload: %s", r)
	}
	w.reload("grid: {levels: [0.9, 0.6]}", "grid: {levels: [0.9, 0.7]}")
	if r := w.infer(as(clientToken), request([][4]float32{{.99, .5, .5, -2}}, "candor_route")).param("candor_route"); r != "DEFER" {
		t.Errorf("a promise of another grid has earned nothing, and there is %s", r)
	}
}

// Monitors go on with what they have seen; those of a stage that has changed begin anew.
func TestReloadKeepsMonitors(t *testing.T) {
	w := start(t, watchedModel("")...)
	sure := func() float32 { return .97 }
	rows := func(model string) uint64 {
		t.Helper()
		return w.monitors(model)[monitorKey(model, "primary", kindPSI)].GetReferenceRows()
	}
	w.feed("fraud", monitorRows, sure)
	w.feed("fraud", monitorRows, sure)
	w.eventually(func() bool { return rows("fraud") > 0 })
	seen, series := rows("fraud"), len(w.monitors(""))
	w.reloadSomething()
	if n := rows("fraud"); n != seen || len(w.monitors("")) != series {
		t.Errorf("%d rows of %d, %d series of %d", n, seen, len(w.monitors("")), series)
	}
	w.reload("psi: 0.3", "psi: 0.4")
	if n := rows("fraud"); n != 0 {
		t.Errorf("another bound, and %d rows", n)
	}
	if n := len(w.monitors("")); n != series {
		t.Errorf("%d series of %d", n, series)
	}
}

// What a queue's people are busy with stays known when there are more or fewer of them.
func TestReloadKeepsDesks(t *testing.T) {
	w := start(t, bounds("reviewers: 10, service_time: 1m")...)
	if got := routesOf(w.predict(unsureRows(60))); got["DEFER"] != 50 {
		t.Fatalf("at first %v", got)
	}
	w.reloadSomething()
	if got := routesOf(w.predict(unsureRows(1))); got["DEFER"] != 0 {
		t.Errorf("a full queue, after a reload: %v", got)
	}
	w.reload("reviewers: 10", "reviewers: 20")
	w.eventually(func() bool { return routesOf(w.predict(unsureRows(1)))["DEFER"] == 1 })
	w.reload(", capacity: {reviewers: 20, service_time: 1m}", "")
	if got := routesOf(w.predict(unsureRows(60))); got["DEFER"] != 60 {
		t.Errorf("without bounds: %v", got)
	}
}

// A receiver that comes by a reload gets what is final from then on; one that goes gets nothing more.
func TestReloadOfWebhooks(t *testing.T) {
	w := start(t)
	if got := w.metric(`candor_breaker_state{backend="old"}`); got != 1 {
		t.Errorf("breaker %v", got)
	}
	first := newMailbox(t)
	w.yaml += "webhooks: {one: {url: \"" + first.URL + "\", allow_private: true}}\n"
	w.reloadSomething()
	first.use(w.rotate("one", time.Hour))
	w.deferOne(deferredRow)
	w.resolve(reviewerToken, "", "bad")
	w.eventually(func() bool { return len(first.got()) == 1 })

	second := newMailbox(t)
	w.reload("one: {url: \""+first.URL+"\"", "two: {url: \""+second.URL+"\"")
	second.use(w.rotate("two", time.Hour))
	w.deferOne(row(.6, .56, .55))
	w.resolve(reviewerToken, "", "bad")
	w.eventually(func() bool { return len(second.got()) == 1 })
	if n := len(first.got()); n != 1 {
		t.Errorf("%d messages to a receiver that is gone", n)
	}
}

// A model and its backend come and go: names, metrics and items of what is gone do no harm.
func TestReloadOfModels(t *testing.T) {
	w := start(t)
	item, _ := w.deferOne(deferredRow)
	const entry = "models:\n  fraud:"
	w.reload(entry, "models:\n  extra: {primary: a, policy: {mode: observe, accept: {threshold: {probability: 0.9}}}}\n  fraud:", "models: [fraud]", `models: ["*"]`)
	req := request([][4]float32{sureRow})
	req.ModelName = "extra"
	if a := w.infer(t.Context(), req); a.err != nil {
		t.Error(a.err)
	}
	// The item's model is renamed under it.
	w.reload("  fraud:\n    primary: primary", "  checked:\n    primary: primary")
	if a := w.infer(t.Context(), request([][4]float32{sureRow})); a.err == nil {
		t.Error("a model that is gone answers")
	}
	if got := w.look(reviewerToken, item); got.GetModel() != "fraud" {
		t.Errorf("%v", got)
	}
	w.resolve(reviewerToken, item, "bad")
	w.eventually(func() bool {
		return w.look(reviewerToken, item).GetState() == candorv1.ReviewState_REVIEW_STATE_RESOLVED
	})
	if l, err := w.limits().ListLimits(as(operatorToken), &candorv1.ListLimitsRequest{}); err != nil || len(l.GetLimits()) != 0 {
		t.Errorf("%v %v", l, err)
	}
	index, err := inference.NewGRPCInferenceServiceClient(w.conn).RepositoryIndex(bounded(t, clientToken), &inference.RepositoryIndexRequest{})
	if err != nil || len(index.GetModels()) != 2 || index.GetModels()[0].GetName() != "checked" || index.GetModels()[1].GetName() != "extra" {
		t.Errorf("models %v %v", index, err)
	}
}
