package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
	"github.com/candor-gateway/candor/internal/wire"
)

// raw sends bytes as a ModelInferRequest and answers the bytes of the response.
func (w *world) raw(message []byte) ([]byte, metadata.MD) {
	w.t.Helper()
	var reply wire.Frame
	var trailer metadata.MD
	err := w.conn.Invoke(bounded(w.t, clientToken), inference.GRPCInferenceService_ModelInfer_FullMethodName, wire.NewFrame(message), &reply,
		grpc.ForceCodecV2(wire.Codec{}), grpc.Trailer(&trailer))
	if err != nil {
		w.t.Fatal(err)
	}
	return reply.Bytes(), trailer
}

func encoded(t *testing.T, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// fromTheFuture is a field that no dialect has yet.
func fromTheFuture(num protowire.Number, text string) []byte {
	return protowire.AppendString(protowire.AppendTag(nil, num, protowire.BytesType), text)
}

// What is only forwarded is, byte for byte, what was sent: both ways, in both forms, fields that nobody knows included.
func TestForwardedBytes(t *testing.T) {
	for _, form := range []oiptest.Form{oiptest.RawForm, oiptest.TypedForm} {
		t.Run(fmt.Sprint("form ", form), func(t *testing.T) {
			w := start(t)
			req := requestIn(form, [][4]float32{sureRow})
			req.Id = "exact"
			req.Parameters = map[string]*inference.InferParameter{"temperature": {ParameterChoice: &inference.InferParameter_DoubleParam{DoubleParam: .7}}}
			req.Inputs[0].ProtoReflect().SetUnknown(fromTheFuture(90, "inside a tensor"))
			// An unknown field at both ends, and one that stands twice: the last counts.
			sent := slices.Concat(fromTheFuture(100, "first"), protowire.AppendString(protowire.AppendTag(nil, 3, protowire.BytesType), "overwritten"),
				encoded(t, req), fromTheFuture(101, "last"))

			resp := oiptest.Response(form, oiptest.FP32("probabilities", []int64{1, 2}, math.Nextafter32(.01, 1), .99), oiptest.BYTES("label", []int64{1}, "bad"))
			resp.ModelName, resp.ModelVersion, resp.Id = "m", "3", "exact"
			resp.Outputs[1].ProtoReflect().SetUnknown(fromTheFuture(91, "inside a tensor"))
			answered := slices.Concat(fromTheFuture(100, "first"), encoded(t, resp), fromTheFuture(101, "last"))
			w.primary.Script(oiptest.Bytes(answered))

			got, _ := w.raw(sent)
			forwarded := w.primary.Last().Bytes
			want := slices.Concat(sent, protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "m"),
				protowire.AppendString(protowire.AppendTag(nil, 2, protowire.BytesType), "3"))
			if !bytes.Equal(forwarded, want) {
				t.Errorf("the model server got\n%x, want\n%x", forwarded, want)
			}
			if !bytes.HasPrefix(got, answered) {
				t.Fatalf("the client got\n%x, want\n%x and more", got, answered)
			}
			// What follows is the name that clients use, and parameters: no tensor.
			for rest := got[len(answered):]; len(rest) > 0; {
				num, typ, n := protowire.ConsumeField(rest)
				if n < 0 || typ != protowire.BytesType || (num != 1 && num != 4) {
					t.Fatalf("field %d (%v) is appended: %x", num, typ, rest)
				}
				rest = rest[n:]
			}
			merged := &inference.ModelInferResponse{}
			if err := proto.Unmarshal(got, merged); err != nil || merged.GetModelName() != "fraud" || merged.GetModelVersion() != "3" || merged.GetId() != "exact" {
				t.Errorf("%v %v", merged, err)
			}
		})
	}
}

