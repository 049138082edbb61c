package oiptest_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/leaktest"
	"github.com/candor-gateway/candor/internal/oiptest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func dial(t *testing.T, s *oiptest.Server) inference.GRPCInferenceServiceClient {
	t.Helper()
	conn, err := grpc.NewClient(s.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return inference.NewGRPCInferenceServiceClient(conn)
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func wantCode(t *testing.T, err error, want codes.Code) {
	t.Helper()
	if got := status.Code(err); got != want {
		t.Fatalf("got %v (%v), want %v", got, err, want)
	}
}

func twoRows(form oiptest.Form) *inference.ModelInferRequest {
	req := oiptest.Request("m", "1", form, oiptest.FP32("x", []int64{2, 3}, 1, 2, 3, 4, 5, 6))
	req.Id = "abc"
	return req
}

func sum(row []float32) []float32 {
	var total float32
	for _, v := range row {
		total += v
	}
	return []float32{total}
}

func TestAnswersInTheFormOfTheRequest(t *testing.T) {
	s := oiptest.Start(t, oiptest.Model{Name: "m", Infer: oiptest.PerRow("sum", sum)})
	client, ctx := dial(t, s), bounded(t)
	for form, rawContents := range map[oiptest.Form]int{oiptest.TypedForm: 0, oiptest.RawForm: 1} {
		resp, err := client.ModelInfer(ctx, twoRows(form))
		if err != nil {
			t.Fatal(err)
		}
		got, err := oiptest.Floats(resp, "sum")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]float32{6, 15}, got); diff != "" {
			t.Errorf("form %v (-want +got):\n%s", form, diff)
		}
		if n := len(resp.GetRawOutputContents()); n != rawContents {
			t.Errorf("form %v: %d raw contents, want %d", form, n, rawContents)
		}
		if resp.GetModelName() != "m" || resp.GetModelVersion() != "1" || resp.GetId() != "abc" {
			t.Errorf("form %v: name, version and id aren't filled in: %v", form, resp)
		}
	}
	if s.Calls() != 2 || s.Rows() != 4 || s.CallsTo("m") != 2 || s.RowsTo("m") != 4 || s.CallsTo("other") != 0 {
		t.Errorf("calls %d, rows %d, of m %d and %d, of other %d", s.Calls(), s.Rows(), s.CallsTo("m"), s.RowsTo("m"), s.CallsTo("other"))
	}
}

