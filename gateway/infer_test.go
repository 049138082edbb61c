package gateway_test

import (
	"context"
	"math"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/oiptest"
)

func TestAccept(t *testing.T) {
	w := start(t)
	for _, form := range []oiptest.Form{oiptest.RawForm, oiptest.TypedForm} {
		req := requestIn(form, [][4]float32{sureRow})
		req.Id = "abc"
		a := w.infer(t.Context(), req)
		if a.err != nil {
			t.Fatal(a.err)
		}
		if a.resp.GetModelName() != "fraud" || a.resp.GetModelVersion() != "3" || a.resp.GetId() != "abc" {
			t.Errorf("answer of %q version %q, id %q", a.resp.GetModelName(), a.resp.GetModelVersion(), a.resp.GetId())
		}
		if got := a.floats(t, "probabilities"); len(got) != 2 || got[1] != .99 {
			t.Errorf("probabilities %v", got)
		}
		for key, want := range map[string]string{
			"candor_route": "ACCEPT", "candor_confidence_ppm": "990000", "candor_threshold_ppm": "900000", "candor_mode": "ENFORCE",
			"candor_answered_by": "primary", "candor_model_created_at": "2026-01-02T03:04:05Z", "candor_state": "FINAL",
			"candor_reasons": "CONFIDENT", "candor_action": "decline",
		} {
			if got := a.param(key); got != want {
				t.Errorf("%s = %q, want %q", key, got, want)
			}
		}
		if len(a.predictions) != 1 || a.predictions[0].GetClassProbabilities().GetLabel() != "bad" || a.trailer.Get("candor-prediction-id")[0] != a.param("candor_prediction_id") {
			t.Errorf("trailer %v", a.predictions)
		}
	}
	if n := w.a.Calls() + w.b.Calls() + w.old.Calls(); n != 0 {
		t.Errorf("%d calls to others than the primary", n)
	}
	if got := w.primary.Last().Request; got.GetModelName() != "m" || got.GetModelVersion() != "3" {
		t.Errorf("the backend was asked for %q version %q", got.GetModelName(), got.GetModelVersion())
	}
}

// Issue: a batch of 32 rows with 5 uncertain: exactly 5 reach the ensemble, order kept.
func TestOnlyUncertainRowsFallBack(t *testing.T) {
	for _, form := range []oiptest.Form{oiptest.RawForm, oiptest.TypedForm} {
		w := start(t)
		var rows [][4]float32
		unsure := []int{3, 4, 11, 30, 31}
		for i := range 32 {
			r := row(.91+float32(i)/1000, .5, .5)
			if slices.Contains(unsure, i) {
				r = row(.6, .9+float32(i)/1000, .5)
			}
			rows = append(rows, r)
		}
		a := w.infer(t.Context(), requestIn(form, rows, "probabilities", "candor_route", "candor_answered_by", "candor_confidence", "candor_decision_id"))
		if a.err != nil {
			t.Fatal(a.err)
		}
		if w.a.Rows() != 5 || w.b.Rows() != 5 || w.a.Calls() != 1 || w.old.Calls() != 0 {
			t.Errorf("members got %d and %d rows in %d calls, want 5 in 1", w.a.Rows(), w.b.Rows(), w.a.Calls())
		}
		probs, routes, by := a.floats(t, "probabilities"), a.texts(t, "candor_route"), a.texts(t, "candor_answered_by")
		conf := a.floats(t, "candor_confidence")
		for i := range rows {
			want, route, who := rows[i][0], "ACCEPT", "primary"
			if slices.Contains(unsure, i) {
				want, route, who = rows[i][1], "FALLBACK", "both"
			}
			if math.Abs(float64(probs[2*i+1]-want)) > 1e-6 || routes[i] != route || by[i] != who || math.Abs(float64(conf[i]-want)) > 1e-6 {
				t.Errorf("row %d: %v %s by %s at %v, want %v %s by %s", i, probs[2*i+1], routes[i], by[i], conf[i], want, route, who)
			}
			if slices.Contains(unsure, i) {
				continue
			}
			if probs[2*i+1] != want {
				t.Errorf("row %d lost bits: %v, want %v", i, probs[2*i+1], want)
			}
		}
		if a.resp.GetOutputs()[0].GetName() != "probabilities" || len(a.resp.GetOutputs()) != 5 {
			t.Errorf("outputs %v", a.resp.GetOutputs())
		}
		for key, want := range map[string]string{"candor_rows_accept": "27", "candor_rows_fallback": "5", "candor_rows_defer": "0", "candor_rows_reject": "0"} {
			if a.param(key) != want {
				t.Errorf("%s = %q, want %q", key, a.param(key), want)
			}
		}
		if ids := a.texts(t, "candor_decision_id"); ids[7] != a.param("candor_prediction_id")+"/7/probabilities" {
			t.Errorf("decision id %q", ids[7])
		}
		w.stop()
	}
}