// Names under candor_ are ours: what a backend or a client sends under them is dropped, and nothing else.
func TestOurNamesAreOurs(t *testing.T) {
	w := start(t)
	text := func(s string) *inference.InferParameter {
		return &inference.InferParameter{ParameterChoice: &inference.InferParameter_StringParam{StringParam: s}}
	}
	resp := oiptest.Response(oiptest.RawForm, oiptest.BYTES("candor_route", []int64{1}, "FORGED"),
		oiptest.FP32("probabilities", []int64{1, 2}, .01, .99), oiptest.BYTES("candor_owner", []int64{1}, "mallory"), oiptest.BYTES("label", []int64{1}, "bad"))
	resp.ModelName, resp.ModelVersion = "m", "3"
	resp.Parameters = map[string]*inference.InferParameter{
		"candor_route": text("FORGED"), "candor_review_item": text("reviewItems/forged"), "candor_owner": text("mallory"), "latency": text("1ms"),
	}
	w.primary.Script(oiptest.Always(resp))
	req := request([][4]float32{sureRow}, "probabilities", "label", "candor_route")
	req.Parameters = map[string]*inference.InferParameter{"candor_route": text("please"), "priority": text("7")}
	a := w.infer(t.Context(), req)
	if a.err != nil {
		t.Fatal(a.err)
	}
	if a.param("candor_route") != "ACCEPT" || a.param("candor_review_item") != "" || a.param("candor_owner") != "" || a.param("latency") != "1ms" {
		t.Errorf("parameters %v", a.resp.GetParameters())
	}
	var names []string
	for _, o := range a.resp.GetOutputs() {
		names = append(names, o.GetName())
	}
	if !slices.Equal(names, []string{"probabilities", "label", "candor_route"}) || a.texts(t, "candor_route")[0] != "ACCEPT" || len(a.resp.GetRawOutputContents()) != 3 {
		t.Errorf("outputs %q", names)
	}
	seen := w.primary.Last().Request
	if seen.GetParameters()["candor_route"] != nil || seen.GetParameters()["priority"].GetStringParam() != "7" || len(seen.GetOutputs()) != 2 {
		t.Errorf("the backend got %v", seen)
	}
}

// everyType has one tensor of each datatype, with bits that a conversion would lose: NaNs with a payload, negative zero,
// integers beyond 2^53, text that isn't UTF-8.
var everyType = []struct {
	datatype string
	row      []byte
}{
	{"BOOL", []byte{1}},
	{"UINT8", []byte{255}}, {"UINT16", []byte{1, 2}}, {"UINT32", []byte{1, 2, 3, 4}}, {"UINT64", []byte{255, 255, 255, 255, 255, 255, 255, 255}},
	{"INT8", []byte{128}}, {"INT16", []byte{1, 128}}, {"INT32", []byte{1, 2, 3, 128}}, {"INT64", []byte{1, 0, 0, 0, 0, 0, 32, 128}},
	{"FP16", []byte{0x34, 0x7e}}, {"BF16", []byte{0xc5, 0x7f}}, {"FP32", []byte{0x78, 0x56, 0xa4, 0x7f}}, {"FP64", []byte{0, 0, 0, 0, 0, 0, 0, 128}},
	{"BYTES", []byte{3, 0, 0, 0, 0xff, 0, 0xfe}},
}

// wideWorld is a world whose models take and give a tensor of every datatype beside x and the score.
func wideWorld(t *testing.T) *world {
	var ins, outs, answers strings.Builder
	for _, e := range everyType {
		fmt.Fprintf(&ins, ", {name: in_%s, datatype: %s, shape: [-1, 1]}", e.datatype, e.datatype)
		fmt.Fprintf(&outs, ", {name: out_%s, datatype: %s, shape: [-1, 1]}", e.datatype, e.datatype)
		neutral := "neutral: 1"
		if e.datatype == "BYTES" {
			neutral = `neutral_text: "-"`
		}
		fmt.Fprintf(&answers, ", {output: out_%s, fill: neutral, %s}", e.datatype, neutral)
	}
	w := start(t, "inputs: [{name: x, datatype: FP32, shape: [-1, 4]}", "inputs: [{name: x, datatype: FP32, shape: [-1, 4]}"+ins.String(),
		"{name: label, datatype: BYTES, shape: [-1]}]", "{name: label, datatype: BYTES, shape: [-1]}"+outs.String()+"]",
		`neutral_text: "?"}`, `neutral_text: "?"}`+answers.String())
	// The model servers answer each extra tensor with what came in.
	for column, s := range []*oiptest.Server{w.primary, w.a, w.b, w.old} {
		base := byColumn([]int{0, 1, 1, 2}[column])
		s.Script(func(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
			resp, err := base(ctx, req)
			if err != nil {
				return nil, err
			}
			for i, in := range req.GetInputs()[1:] {
				resp.Outputs = append(resp.Outputs, &inference.ModelInferResponse_InferOutputTensor{
					Name: "out_" + in.GetDatatype(), Datatype: in.GetDatatype(), Shape: in.GetShape(),
				})
				resp.RawOutputContents = append(resp.RawOutputContents, req.GetRawInputContents()[i+1])
			}
			return resp, nil
		})
	}
	return w
}

func wideRequest(rows [][4]float32) *inference.ModelInferRequest {
	req := request(rows)
	for _, e := range everyType {
		req.Inputs = append(req.Inputs, input("in_"+e.datatype, e.datatype, int64(len(rows)), 1))
		req.RawInputContents = append(req.RawInputContents, bytes.Repeat(e.row, len(rows)))
	}
	return req
}

