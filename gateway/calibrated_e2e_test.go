package gateway_test

import (
	"context"
	"math"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/candor-gateway/candor/config"
	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
	"github.com/candor-gateway/candor/router"
)

// platt maps the log-odds z of the second label to slope·z, as Platt scaling without an intercept does.
type platt struct {
	name  string
	slope float64
}

func (p platt) Name() string { return p.name }

func (p platt) Apply(dst, probs []float64) []float64 {
	z := math.Log(probs[1] / probs[0])
	q := 1 / (1 + math.Exp(-p.slope*z))
	return append(dst[:0], 1-q, q)
}

// Two models both say 0.8. One is known to be underconfident there: z = ln 4, times 2 is ln 16, so 16/17. The other overstates: half
// of it is ln 2, so 2/3. At a threshold of 0.9 the first is accepted and the second is not.
func TestSameRawScoreTakesDifferentPathsByCalibration(t *testing.T) {
	shy, bold := platt{"shy@1", 2}, platt{"bold@4", .5}
	start := func(t *testing.T, c platt, edits ...string) *world {
		return startWith(t, options{deps: func(d *gateway.Deps) { d.Calibrators = map[string]router.Calibrator{"primary": c} }},
			append(edits, `timeout: 5s, breaker: BREAKER, card: &card`, `timeout: 5s, breaker: BREAKER, calibrator: `+c.name+`, card: &card`)...)
	}
	for name, c := range map[string]struct {
		calibrator platt
		edits      []string
		row        [4]float32
		route      candorv1.Route
		confidence float64
	}{
		"underconfident":                {shy, nil, row(.8, .95, 0), candorv1.Route_ROUTE_ACCEPT, 16. / 17},
		"overconfident":                 {bold, nil, row(.8, .55, 0), candorv1.Route_ROUTE_DEFER, .55},
		"overconfident, nobody else":    {bold, []string{"      fallback: {ensemble: both, threshold: {probability: 0.8}}\n", "", "ensembles:\n  both: {version: \"1\", members: [{backend: a}, {backend: b}], quorum: 2, combiner: mean, remedial: {backend: old}}\n", ""}, row(.8, 0, 0), candorv1.Route_ROUTE_DEFER, 2. / 3},
		"overconfident, others are not": {bold, nil, row(.8, .95, 0), candorv1.Route_ROUTE_FALLBACK, .95},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t, c.calibrator, c.edits...)
			a := w.infer(t.Context(), request([][4]float32{c.row}, "probabilities", "label", "candor_route"))
			if a.err != nil {
				t.Fatal(a.err)
			}
			id := a.param("candor_prediction_id")
			for where, p := range map[string]*candorv1.Prediction{"the answer": a.predictions[0], "the record": w.explain(id).GetPredictions()[0]} {
				d := p.GetDecision()
				if d.GetRoute() != c.route || math.Abs(d.GetConfidence()-c.confidence) > 1e-6 {
					t.Errorf("%s: %v at %v, want %v at %v", where, d.GetRoute(), d.GetConfidence(), c.route, c.confidence)
				}
				decided := strings.HasPrefix(name, "underconfident") || strings.HasSuffix(name, "nobody else")
				if decided && (math.Abs(d.GetRawConfidence()-.8) > 1e-6 || d.GetCalibrator() != c.calibrator.name) {
					t.Errorf("%s: raw confidence %v, calibrator %q, want 0.8 and %q", where, d.GetRawConfidence(), d.GetCalibrator(), c.calibrator.name)
				}
				if !decided && (d.RawConfidence != nil || d.GetCalibrator() != "") {
					t.Errorf("%s: the ensemble has raw confidence %v, calibrator %q", where, d.RawConfidence, d.GetCalibrator())
				}
			}
			if c.route == candorv1.Route_ROUTE_ACCEPT {
				// What the client reads is what the model said.
				if got := a.floats(t, "probabilities"); got[1] != .8 {
					t.Errorf("probabilities %v were changed", got)
				}
				if got := a.predictions[0].GetClassProbabilities().GetProbabilities(); len(got) != 2 || math.Abs(got[1]-c.confidence) > 1e-6 {
					t.Errorf("typed probabilities %v, want the calibrated ones", got)
				}
			}
		})
	}
}