func TestEveryDatatypeHasTheSameDataInBothForms(t *testing.T) {
	// FP32 and BYTES are read back from both forms; the fixed-size others are compared with their definition.
	raw := func(tensor oiptest.Tensor) []byte {
		return oiptest.Response(oiptest.RawForm, tensor).GetRawOutputContents()[0]
	}
	one := []int64{1}
	for _, c := range []struct {
		tensor oiptest.Tensor
		want   []byte
	}{
		{oiptest.FP32("t", one, 1), []byte{0, 0, 0x80, 0x3f}},
		{oiptest.FP64("t", one, 1), []byte{0, 0, 0, 0, 0, 0, 0xf0, 0x3f}},
		{oiptest.INT32("t", one, -2), []byte{0xfe, 0xff, 0xff, 0xff}},
		{oiptest.INT64("t", one, -2), []byte{0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
		{oiptest.UINT8("t", one, 7), []byte{7}},
		{oiptest.BOOL("t", []int64{2}, false, true), []byte{0, 1}},
		{oiptest.BYTES("t", one, "ab"), []byte{2, 0, 0, 0, 'a', 'b'}},
		{oiptest.Raw("t", "FP16", one, []byte{0, 0x3c}), []byte{0, 0x3c}},
	} {
		if diff := cmp.Diff(c.want, raw(c.tensor)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.tensor.Datatype, diff)
		}
	}
	for _, form := range []oiptest.Form{oiptest.TypedForm, oiptest.RawForm} {
		resp := oiptest.Response(form, oiptest.FP32("f", []int64{2}, 1.5, -2), oiptest.BYTES("b", []int64{2}, "", "nine"))
		floats, err := oiptest.Floats(resp, "f")
		if err != nil || !cmp.Equal(floats, []float32{1.5, -2}) {
			t.Errorf("form %v: %v, %v", form, floats, err)
		}
		texts, err := oiptest.Texts(resp, "b")
		if err != nil || !cmp.Equal(texts, []string{"", "nine"}) {
			t.Errorf("form %v: %v, %v", form, texts, err)
		}
	}
}

func TestReadersRefuseWhatDoesNotFit(t *testing.T) {
	for name, resp := range map[string]*inference.ModelInferResponse{
		"absent":         oiptest.Response(oiptest.RawForm),
		"other datatype": oiptest.Response(oiptest.RawForm, oiptest.INT32("t", []int64{1}, 1)),
		"short":          oiptest.Response(oiptest.TypedForm, oiptest.FP32("t", []int64{2}, 1)),
		"ragged":         oiptest.Response(oiptest.RawForm, oiptest.Raw("t", "FP32", []int64{1}, []byte{1, 2, 3})),
	} {
		if got, err := oiptest.Floats(resp, "t"); err == nil {
			t.Errorf("%s: read %v", name, got)
		}
	}
	cut := oiptest.Response(oiptest.RawForm, oiptest.Raw("t", "BYTES", []int64{1}, []byte{9, 0, 0, 0, 'a'}))
	if got, err := oiptest.Texts(cut, "t"); err == nil {
		t.Errorf("cut off BYTES: read %q", got)
	}
}

func TestReplyHonoursRequestedOutputs(t *testing.T) {
	a, b := oiptest.FP32("a", []int64{1}, 1), oiptest.FP32("b", []int64{1}, 2)
	s := oiptest.Start(t, oiptest.Model{
		Name:    "m",
		Outputs: []oiptest.TensorSpec{{Name: "a", Datatype: "FP32", Shape: []int64{-1}}, {Name: "b", Datatype: "FP32", Shape: []int64{-1}}},
		Infer: func(_ context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
			return oiptest.Reply(req, a, b), nil
		},
	})
	client, ctx := dial(t, s), bounded(t)
	req := twoRows(oiptest.RawForm)
	req.Outputs = []*inference.ModelInferRequest_InferRequestedOutputTensor{{Name: "b"}}
	resp, err := client.ModelInfer(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := oiptest.Floats(resp, "a"); err == nil {
		t.Error("a wasn't asked for and came")
	}
	if got, err := oiptest.Floats(resp, "b"); err != nil || got[0] != 2 {
		t.Errorf("b: %v, %v", got, err)
	}
	req.Outputs[0].Name = "c"
	_, err = client.ModelInfer(ctx, req)
	wantCode(t, err, codes.InvalidArgument)
}

func TestUnknownModelAndVersion(t *testing.T) {
	s := oiptest.Start(t, oiptest.Model{Name: "m", Version: "7", Infer: oiptest.Const(1, 0)})
	client, ctx := dial(t, s), bounded(t)
	_, err := client.ModelInfer(ctx, oiptest.Request("m", "8", oiptest.TypedForm))
	wantCode(t, err, codes.NotFound)
	_, err = client.ModelReady(ctx, &inference.ModelReadyRequest{Name: "n"})
	wantCode(t, err, codes.NotFound)
	meta, err := client.ModelMetadata(ctx, &inference.ModelMetadataRequest{Name: "m"})
	if err != nil {
		t.Fatal(err)
	}
	want := &inference.ModelMetadataResponse{Name: "m", Versions: []string{"7"}, Platform: "oiptest"}
	if diff := cmp.Diff(want, meta, protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A request whose fields are out of order, with one that the protocol doesn't know in between, is recorded as sent.
func TestRecordsTheExactBytesAndMetadata(t *testing.T) {
	s := oiptest.Start(t, oiptest.Model{Name: "m", Infer: oiptest.Bytes(nil)})
	conn, err := grpc.NewClient(s.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	var wire []byte
	wire = protowire.AppendString(protowire.AppendTag(wire, 3, protowire.BytesType), "id")
	wire = protowire.AppendVarint(protowire.AppendTag(wire, 4711, protowire.VarintType), 42)
	wire = protowire.AppendString(protowire.AppendTag(wire, 1, protowire.BytesType), "m")
	req := new(inference.ModelInferRequest)
	req.ProtoReflect().SetUnknown(wire)

	ctx := metadata.AppendToOutgoingContext(bounded(t), "x-test", "yes")
	if err := conn.Invoke(ctx, inference.GRPCInferenceService_ModelInfer_FullMethodName, req, new(inference.ModelInferResponse)); err != nil {
		t.Fatal(err)
	}
	last := s.Last()
	if diff := cmp.Diff(wire, last.Bytes); diff != "" {
		t.Errorf("bytes (-want +got):\n%s", diff)
	}
	if last.Request.GetModelName() != "m" || last.Request.GetId() != "id" {
		t.Errorf("parsed as %v", last.Request)
	}
	if got := last.Metadata.Get("x-test"); len(got) != 1 || got[0] != "yes" {
		t.Errorf("metadata x-test = %v", got)
	}
	if last.Deadline.IsZero() {
		t.Error("the deadline isn't recorded")
	}
}

func TestBytesAreSentVerbatim(t *testing.T) {
	s := oiptest.Start(t, oiptest.Model{Name: "m", Infer: oiptest.Const(1)})
	client, ctx := dial(t, s), bounded(t)
	wire, err := proto.Marshal(&inference.ModelInferResponse{ModelName: "m", ModelVersion: "1"})
	if err != nil {
		t.Fatal(err)
	}
	unknown := protowire.AppendString(protowire.AppendTag(nil, 900, protowire.BytesType), "?")
	s.Script(oiptest.Bytes(append(unknown, wire...)), oiptest.Bytes([]byte{0x0a, 0xff}))

	resp, err := client.ModelInfer(ctx, twoRows(oiptest.TypedForm))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(unknown, []byte(resp.ProtoReflect().GetUnknown())); diff != "" {
		t.Errorf("unknown fields (-want +got):\n%s", diff)
	}
	_, err = client.ModelInfer(ctx, twoRows(oiptest.TypedForm)) // a truncated message: the client can't parse it
	wantCode(t, err, codes.Internal)
	if _, err = client.ModelInfer(ctx, twoRows(oiptest.TypedForm)); err != nil { // the script is used up
		t.Fatal(err)
	}
}

func TestScriptThenModel(t *testing.T) {
	s := oiptest.Start(t, oiptest.Model{Name: "m", Infer: oiptest.Const(1)})
	client, ctx := dial(t, s), bounded(t)
	s.Script(oiptest.Fail(codes.Internal, "first"), oiptest.Const(0.25))
	_, err := client.ModelInfer(ctx, twoRows(oiptest.TypedForm))
	wantCode(t, err, codes.Internal)
	for i, want := range []float32{0.25, 1} {
		resp, err := client.ModelInfer(ctx, twoRows(oiptest.TypedForm))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := oiptest.Floats(resp, oiptest.ProbabilitiesOutput); err != nil || got[1] != want {
			t.Errorf("call %d: %v, %v, want %v", i, got, err, want)
		}
	}
	s.FailWith(status.Error(codes.ResourceExhausted, "full"))
	_, err = client.ModelInfer(ctx, twoRows(oiptest.TypedForm))
	wantCode(t, err, codes.ResourceExhausted)
	s.FailWith(nil)
	if _, err = client.ModelInfer(ctx, twoRows(oiptest.TypedForm)); err != nil {
		t.Fatal(err)
	}
}

func TestHangAndResume(t *testing.T) {
	s := oiptest.Start(t, oiptest.Model{Name: "m", Infer: oiptest.Const(1)})
	client, ctx := dial(t, s), bounded(t)
	s.Hang()
	const n = 5
	var calls sync.WaitGroup
	errs := make(chan error, n)
	for range n {
		calls.Go(func() {
			_, err := client.ModelInfer(ctx, twoRows(oiptest.TypedForm))
			errs <- err
		})
	}
	if err := s.AwaitCalls(ctx, n); err != nil {
		t.Fatal(err)
	}
	if len(errs) != 0 {
		t.Fatal("a call was answered by a hanging server")
	}
	s.Resume()
	calls.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}

	s.Hang()
	short, cancel := context.WithCancel(ctx)
	go func() {
		if s.AwaitCalls(ctx, n+1) == nil {
			cancel()
		}
	}()
	_, err := client.ModelInfer(short, twoRows(oiptest.TypedForm))
	wantCode(t, err, codes.Canceled)
	if err := s.AwaitCalls(short, n+2); err == nil {
		t.Error("AwaitCalls returned for a call that nobody made")
	}
}

func TestKillAndRestart(t *testing.T) {
	s := oiptest.Start(t, oiptest.Model{Name: "m", Infer: oiptest.Const(1)})
	client, ctx := dial(t, s), bounded(t)
	s.Hang()
	failed := make(chan error, 1)
	go func() {
		_, err := client.ModelInfer(ctx, twoRows(oiptest.TypedForm))
		failed <- err
	}()
	if err := s.AwaitCalls(ctx, 1); err != nil {
		t.Fatal(err)
	}
	s.Kill()
	wantCode(t, <-failed, codes.Unavailable)
	_, err := client.ModelInfer(ctx, twoRows(oiptest.TypedForm))
	wantCode(t, err, codes.Unavailable)
	s.Kill() // again: nothing to do

	s.Resume()
	s.Restart()
	s.Restart()
	if _, err := client.ModelInfer(ctx, twoRows(oiptest.TypedForm), grpc.WaitForReady(true)); err != nil {
		t.Fatal(err)
	}
	if s.Calls() != 2 {
		t.Errorf("%d calls over the two lives, want 2", s.Calls())
	}
}

func TestReadiness(t *testing.T) {
	s := oiptest.Start(t, oiptest.Model{Name: "m"})
	client, ctx := dial(t, s), bounded(t)
	for _, want := range []bool{true, false, true} {
		s.SetReady(want)
		model, err := client.ModelReady(ctx, &inference.ModelReadyRequest{Name: "m"})
		if err != nil {
			t.Fatal(err)
		}
		server, err := client.ServerReady(ctx, &inference.ServerReadyRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if model.GetReady() != want || server.GetReady() != want {
			t.Errorf("model %v, server %v, want %v", model.GetReady(), server.GetReady(), want)
		}
	}
	_, err := client.ModelInfer(ctx, twoRows(oiptest.TypedForm))
	wantCode(t, err, codes.Unimplemented)
}

func TestHistoryIsBoundedAndCountersAreNot(t *testing.T) {
	s := oiptest.Start(t, oiptest.Model{Name: "m", Infer: oiptest.Const(1)})
	client, ctx := dial(t, s), bounded(t)
	const calls = 1030
	for i := range calls {
		req := oiptest.Request("m", "", oiptest.TypedForm, oiptest.FP32("x", []int64{1}, 0))
		req.Id = fmt.Sprint(i)
		if _, err := client.ModelInfer(ctx, req); err != nil {
			t.Fatal(err)
		}
	}
	history := s.History()
	if len(history) != 1024 || s.Calls() != calls || s.Rows() != calls {
		t.Fatalf("%d kept, %d calls, %d rows", len(history), s.Calls(), s.Rows())
	}
	if first := history[0].Request.GetId(); first != "6" {
		t.Errorf("the oldest kept is %s, want 6", first)
	}
}