// Every datatype keeps its bits: in rows that the primary answers, and in rows that are taken out of the batch for others.
func TestEveryDatatypeKeepsItsBits(t *testing.T) {
	w := wideWorld(t)
	a := w.infer(t.Context(), wideRequest([][4]float32{sureRow, fallbackRow, goodRow}))
	if a.err != nil {
		t.Fatal(a.err)
	}
	sub := w.a.Last().Request
	for i, e := range everyType {
		if got := w.primary.Last().Request.GetRawInputContents()[i+1]; !bytes.Equal(got, bytes.Repeat(e.row, 3)) {
			t.Errorf("%s: the primary got %x", e.datatype, got)
		}
		if got := sub.GetRawInputContents()[i+1]; !bytes.Equal(got, e.row) || sub.GetInputs()[i+1].GetShape()[0] != 1 {
			t.Errorf("%s: the member got %x", e.datatype, got)
		}
		out := a.resp.GetRawOutputContents()[i+2]
		if !bytes.HasPrefix(out, e.row) || !bytes.HasSuffix(out, e.row) {
			t.Errorf("%s: the client got %x, want %x around the neutral value", e.datatype, out, e.row)
		}
	}
	if a.resp.GetOutputs()[0].GetName() != "probabilities" || len(a.resp.GetOutputs()) != 2+len(everyType) {
		t.Errorf("%d outputs", len(a.resp.GetOutputs()))
	}
}

// With no response of the primary to extend, the answer holds every output of the card all the same, and FP16 and BF16, which
// have no typed form, don't keep a client that sends typed from getting it.
func TestBuiltAnswerOfEveryDatatype(t *testing.T) {
	for _, form := range []oiptest.Form{oiptest.RawForm, oiptest.TypedForm} {
		t.Run(fmt.Sprint("form ", form), func(t *testing.T) {
			var outs, answers strings.Builder
			for _, e := range everyType {
				fmt.Fprintf(&outs, ", {name: out_%s, datatype: %s, shape: [-1, 1]}", e.datatype, e.datatype)
				fmt.Fprintf(&answers, `, {output: out_%s, fill: neutral, neutral: 1}`, e.datatype)
			}
			w := start(t, "{name: label, datatype: BYTES, shape: [-1]}]", "{name: label, datatype: BYTES, shape: [-1]}"+outs.String()+"]",
				`neutral_text: "?"}`, `neutral_text: "?"}`+strings.Replace(answers.String(), "out_BYTES, fill: neutral, neutral: 1", `out_BYTES, fill: neutral, neutral_text: "-"`, 1))
			w.primary.Kill()
			a := w.infer(t.Context(), requestIn(form, [][4]float32{fallbackRow}))
			if a.err != nil {
				t.Fatal(a.err)
			}
			if len(a.resp.GetOutputs()) != 2+len(everyType) || a.floats(t, "probabilities")[1] != .95 || a.texts(t, "out_BYTES")[0] != "-" {
				t.Errorf("%v", a.resp)
			}
		})
	}
}

// The typed predictions of a large batch don't fit beside it; the id does.
func TestTrailersStaySmall(t *testing.T) {
	w := start(t)
	rows := make([][4]float32, 256)
	for i := range rows {
		rows[i] = sureRow
	}
	a := w.infer(t.Context(), request(rows))
	if a.err != nil || len(a.predictions) != 0 || len(a.trailer.Get("candor-prediction-id")) != 1 || trailerSize(a.trailer, nil) > 4<<10 {
		t.Errorf("%v: trailers of %d bytes, %d predictions", a.err, trailerSize(a.trailer, nil), len(a.predictions))
	}
	rows[200] = deferredRow
	a = w.infer(t.Context(), request(rows))
	if toldBy(t, a.err).info.GetReason() != "DEFERRED_TO_REVIEW" || trailerSize(a.trailer, a.err) > 4<<10 {
		t.Errorf("%v: trailers of %d bytes", a.err, trailerSize(a.trailer, a.err))
	}
	// They are all to be had by the id.
	got, err := w.predictions().GetPrediction(bounded(t, ""), &candorv1.GetPredictionRequest{PredictionId: a.trailer.Get("candor-prediction-id")[0]})
	if err != nil || len(got.GetPredictions()) != 256 || got.GetPredictions()[200].GetState() != candorv1.AnswerState_ANSWER_STATE_PENDING {
		t.Errorf("%d predictions: %v", len(got.GetPredictions()), err)
	}
}
