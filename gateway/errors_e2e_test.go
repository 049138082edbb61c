package gateway_test

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/wire"
)

func input(name, datatype string, shape ...int64) *inference.ModelInferRequest_InferInputTensor {
	return &inference.ModelInferRequest_InferInputTensor{Name: name, Datatype: datatype, Shape: shape}
}

// Issue, "Bad input": every mistake of a request is INVALID_ARGUMENT with the path of the field, and reaches no model server.
func TestBadRequests(t *testing.T) {
	w := start(t, "inputs: [{name: x, datatype: FP32, shape: [-1, 4]}]",
		"inputs: [{name: x, datatype: FP32, shape: [-1, 4]}, {name: note, datatype: BYTES, shape: [-1]}]")
	x, note := make([]byte, 16), []byte{1, 0, 0, 0, 'n'}
	raw := func(raws [][]byte, ins ...*inference.ModelInferRequest_InferInputTensor) *inference.ModelInferRequest {
		return &inference.ModelInferRequest{ModelName: "fraud", Inputs: ins, RawInputContents: raws}
	}
	one, text := input("x", "FP32", 1, 4), input("note", "BYTES", 1)
	typed := proto.CloneOf(one)
	typed.Contents = &inference.InferTensorContents{Fp32Contents: make([]float32, 4)}
	asking := func(output string) *inference.ModelInferRequest {
		req := raw([][]byte{x, note}, one, text)
		req.Outputs = []*inference.ModelInferRequest_InferRequestedOutputTensor{{Name: "label"}, {Name: output}}
		return req
	}
	for name, c := range map[string]struct {
		req   *inference.ModelInferRequest
		field string
	}{
		"wrong width":             {raw([][]byte{make([]byte, 20), note}, input("x", "FP32", 1, 5), text), "inputs[0].shape"},
		"wrong rank":              {raw([][]byte{x, note}, input("x", "FP32", 4), text), "inputs[0].shape"},
		"rows disagree":           {raw([][]byte{x, append(note, note...)}, one, input("note", "BYTES", 2)), "inputs[1].shape"},
		"no rows":                 {raw([][]byte{{}, {}}, input("x", "FP32", 0, 4), input("note", "BYTES", 0)), "inputs[0].shape"},
		"wrong datatype":          {raw([][]byte{make([]byte, 32), note}, input("x", "FP64", 1, 4), text), "inputs[0].datatype"},
		"no datatype of this":     {raw([][]byte{x, note}, input("x", "FP8", 1, 4), text), "inputs[0].datatype"},
		"raw and typed in one":    {raw([][]byte{x, note}, typed, text), "inputs[0].contents"},
		"raw for one, typed else": {raw([][]byte{note}, text, typed), "raw_input_contents"},
		"truncated BYTES":         {raw([][]byte{x, {9, 0, 0, 0, 'n'}}, one, text), "raw_input_contents[1]"},
		"BYTES cut in its length": {raw([][]byte{x, {1, 0}}, one, text), "raw_input_contents[1]"},
		"short contents":          {raw([][]byte{x[:12], note}, one, text), "raw_input_contents[0]"},
		"negative dimension":      {raw([][]byte{x, note}, input("x", "FP32", -1, 4), text), "inputs[0].shape"},
		"product overflow":        {raw([][]byte{x, note}, input("x", "FP32", math.MaxInt64, 4), text), "inputs[0].shape"},
		"more rows than bounded":  {raw([][]byte{x, note}, input("x", "FP32", 1<<40, 4), input("note", "BYTES", 1<<40)), "raw_input_contents[0]"},
		"an input missing":        {raw([][]byte{x}, one), "inputs"},
		"an input too many":       {raw([][]byte{x, note, x}, one, text, input("y", "FP32", 1, 4)), "inputs[2].name"},
		"an input twice":          {raw([][]byte{x, note, x}, one, text, one), "inputs[2].name"},
		"no inputs":               {raw(nil), "inputs"},
		"unknown metadata tensor": {asking("candor_colour"), "outputs[1].name"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, form := range []string{"ModelInfer", "Predict"} {
				var err error
				if form == "Predict" {
					_, err = w.predictions().Predict(bounded(t, ""), &candorv1.PredictRequest{Request: c.req})
				} else {
					err = w.infer(t.Context(), c.req).err
				}
				md := wantError(t, err, codes.InvalidArgument, "INVALID_REQUEST")
				bad := toldBy(t, err).bad.GetFieldViolations()
				if len(bad) != 1 || bad[0].GetField() != c.field || bad[0].GetDescription() == "" || md["field"] != c.field {
					t.Errorf("%s blames %v (%v), want %s", form, bad, err, c.field)
				}
			}
		})
	}
	if w.primary.Calls()+w.a.Calls() != 0 {
		t.Error("a request that can't be served was sent on")
	}
}