// A score tensor that the client did not ask for is asked for on its behalf and taken out again.
func TestUnaskedScoresAreStripped(t *testing.T) {
	w := start(t)
	a := w.infer(t.Context(), request([][4]float32{sureRow}, "label"))
	if a.err != nil {
		t.Fatal(a.err)
	}
	if len(a.resp.GetOutputs()) != 1 || a.texts(t, "label")[0] != "bad" || a.param("candor_route") != "ACCEPT" {
		t.Errorf("%v", a.resp)
	}
	if outs := w.primary.Last().Request.GetOutputs(); len(outs) != 2 {
		t.Errorf("the backend was asked for %v", outs)
	}
}

func TestDeferWithholds(t *testing.T) {
	w := start(t)
	a := w.infer(as(clientToken), request([][4]float32{goodRow, deferredRow}))
	md := wantError(t, a.err, codes.FailedPrecondition, "DEFERRED_TO_REVIEW")
	if md["deferred"] != "1" || md["rows"] != "2" || md["prediction_id"] == "" || md["review_item"] == "" {
		t.Errorf("metadata %v", md)
	}
	if len(a.predictions) != 2 || a.predictions[1].GetState() != candorv1.AnswerState_ANSWER_STATE_PENDING {
		t.Errorf("typed predictions beside the error: %v", a.predictions)
	}

	// The item survives the failed call.
	item, err := candorv1.NewReviewServiceClient(w.conn).GetReviewItem(as(auditorToken), &candorv1.GetReviewItemRequest{Name: md["review_item"]})
	if err != nil {
		t.Fatal(err)
	}
	i := item.GetItem()
	if i.GetRow() != 1 || i.GetPredictionId() != md["prediction_id"] || i.GetConsumer() != "payments" || len(i.GetAnswers()) != 4 || i.GetSamplingProbability() != 1 {
		t.Errorf("item %v", i)
	}
	if got := i.GetPayload().GetTensors()[0].GetValues(); len(got) != 4 || float32(got[0]) != .6 {
		t.Errorf("payload %v", got)
	}

	// A client that knows routes gets the other rows, and a neutral one.
	b := w.infer(as(clientToken), request([][4]float32{goodRow, deferredRow}, "probabilities", "label", "candor_route"))
	if b.err != nil {
		t.Fatal(b.err)
	}
	probs := b.floats(t, "probabilities")
	if probs[1] != .02 || !math.IsNaN(float64(probs[2])) || !math.IsNaN(float64(probs[3])) {
		t.Errorf("probabilities %v, want the second row NaN", probs)
	}
	if got := b.texts(t, "label"); got[0] != "good" || got[1] != "?" {
		t.Errorf("labels %q", got)
	}
	if got := b.texts(t, "candor_route"); got[0] != "ACCEPT" || got[1] != "DEFER" {
		t.Errorf("routes %q", got)
	}
}

func TestOnDefer(t *testing.T) {
	t.Run("provisional", func(t *testing.T) {
		w := start(t, "on_defer: withhold", "on_defer: provisional")
		a := w.infer(t.Context(), request([][4]float32{deferredRow}))
		if a.err != nil || a.floats(t, "probabilities")[1] != .6 || a.param("candor_state") != "PROVISIONAL" || a.param("candor_route") != "DEFER" {
			t.Errorf("%v %v", a.resp, a.err)
		}
	})
	t.Run("default", func(t *testing.T) {
		w := start(t, "on_defer: withhold", "on_defer: default", "on_expire: reject", "on_expire: default, default_label: good")
		a := w.infer(t.Context(), request([][4]float32{deferredRow}))
		if a.err != nil {
			t.Fatal(a.err)
		}
		if got := a.floats(t, "probabilities"); got[0] != 1 || got[1] != 0 || a.texts(t, "label")[0] != "good" || a.param("candor_answered_by") != "policy/default" {
			t.Errorf("%v", a.resp)
		}
	})
}

