package gateway_test

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// The id comes with every answer to a call that was admitted, errors and typed calls included.
func TestTheIDComesWithErrors(t *testing.T) {
	w := start(t)
	w.primary.Script(oiptest.Fail(codes.InvalidArgument, "x is out of range"), oiptest.Fail(codes.InvalidArgument, "x is out of range"))
	a := w.infer(t.Context(), request([][4]float32{sureRow}))
	md := wantError(t, a.err, codes.InvalidArgument, "BACKEND_ERROR")
	if got := a.trailer.Get("candor-prediction-id"); !slices.Equal(got, []string{md["prediction_id"]}) || len(a.trailer.Get("candor-prediction-bin")) != 0 {
		t.Errorf("trailers %v", a.trailer)
	}
	for _, fails := range []bool{true, false} {
		var trailer metadata.MD
		resp, err := w.predictions().Predict(bounded(t, ""), &candorv1.PredictRequest{Request: request([][4]float32{sureRow})}, grpc.Trailer(&trailer))
		if (err != nil) != fails || len(trailer.Get("candor-prediction-id")) != 1 {
			t.Errorf("Predict: %v %v, trailers %v", resp, err, trailer)
		}
	}
}

// Trailers of a successful answer come to those who ask; errors bring theirs to all.
func TestTrailersAreAskedFor(t *testing.T) {
	w := start(t)
	for _, tc := range []struct {
		row   [4]float32
		fails bool
	}{{sureRow, false}, {deferredRow, true}} {
		var trailer metadata.MD
		_, err := inference.NewGRPCInferenceServiceClient(w.conn).ModelInfer(bounded(t, ""), request([][4]float32{tc.row}), grpc.Trailer(&trailer))
		if (err != nil) != tc.fails || len(trailer.Get("candor-prediction-id")) > 0 != tc.fails || len(trailer.Get("candor-prediction-bin")) > 0 != tc.fails {
			t.Errorf("row %v: %v, trailers %v", tc.row, err, trailer)
		}
	}
}

// A request of a sequence is for the model server that has its state: nobody else answers it.
func TestSequencesDoNotFallBack(t *testing.T) {
	w := start(t)
	for _, id := range []*inference.InferParameter{
		{ParameterChoice: &inference.InferParameter_Int64Param{Int64Param: 7}},
		{ParameterChoice: &inference.InferParameter_StringParam{StringParam: "7"}},
	} {
		req := request([][4]float32{fallbackRow}, "candor_route")
		req.Parameters = map[string]*inference.InferParameter{"sequence_id": id}
		a := w.infer(t.Context(), req)
		if a.err != nil || a.param("candor_route") != "DEFER" || w.a.Calls() != 0 {
			t.Errorf("%v: route %q, %d calls of a member", a.err, a.param("candor_route"), w.a.Calls())
		}
	}
	if a := w.infer(t.Context(), request([][4]float32{fallbackRow})); a.err != nil || a.param("candor_route") != "FALLBACK" {
		t.Errorf("outside of a sequence: %v, route %q", a.err, a.param("candor_route"))
	}
}

// A gateway that exports nothing hands the caller's trace on: the model servers' spans hang below the caller's.
func TestTracePassesThrough(t *testing.T) {
	const theirs = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-"
	w := start(t)
	for _, flags := range []string{"01", "00"} {
		ctx := metadata.AppendToOutgoingContext(t.Context(), "traceparent", theirs+flags)
		if a := w.infer(ctx, request([][4]float32{fallbackRow})); a.err != nil {
			t.Fatal(a.err)
		}
		for _, s := range []*oiptest.Server{w.primary, w.a} {
			if got := s.Last().Metadata.Get("traceparent"); !slices.Equal(got, []string{theirs + flags}) {
				t.Errorf("sent %q, want %q", got, theirs+flags)
			}
		}
	}
}