func TestUnknownModelsAndVersions(t *testing.T) {
	w := start(t)
	req := request([][4]float32{sureRow})
	req.ModelName = "frod"
	err := w.infer(t.Context(), req).err
	if md := wantError(t, err, codes.NotFound, "MODEL_NOT_FOUND"); md["model"] != "frod" || !strings.Contains(err.Error(), "frod") || !strings.Contains(err.Error(), "fraud") {
		t.Errorf("%v", err)
	}
	req.ModelName, req.ModelVersion = "fraud", "2"
	err = w.infer(t.Context(), req).err
	if md := wantError(t, err, codes.NotFound, "VERSION_NOT_SERVED"); md["version"] != "2" || md["pinned_version"] != "3" || md["model"] != "fraud" {
		t.Errorf("%v", md)
	}
	oip := inference.NewGRPCInferenceServiceClient(w.conn)
	_, err = oip.ModelReady(bounded(t, ""), &inference.ModelReadyRequest{Name: "frod"})
	wantError(t, err, codes.NotFound, "MODEL_NOT_FOUND")
	_, err = oip.ModelMetadata(bounded(t, ""), &inference.ModelMetadataRequest{Name: "fraud", Version: "2"})
	wantError(t, err, codes.NotFound, "VERSION_NOT_SERVED")
}

// Whatever a client puts into a name, its error fits into the trailers that every gRPC client takes.
func TestErrorsStaySmall(t *testing.T) {
	w := start(t)
	huge := strings.Repeat("ü", 50_000)
	for what, change := range map[string]func(*inference.ModelInferRequest){
		"model":    func(r *inference.ModelInferRequest) { r.ModelName = huge },
		"version":  func(r *inference.ModelInferRequest) { r.ModelVersion = huge },
		"input":    func(r *inference.ModelInferRequest) { r.Inputs[0].Name = huge },
		"datatype": func(r *inference.ModelInferRequest) { r.Inputs[0].Datatype = huge },
		"output": func(r *inference.ModelInferRequest) {
			r.Outputs = []*inference.ModelInferRequest_InferRequestedOutputTensor{{Name: "candor_" + huge}}
		},
		"id, deferred": func(r *inference.ModelInferRequest) { *r = *request([][4]float32{deferredRow}); r.Id = huge },
	} {
		t.Run(what, func(t *testing.T) {
			req := request([][4]float32{sureRow})
			change(req)
			a := w.infer(t.Context(), req)
			toldBy(t, a.err)
			if n := trailerSize(a.trailer, a.err); n > 4<<10 {
				t.Errorf("trailers of %d bytes: %.200s", n, a.err)
			}
		})
	}
}

// trailerSize is what trailers take on the wire, counted as HTTP/2 counts a header list, status and message included.
func trailerSize(md metadata.MD, err error) int {
	n := 0
	for k, values := range md {
		for _, v := range values {
			if strings.HasSuffix(k, "-bin") {
				v = strings.Repeat("x", (len(v)+2)/3*4)
			}
			n += len(k) + len(v) + 32
		}
	}
	st := status.Convert(err)
	for _, b := range []byte(st.Message()) {
		n++
		if b < ' ' || b > '~' || b == '%' {
			n += 2
		}
	}
	if len(st.Proto().GetDetails()) > 0 && len(md.Get("grpc-status-details-bin")) == 0 {
		n += len("grpc-status-details-bin") + (proto.Size(st.Proto())+2)/3*4 + 32
	}
	return n
}

