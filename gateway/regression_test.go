package gateway_test

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
	"github.com/candor-gateway/candor/store/sqlite"
)

// regressionYAML is a world's configuration with a model that answers a value and its interval, in euros.
const regressionYAML = `
listen: {grpc: "127.0.0.1:0", http: "127.0.0.1:0"}
store: {identity: test, sqlite: {path: candor.db}}
consumers: {anyone: {identity: {anonymous: true}, models: ["*"]}}
operators:
  ann: {identity: {token_sha256: REVIEWER}, roles: [reviewer]}
  olga: {identity: {token_sha256: OPERATOR}, roles: [operator, auditor]}
  vera: {identity: {token_sha256: AUDITOR}, roles: [auditor]}
backends:
  primary: {address: PRIMARY, model: m, version: "3", breaker: BREAKER, card: {
    created_at: "2026-01-02T03:04:05Z", owner: risk, rows: first_dim,
    inputs: [{name: x, datatype: FP32, shape: [-1, 4]}],
    outputs: [{name: value, datatype: FP32, shape: [-1]}, {name: low, datatype: FP32, shape: [-1, 1]}, {name: high, datatype: FP32, shape: [-1, 1]}],
    scores: [{output: value, kind: regression, regression: {unit: EUR, lower_output: low, upper_output: high}}]}}
models:
  fraud:
    primary: primary
    policy:
      mode: enforce
      interval_scale: 100000
      accept: {threshold: {interval_width: 100}}
      review: {queue: desk, default_value: -1}
      on_defer: withhold
      answers: [{output: value, fill: value}, {output: low, fill: neutral}, {output: high, fill: neutral}]
queues: {desk: {deadline: 1h, undo_window: 0s}}
`

// regression starts a world whose primary answers, for a row [v, w, ...], the value v and an interval of width w around it.
func regression(t *testing.T, edits ...string) *world {
	w := &world{t: t, dir: t.TempDir()}
	w.primary = oiptest.Start(t, oiptest.Model{Name: "m", Version: "3", Infer: func(_ context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
		in, err := floatsOf(req)
		if err != nil {
			return nil, err
		}
		n := int64(len(in) / 4)
		var value, low, high []float32
		for i := range n {
			v, half := in[4*i], in[4*i+1]/2
			value, low, high = append(value, v), append(low, v-half), append(high, v+half)
		}
		return oiptest.Reply(req, oiptest.FP32("value", []int64{n}, value...), oiptest.FP32("low", []int64{n, 1}, low...), oiptest.FP32("high", []int64{n, 1}, high...)), nil
	}})
	edits = append(edits, "PRIMARY", w.primary.Addr(), "BREAKER", calmBreaker,
		"REVIEWER", gateway.HashToken(reviewerToken), "OPERATOR", gateway.HashToken(operatorToken), "AUDITOR", gateway.HashToken(auditorToken))
	w.yaml = strings.NewReplacer(edits...).Replace(regressionYAML)
	if err := sqlite.Init(t.Context(), w.db(), "test"); err != nil {
		t.Fatal(err)
	}
	w.run()
	t.Cleanup(func() { w.stop() })
	return w
}

// An interval stands and falls with its value: the client sees the bounds of the primary's answer, or none.
func TestRegressionWithInterval(t *testing.T) {
	narrow, wide := row(500, 50, 0), row(700, 20_000, 0)
	t.Run("withhold", func(t *testing.T) {
		w := regression(t)
		a := w.infer(t.Context(), request([][4]float32{narrow, wide}, "candor_route", "candor_confidence"))
		if a.err != nil {
			t.Fatal(a.err)
		}
		for output, want := range map[string]float32{"value": 500, "low": 475, "high": 525} {
			got, err := oiptest.Floats(a.resp, output)
			if err != nil || got[0] != want || !math.IsNaN(float64(got[1])) {
				t.Errorf("%s = %v (%v), want %v and NaN", output, got, err, want)
			}
		}
		if got := a.texts(t, "candor_route"); got[0] != "ACCEPT" || got[1] != "DEFER" {
			t.Errorf("routes %q", got)
		}
		p := a.predictions[0].GetRegression()
		if p.GetValue() != 500 || p.GetUnit() != "EUR" || p.GetLower() != 475 || p.GetUpper() != 525 {
			t.Errorf("typed %v", p)
		}
		if a.predictions[1].GetAbstention() == nil {
			t.Errorf("withheld, typed %v", a.predictions[1])
		}
		// A client that names the value alone gets it alone.
		b := w.infer(t.Context(), request([][4]float32{narrow}, "value"))
		if b.err != nil || len(b.resp.GetOutputs()) != 1 {
			t.Errorf("%v %v", b.resp, b.err)
		}
	})
	t.Run("default", func(t *testing.T) {
		w := regression(t, "on_defer: withhold", "on_defer: default")
		a := w.infer(t.Context(), request([][4]float32{wide}))
		if a.err != nil {
			t.Fatal(a.err)
		}
		if got := a.floats(t, "value"); got[0] != -1 || a.param("candor_answered_by") != "policy/default" {
			t.Errorf("%v", a.resp)
		}
		for _, output := range []string{"low", "high"} {
			if got := a.floats(t, output); len(got) != 1 || !math.IsNaN(float64(got[0])) {
				t.Errorf("%s = %v, want NaN", output, got)
			}
		}
	})
	t.Run("provisional", func(t *testing.T) {
		w := regression(t, "on_defer: withhold", "on_defer: provisional")
		a := w.infer(t.Context(), request([][4]float32{wide}))
		if got, err := oiptest.Floats(a.resp, "high"); a.err != nil || err != nil || got[0] != 10_700 || a.param("candor_state") != "PROVISIONAL" {
			t.Errorf("%v %v %v", a.resp, a.err, err)
		}
	})
}

// A width that the record's field can't hold is not in the record, rather than another one.
func TestWideIntervalsAreNotRecordedNarrower(t *testing.T) {
	w := regression(t)
	for width, recorded := range map[float32]bool{2000: true, 20_000: false} {
		a := w.infer(t.Context(), request([][4]float32{row(1, width, 0)}, "candor_route"))
		if a.err != nil || a.param("candor_route") != "DEFER" {
			t.Fatalf("%v %v", a.resp, a.err)
		}
		if u := a.predictions[0].GetUncertainty(); u.GetKind() != candorv1.UncertaintyKind_UNCERTAINTY_KIND_INTERVAL_WIDTH || math.Abs(u.GetValue()-float64(width)) > 1 {
			t.Errorf("replied %v, want %v", u, width)
		}
		u := w.explain(a.param("candor_prediction_id")).GetPredictions()[0].GetUncertainty()
		if (u != nil) != recorded || (recorded && math.Abs(u.GetValue()-float64(width)) > 1) {
			t.Errorf("width %v is recorded as %v", width, u)
		}
	}
}
