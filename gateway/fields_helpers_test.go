package gateway_test

import (
	"context"
	"strings"
	"testing"

	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
	"github.com/candor-gateway/candor/store/sqlite"
)

// documentsYAML is a world's configuration with a model that reads three fields of a document.
const documentsYAML = `
listen: {grpc: "127.0.0.1:0", http: "127.0.0.1:0"}
store: {identity: test, sqlite: {path: candor.db}}
consumers:
  anyone: {identity: {anonymous: true}, models: ["*"]}
  payments: {identity: {token_sha256: CLIENT}, models: ["*"]}
operators:
  ann: {identity: {token_sha256: REVIEWER}, roles: [reviewer]}
  olga: {identity: {token_sha256: OPERATOR}, roles: [operator, auditor]}
  vera: {identity: {token_sha256: AUDITOR}, roles: [auditor]}
backends:
  reader: {address: PRIMARY, model: m, version: "3", breaker: BREAKER, card: {
    created_at: "2026-01-02T03:04:05Z", owner: docs, rows: first_dim,
    inputs: [{name: x, datatype: FP32, shape: [-1, 4]}],
    outputs: [{name: vendor_probs, datatype: FP32, shape: [-1, 3]}, {name: vendor_name, datatype: BYTES, shape: [-1, 1]},
      {name: usd, datatype: FP32, shape: [-1, 1]}, {name: total, datatype: FP32, shape: [-1, 1]}, {name: total_low, datatype: FP32, shape: [-1, 1]},
      {name: total_high, datatype: FP32, shape: [-1, 1]}, {name: vector, datatype: FP32, shape: [-1, 2]}],
    scores: [{field: vendor, output: vendor_probs, kind: probability, labels: [acme, globex, other]},
      {field: currency, output: usd, kind: probability, labels: [EUR, USD]},
      {output: total, kind: regression, regression: {unit: EUR, lower_output: total_low, upper_output: total_high}}]}}
models:
  invoices:
    primary: reader
    policy:
      mode: enforce
      accept: {threshold: {probability: 0.9}}
      fields:
        vendor: {default_label: other}
        currency: {threshold: {probability: 0.95}, default_label: EUR}
        total: {threshold: {interval_width: 10}, interval_scale: 1000, default_value: -1}
      review: {queue: desk, on_expire: reject}
      on_defer: withhold
      answers: [{output: vendor_probs, fill: scores}, {output: vendor_name, fill: label, field: vendor, neutral_text: "?"}, {output: usd, fill: scores},
        {output: total, fill: value}, {output: total_low, fill: neutral}, {output: total_high, fill: neutral}, {output: vector, fill: neutral}]
      actions: [{name: pay, when: {output: total, above: 100}}, {name: block, when: {output: vendor_probs, label_in: [other]}}]
      conditions: []
queues: {desk: {deadline: 1h, lease: 5m, undo_window: 0s}}
`

// documents starts a world whose reader answers, for a row [p, q, v, w]: the vendor acme with probability p, USD with q, and the
// total v with an interval of width w around it.
func documents(t *testing.T, edits ...string) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	w.primary = oiptest.Start(t, oiptest.Model{Name: "m", Version: "3", Infer: readDocuments})
	edits = append(edits, "PRIMARY", w.primary.Addr(), "BREAKER", calmBreaker, "CLIENT", gateway.HashToken(clientToken),
		"REVIEWER", gateway.HashToken(reviewerToken), "OPERATOR", gateway.HashToken(operatorToken), "AUDITOR", gateway.HashToken(auditorToken))
	w.yaml = strings.NewReplacer(edits...).Replace(documentsYAML)
	if err := sqlite.Init(t.Context(), w.db(), "test"); err != nil {
		t.Fatal(err)
	}
	w.run()
	t.Cleanup(func() { w.stop() })
	return w
}

func readDocuments(_ context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
	in, err := floatsOf(req)
	if err != nil {
		return nil, err
	}
	n := int64(len(in) / 4)
	var vendor, usd, vector, total, low, high []float32
	var names []string
	for i := range n {
		p, q, v, half := in[4*i], in[4*i+1], in[4*i+2], in[4*i+3]/2
		vendor, usd, vector = append(vendor, p, 0, 1-p), append(usd, q), append(vector, p, q)
		total, low, high = append(total, v), append(low, v-half), append(high, v+half)
		names = append(names, map[bool]string{true: "acme", false: "other"}[p >= .5])
	}
	// A request of one row has tensors without a dimension for rows.
	shape := func(per int64) []int64 {
		if len(req.GetInputs()[0].GetShape()) == 1 {
			return []int64{per}
		}
		return []int64{n, per}
	}
	return oiptest.ReplyIn(oiptest.Mirror(req), req,
		oiptest.FP32("vendor_probs", shape(3), vendor...), oiptest.BYTES("vendor_name", shape(1), names...), oiptest.FP32("usd", shape(1), usd...),
		oiptest.FP32("total", shape(1), total...), oiptest.FP32("total_low", shape(1), low...), oiptest.FP32("total_high", shape(1), high...),
		oiptest.FP32("vector", shape(2), vector...)), nil
}

// Documents: all sure, an unsure vendor, an unsure total.
var (
	sureDocument   = [4]float32{.99, .99, 250, 4}
	unsureVendor   = [4]float32{.6, .02, 80, 4}
	unsureTotal    = [4]float32{.95, .98, 900, 60}
	hopelessVendor = [4]float32{.01, .99, 250, 4}
)

func documentRequest(form oiptest.Form, rows [][4]float32, outputs ...string) *inference.ModelInferRequest {
	req := requestIn(form, rows, outputs...)
	req.ModelName = "invoices"
	return req
}

// itemsOf are the review items of a prediction.
func (w *world) itemsOf(id string) []*candorv1.ReviewItem {
	w.t.Helper()
	return w.explain(id).GetReviewItems()
}