func TestMessagesThatCannotBeRead(t *testing.T) {
	w := start(t, "reflection: true", "reflection: true, max_message_bytes: 65536")
	call := func(method string, message []byte) error {
		var reply wire.Frame
		return w.conn.Invoke(bounded(t, operatorToken), method, wire.NewFrame(message), &reply, grpc.ForceCodecV2(wire.Codec{}))
	}
	// A length that says more than there is.
	for _, method := range []string{
		inference.GRPCInferenceService_ModelInfer_FullMethodName, inference.GRPCInferenceService_ModelReady_FullMethodName,
		candorv1.PredictionService_Predict_FullMethodName, candorv1.PredictionService_GetPrediction_FullMethodName,
		candorv1.ReviewService_ClaimReviewItem_FullMethodName, candorv1.LimitService_ResetLimit_FullMethodName,
		candorv1.ExplainService_ExplainPrediction_FullMethodName,
	} {
		err := call(method, []byte{0x0a, 0x20, 'x'})
		if status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", method, err)
			continue
		}
		wantError(t, err, codes.InvalidArgument, "INVALID_REQUEST")
	}
	// grpc-go refuses this before any code of ours runs; its text names both sizes.
	err := call(inference.GRPCInferenceService_ModelInfer_FullMethodName, make([]byte, 70_000))
	if status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "65536") {
		t.Errorf("oversized: %v", err)
	}
	// A small message that unpacks to a large one meets the same limit.
	ctx := bounded(t, "")
	req := request(make([][4]float32, 10_000))
	_, err = inference.NewGRPCInferenceServiceClient(w.conn).ModelInfer(ctx, req, grpc.UseCompressor(gzip.Name))
	if status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "65536") {
		t.Errorf("a bomb: %v", err)
	}
	if _, err := inference.NewGRPCInferenceServiceClient(w.conn).ModelInfer(ctx, request([][4]float32{sureRow}), grpc.UseCompressor(gzip.Name)); err != nil {
		t.Errorf("compressed: %v", err)
	}
}

// Methods that aren't offered say so, in the protocol's services and outside of them.
func TestMethodsThatAreNotOffered(t *testing.T) {
	w := start(t)
	oip := inference.NewGRPCInferenceServiceClient(w.conn)
	_, err := oip.SystemSharedMemoryStatus(bounded(t, ""), &inference.SystemSharedMemoryStatusRequest{})
	if md := wantError(t, err, codes.Unimplemented, "METHOD_NOT_OFFERED"); !strings.Contains(md["method"], "SystemSharedMemoryStatus") {
		t.Errorf("metadata %v", md)
	}
	for _, method := range []string{"/inference.GRPCInferenceService/Nothing", "/org.pytorch.serve.grpc.inference.InferenceAPIsService/Predictions"} {
		var reply wire.Frame
		err := w.conn.Invoke(bounded(t, ""), method, wire.NewFrame(), &reply, grpc.ForceCodecV2(wire.Codec{}))
		if md := wantError(t, err, codes.Unimplemented, "METHOD_NOT_OFFERED"); md["method"] != method {
			t.Errorf("metadata %v", md)
		}
	}
}

func TestDeadlineTooShort(t *testing.T) {
	w := start(t, "timeout: 5s, breaker", "timeout: 5s, min_timeout: 1s, breaker")
	ctx, cancel := context.WithTimeout(t.Context(), 900*time.Millisecond)
	defer cancel()
	md := wantError(t, w.infer(ctx, request([][4]float32{sureRow})).err, codes.DeadlineExceeded, "DEADLINE_TOO_SHORT")
	if md["needed_ms"] != "1000" || md["left_ms"] == "" || w.primary.Calls() != 0 {
		t.Errorf("metadata %v, %d calls", md, w.primary.Calls())
	}
}