func TestObserveLetsAnswersPass(t *testing.T) {
	w := start(t, "mode: enforce", "mode: observe")
	a := w.infer(t.Context(), request([][4]float32{deferredRow}))
	if a.err != nil {
		t.Fatal(a.err)
	}
	if a.floats(t, "probabilities")[1] != .6 || a.param("candor_route") != "FALLBACK" || a.param("candor_mode") != "OBSERVE" || a.param("candor_answered_by") != "primary" {
		t.Errorf("%v", a.resp)
	}
	if d := a.predictions[0].GetDecision(); d.GetAppliedRoute() != candorv1.Route_ROUTE_ACCEPT || d.GetRoute() != candorv1.Route_ROUTE_FALLBACK {
		t.Errorf("decision %v", d)
	}
	if w.a.Calls() != 0 {
		t.Error("observe asked the ensemble")
	}
	// A broken answer is no answer, whatever the mode (docs/adr/0002).
	b := w.infer(t.Context(), request([][4]float32{row(1.7, .95, .5)}))
	if b.err != nil || b.param("candor_route") != "FALLBACK" || b.param("candor_answered_by") != "both" {
		t.Errorf("%v %v", b.resp, b.err)
	}
}

func TestBrokenAnswersAreNeverServed(t *testing.T) {
	nan := float32(math.NaN())
	for name, p := range map[string]float32{"NaN": nan, "1.7": 1.7, "negative": -.2} {
		t.Run(name, func(t *testing.T) {
			w := start(t)
			w.primary.Script(oiptest.Const(1-p, p)) // of a good row
			a := w.infer(t.Context(), request([][4]float32{fallbackRow}))
			if a.err != nil || a.param("candor_route") != "FALLBACK" || a.param("candor_answered_by") != "both" || a.param("candor_fault") == "" {
				t.Fatalf("%v %v", a.resp, a.err)
			}
			if !hasReason(a.predictions[0].GetDecision(), candorv1.Reason_REASON_CONTRACT_FAILURE) {
				t.Errorf("reasons %v", a.predictions[0].GetDecision().GetReasons())
			}
			if got := w.backend("primary"); got.GetContractFailures() != 1 {
				t.Errorf("contract failures %d, want 1", got.GetContractFailures())
			}
		})
	}
	t.Run("another version", func(t *testing.T) {
		w := start(t)
		w.primary.Script(oiptest.Always(func() *inferResponse {
			r := oiptest.Response(oiptest.RawForm, oiptest.FP32("probabilities", []int64{1, 2}, 0, 1), oiptest.BYTES("label", []int64{1}, "bad"))
			r.ModelName, r.ModelVersion = "m", "9"
			return r
		}()))
		a := w.infer(t.Context(), request([][4]float32{fallbackRow}))
		if a.err != nil || a.param("candor_answered_by") != "both" {
			t.Errorf("%v %v", a.resp, a.err)
		}
	})
	t.Run("another shape", func(t *testing.T) {
		w := start(t)
		w.primary.Script(oiptest.Always(oiptest.Response(oiptest.RawForm, oiptest.FP32("probabilities", []int64{3, 2}, 0, 1, 0, 1, 0, 1))))
		a := w.infer(t.Context(), request([][4]float32{fallbackRow}))
		if a.err != nil || a.param("candor_answered_by") != "both" {
			t.Errorf("%v %v", a.resp, a.err)
		}
		// The tensors come from the policy's answer schema alone.
		if got := a.floats(t, "probabilities"); len(got) != 2 || math.Abs(float64(got[1])-.95) > 1e-6 {
			t.Errorf("probabilities %v", got)
		}
	})
}

func TestDeadModelServers(t *testing.T) {
	w := start(t)
	w.primary.Kill()
	a := w.infer(t.Context(), request([][4]float32{fallbackRow}))
	if a.err != nil || a.param("candor_route") != "FALLBACK" || a.param("candor_answered_by") != "both" {
		t.Fatalf("primary dead: %v %v", a.resp, a.err)
	}
	if !hasReason(a.predictions[0].GetDecision(), candorv1.Reason_REASON_BACKEND_FAILURE) {
		t.Errorf("reasons %v", a.predictions[0].GetDecision().GetReasons())
	}
	w.a.Kill()
	b := w.infer(t.Context(), request([][4]float32{row(.5, .5, .97)}))
	if b.err != nil || b.param("candor_answered_by") != "old" || !hasReason(b.predictions[0].GetDecision(), candorv1.Reason_REASON_REMEDIAL) {
		t.Errorf("a member dead: %v %v", b.resp, b.err)
	}
	w.b.Kill()
	w.old.Kill()
	c := w.infer(t.Context(), request([][4]float32{row(.5, .5, .97)}, "candor_route"))
	if c.err != nil || c.param("candor_route") != "DEFER" || !hasReason(c.predictions[0].GetDecision(), candorv1.Reason_REASON_FALLBACK_EXHAUSTED) {
		t.Errorf("all dead: %v %v", c.resp, c.err)
	}
	// They come back, and so do plain answers.
	w.primary.Restart()
	w.eventually(func() bool {
		return w.infer(t.Context(), request([][4]float32{sureRow})).param("candor_route") == "ACCEPT"
	})
}