// A row's path has the stages that were asked for it, and no other row's, and says what each was compared with.
func TestPathIsTheRowsOwn(t *testing.T) {
	w := start(t, withLimit(1, "")...)
	w.a.Kill()
	w.old.Kill()
	// The first two rows are sure, and the second of them meets the limit; the third goes to a fallback that fails.
	a := w.infer(as(clientToken), request([][4]float32{sureRow, sureRow, fallbackRow}, "candor_route"))
	if a.err != nil {
		t.Fatal(a.err)
	}
	told := w.explain(a.param("candor_prediction_id")).GetPredictions()
	if p := told[1]; !hasReason(p.GetDecision(), candorv1.Reason_REASON_LIMIT_TRIPPED) || len(p.GetPath()) != 1 || p.GetPath()[0].GetThreshold() != .9 {
		t.Errorf("the row that met the limit: %v", p)
	}
	if p := told[2]; len(p.GetPath()) != 5 {
		t.Errorf("the row that fell back: %v", p)
	}
}

// Where only the fallback has a threshold, only its answer was compared with one.
func TestThresholdOfTheFallbackAlone(t *testing.T) {
	w := start(t, "accept: {threshold: {probability: 0.9}}\n      ", "")
	a := w.infer(as(clientToken), request([][4]float32{fallbackRow}))
	if a.err != nil || a.param("candor_route") != "FALLBACK" {
		t.Fatalf("%v %v", a.resp, a.err)
	}
	path := w.explain(a.param("candor_prediction_id")).GetPredictions()[0].GetPath()
	if len(path) != 4 || path[0].Threshold != nil || path[3].GetThreshold() != .8 {
		t.Errorf("path %v", path)
	}
}

// The record of a plain accept stays within its bound with the longest names that a configuration can have.
func TestPlainAcceptIsSmall(t *testing.T) {
	long := func(c string) string { return strings.Repeat(c, 63) }
	version, label := strings.Repeat("3", 64), strings.Repeat("l", 64)
	server := oiptest.Start(t, oiptest.Model{Name: "m", Version: version, Infer: func(_ context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
		return oiptest.Reply(req, oiptest.FP32("probabilities", []int64{1, 2}, 0, 1), oiptest.BYTES("label", []int64{1}, label)), nil
	}})
	w := start(t, "PRIMARY", server.Addr(), "anyone: {", long("c")+": {", "primary: {address", long("b")+": {address", "primary: primary", "primary: "+long("b"),
		`version: "3"`, `version: "`+version+`"`, "bad", label, "name: decline", "name: "+long("a"), "  fraud:", "  "+long("m")+":",
		"models: [fraud]", `models: ["*"]`)
	req := request([][4]float32{sureRow})
	req.ModelName, req.Id = long("m"), strings.Repeat("r", 100)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	a := w.infer(ctx, req)
	if a.err != nil || a.param("candor_action") != long("a") {
		t.Fatalf("%v %v %v", a.resp, a.err, a.predictions)
	}
	story := w.explain(a.param("candor_prediction_id"))
	rec := story.GetRecord()
	// The time is in the stored record, too.
	made := story.GetPredictions()[0].GetCreateTime().AsTime().UnixMicro()
	size := proto.Size(&candorv1.Record{TimeUs: made, Entry: &candorv1.Record_Prediction{Prediction: rec}})
	if size > 512 || rec.GetRows()[0].GetLabel() != label || len(rec.GetTraceId()) != 16 {
		t.Errorf("%d bytes: %v", size, rec)
	}
	if id := rec.GetRequestId(); len(id) == 0 || !strings.HasPrefix(req.GetId(), id) {
		t.Errorf("request id %q", id)
	}
}

// A tensor without a value that stands for none leaves the answer with the row that would need one; the call does not fail.
func TestTensorThatNothingFills(t *testing.T) {
	w := start(t, "mode: enforce", "mode: observe", nobodyElse, "",
		`      answers: [{output: probabilities, fill: scores}, {output: label, fill: label, neutral_text: "?"}]
      actions: [{name: decline, when: {label_in: [bad]}}]
`, "")
	a := w.infer(t.Context(), request([][4]float32{sureRow, row(1.7, 0, 0)}, "probabilities", "label", "candor_route"))
	if a.err != nil {
		t.Fatal(a.err)
	}
	if got := a.floats(t, "probabilities"); got[1] != .99 || !math.IsNaN(float64(got[2])) || len(a.resp.GetOutputs()) != 2 || a.texts(t, "candor_route")[1] != "REJECT" {
		t.Errorf("%v", a.resp)
	}
	b := w.infer(t.Context(), request([][4]float32{sureRow}))
	if b.err != nil || b.texts(t, "label")[0] != "bad" {
		t.Errorf("%v %v", b.resp, b.err)
	}
}