// A calibrator that is named and not there would let raw numbers pass for calibrated ones.
func TestCalibratorMustBeThere(t *testing.T) {
	cfg, faults := config.Parse("test.yaml", []byte(strings.Replace(strings.NewReplacer("PRIMARY", "127.0.0.1:1", "MEMBER_A", "127.0.0.1:1", "MEMBER_B", "127.0.0.1:1",
		"OLD", "127.0.0.1:1", "BREAKER", calmBreaker, "CLIENT", gateway.HashToken("c"), "REVIEWER", gateway.HashToken("r"), "OPERATOR", gateway.HashToken("o"),
		"OTHER", gateway.HashToken("b"), "SENIOR", gateway.HashToken("s"), "AUDITOR", gateway.HashToken("v"), "ADMIN", gateway.HashToken("a")).
		Replace(worldYAML), `timeout: 5s`, `timeout: 5s, calibrator: shy@1`, 1)))
	if errs := faults.Errors(); len(errs) > 0 {
		t.Fatal(errs)
	}
	for name, c := range map[string]struct {
		given map[string]router.Calibrator
		want  string
	}{
		"missing": {nil, `no store for artefacts that could have shy@1`},
		"another": {map[string]router.Calibrator{"primary": platt{"shy@2", 1}}, `and "shy@2" is given`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := gateway.New(t.Context(), cfg, gateway.Deps{Calibrators: c.given})
			if err == nil || !strings.Contains(err.Error(), "backends.primary.calibrator") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one about backends.primary.calibrator that says %q", err, c.want)
			}
		})
	}
}

// metaEdits change the world's configuration: the primary's confidence is what the model "judge" says.
func metaEdits(judge *oiptest.Server) []string {
	return []string{
		"  old: {address", `  judge: {address: "` + judge.Addr() + `", model: m, version: "9", timeout: 5s, breaker: BREAKER, card: {
    created_at: "2026-01-02T03:04:05Z", owner: risk, rows: first_dim, inputs: [{name: x, datatype: FP32, shape: [-1, 4]}],
    outputs: [{name: right, datatype: FP32, shape: [-1, 1]}], scores: [{output: right, kind: probability, labels: [wrong, right]}]}}
  old: {address`,
		"      mode: enforce\n", "      mode: enforce\n      confidence: meta\n      meta: {backend: judge}\n",
	}
}

// The judge says what stands in a row's last column.
func judge(t *testing.T) *oiptest.Server {
	return oiptest.Start(t, oiptest.Model{Name: "m", Version: "9", Infer: func(_ context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
		values, err := floatsOf(req)
		if err != nil {
			return nil, err
		}
		var right []float32
		for i := 3; i < len(values); i += 4 {
			right = append(right, values[i])
		}
		return oiptest.Reply(req, oiptest.FP32("right", []int64{int64(len(right)), 1}, right...)), nil
	}})
}

// A row is accepted on what the judge says of it, whatever the primary's own probability; rows that broke the card aren't asked
// about; a judge that fails leaves nobody accepted.
func TestMetaConfidence(t *testing.T) {
	server := judge(t)
	w := start(t, metaEdits(server)...)
	rows := [][4]float32{{.6, .95, 0, .97}, {.99, .95, 0, .3}, {1.7, .95, 0, .99}}
	a := w.infer(t.Context(), request(rows, "label", "candor_route"))
	if a.err != nil {
		t.Fatal(a.err)
	}
	routes := a.texts(t, "candor_route")
	if want := []string{"ACCEPT", "FALLBACK", "FALLBACK"}; strings.Join(routes, " ") != strings.Join(want, " ") {
		t.Fatalf("routes %v, want %v", routes, want)
	}
	first := a.predictions[0]
	if d := first.GetDecision(); math.Abs(d.GetConfidence()-.97) > 1e-6 || d.GetConfidenceMethod() != candorv1.ConfidenceMethod_CONFIDENCE_METHOD_META {
		t.Errorf("decision %v, want confidence 0.97 by meta", d)
	}
	if len(first.GetPath()) != 2 || first.GetPath()[1].GetKind() != candorv1.StepKind_STEP_KIND_META || math.Abs(first.GetPath()[1].GetConfidence()-.97) > 1e-6 {
		t.Errorf("path %v, want the primary and the judge at 0.97", first.GetPath())
	}
	// The ensemble's threshold is about its own max_prob.
	if d := a.predictions[1].GetDecision(); d.GetConfidenceMethod() != candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MAX_PROB || math.Abs(d.GetConfidence()-.95) > 1e-6 {
		t.Errorf("decision of the fallback %v, want max_prob 0.95", d)
	}
	if server.Calls() != 1 || server.Rows() != 2 {
		t.Errorf("the judge was asked %d times for %d rows, want once for the two that have an answer", server.Calls(), server.Rows())
	}

	server.FailWith(status.Error(codes.Internal, "no idea"))
	b := w.infer(t.Context(), request([][4]float32{{.99, .55, 0, .99}}, "label", "candor_route"))
	if b.err != nil {
		t.Fatal(b.err)
	}
	d := b.predictions[0].GetDecision()
	if d.GetRoute() != candorv1.Route_ROUTE_DEFER || !hasReason(d, candorv1.Reason_REASON_NO_CONFIDENCE_SIGNAL) {
		t.Errorf("decision %v with a judge that fails, want DEFER without a confidence", d)
	}
}