func TestBreakerOpensAndCloses(t *testing.T) {
	w := start(t, "BREAKER", `{min_calls: 4, open_for: 0.1s, probes: 1}`)
	w.primary.Kill()
	w.eventually(func() bool {
		return hasReason(w.infer(t.Context(), request([][4]float32{fallbackRow})).predictions[0].GetDecision(), candorv1.Reason_REASON_BREAKER_OPEN)
	})
	w.primary.Restart()
	w.eventually(func() bool {
		return w.infer(t.Context(), request([][4]float32{sureRow})).param("candor_route") == "ACCEPT"
	})
	if st := w.backend("primary"); st.GetBreakerOpened() != 1 || st.GetBreakerClosed() != 1 || st.GetBreaker() != candorv1.BreakerState_BREAKER_STATE_CLOSED {
		t.Errorf("breaker %v", st)
	}
}

// A primary that hangs leaves enough of the deadline for an answer from somebody else.
func TestHangingPrimary(t *testing.T) {
	w := start(t)
	w.primary.Hang()
	defer w.primary.Resume()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	a := w.infer(ctx, request([][4]float32{fallbackRow}))
	if a.err != nil || a.param("candor_answered_by") != "both" || !hasReason(a.predictions[0].GetDecision(), candorv1.Reason_REASON_DEADLINE) {
		t.Errorf("%v %v", a.resp, a.err)
	}
}

func TestPredictIsTyped(t *testing.T) {
	w := start(t)
	resp, err := candorv1.NewPredictionServiceClient(w.conn).Predict(as(clientToken), &candorv1.PredictRequest{
		Request: request([][4]float32{sureRow, fallbackRow, deferredRow}),
	})
	if err != nil {
		t.Fatal(err)
	}
	var routes []candorv1.Route
	for _, p := range resp.GetPredictions() {
		routes = append(routes, p.GetDecision().GetRoute())
	}
	want := []candorv1.Route{candorv1.Route_ROUTE_ACCEPT, candorv1.Route_ROUTE_FALLBACK, candorv1.Route_ROUTE_DEFER}
	if !slices.Equal(routes, want) {
		t.Fatalf("routes %v, want %v", routes, want)
	}
	p := resp.GetPredictions()[1]
	if len(p.GetPath()) != 4 || p.GetAnsweredBy() != "both" || p.GetProvenance().GetOwner() != "risk" || p.GetProvenance().GetAge().AsDuration() <= 0 {
		t.Errorf("fallback prediction %v", p)
	}
	if p.GetUncertainty().GetKind() != candorv1.UncertaintyKind_UNCERTAINTY_KIND_DISAGREEMENT {
		t.Errorf("uncertainty %v", p.GetUncertainty())
	}
	if resp.GetPredictions()[2].GetAbstention() == nil || resp.GetPredictions()[2].GetDecision().GetReviewItem() == "" {
		t.Errorf("deferred prediction %v", resp.GetPredictions()[2])
	}

	// GetPrediction tells the same from the record.
	got, err := candorv1.NewPredictionServiceClient(w.conn).GetPrediction(as(clientToken), &candorv1.GetPredictionRequest{PredictionId: p.GetPredictionId()})
	if err != nil {
		t.Fatal(err)
	}
	for i, g := range got.GetPredictions() {
		want := resp.GetPredictions()[i]
		if !proto.Equal(g.GetDecision(), want.GetDecision()) || g.GetState() != want.GetState() || g.GetAnsweredBy() != want.GetAnsweredBy() {
			t.Errorf("row %d: recorded %v, replied %v", i, g.GetDecision(), want.GetDecision())
		}
	}
}
