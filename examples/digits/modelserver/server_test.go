package modelserver_test

import (
	"context"
	"encoding/binary"
	"math"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"github.com/candor-gateway/candor/examples/digits"
	"github.com/candor-gateway/candor/examples/digits/modelserver"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func loadModels(t *testing.T) []*digits.Model {
	t.Helper()
	var models []*digits.Model
	for _, name := range digits.Names() {
		m, err := digits.LoadModel(name)
		if err != nil {
			t.Fatal(err)
		}
		models = append(models, m)
	}
	return models
}

func heldOut(t *testing.T, n int) digits.Set {
	t.Helper()
	set, err := digits.Load()
	if err != nil {
		t.Fatal(err)
	}
	return set.Split(digits.Seed).HeldOut[:n]
}

// start serves all models on a loopback socket.
func start(t *testing.T) (*modelserver.Server, inference.GRPCInferenceServiceClient) {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := modelserver.New(loadModels(t)...)
	served := make(chan error, 1)
	go func() { served <- server.Serve(lis) }()
	conn, err := grpc.NewClient(lis.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return server, inference.NewGRPCInferenceServiceClient(conn)
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// request asks a model about images, typed or raw.
func request(model string, images digits.Set, raw bool) *inference.ModelInferRequest {
	var values []float32
	var b []byte
	for _, img := range images {
		for _, p := range img.Pixels {
			values = append(values, float32(p))
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(p)))
		}
	}
	in := &inference.ModelInferRequest_InferInputTensor{Name: "image", Datatype: "FP32", Shape: []int64{int64(len(images)), digits.Pixels}}
	req := &inference.ModelInferRequest{ModelName: model, Id: "42", Inputs: []*inference.ModelInferRequest_InferInputTensor{in}}
	if raw {
		req.RawInputContents = [][]byte{b}
	} else {
		in.Contents = &inference.InferTensorContents{Fp32Contents: values}
	}
	return req
}

// Every model, in both forms: the scores are the model's, the label is the top one, the form is the question's.
func TestInferAnswersAsTheModelDoes(t *testing.T) {
	server, client := start(t)
	images := heldOut(t, 7)
	for _, m := range loadModels(t) {
		for _, raw := range []bool{false, true} {
			resp, err := client.ModelInfer(bounded(t), request(m.Name, images, raw))
			if err != nil {
				t.Fatal(err)
			}
			if resp.GetModelName() != m.Name || resp.GetModelVersion() != m.Version || resp.GetId() != "42" {
				t.Errorf("%s: answered by %q version %q, id %q", m.Name, resp.GetModelName(), resp.GetModelVersion(), resp.GetId())
			}
			scores, labels := decode(t, m, resp, raw, len(images))
			for i, img := range images {
				want, err := m.Probabilities(img.Pixels)
				if m.Output == digits.Logits {
					want, err = m.Logits(img.Pixels)
				}
				if err != nil {
					t.Fatal(err)
				}
				for c, v := range want {
					if scores[i*digits.Classes+c] != float32(v) {
						t.Fatalf("%s, raw %v: row %d, class %d: %v, want %v", m.Name, raw, i, c, scores[i*digits.Classes+c], v)
					}
				}
				if labels[i] != m.Labels[digits.Top(want)] {
					t.Errorf("%s, raw %v: row %d is %q", m.Name, raw, i, labels[i])
				}
			}
		}
		if got := server.Stats(m.Name); got != (modelserver.Stats{Requests: 2, Rows: 14}) {
			t.Errorf("%s: %+v", m.Name, got)
		}
	}
	if got := server.Rows(); got != 42 {
		t.Errorf("%d rows in all, want 42", got)
	}
	if got := server.Stats("nobody"); got != (modelserver.Stats{}) {
		t.Errorf("a model that isn't served: %+v", got)
	}
}

func decode(t *testing.T, m *digits.Model, resp *inference.ModelInferResponse, raw bool, rows int) (scores []float32, labels []string) {
	t.Helper()
	out := resp.GetOutputs()
	if len(out) != 2 || out[0].GetName() != string(m.Output) || out[1].GetName() != "label" {
		t.Fatalf("outputs %v", out)
	}
	if !slices.Equal(out[0].GetShape(), []int64{int64(rows), digits.Classes}) || !slices.Equal(out[1].GetShape(), []int64{int64(rows)}) {
		t.Fatalf("shapes %v and %v", out[0].GetShape(), out[1].GetShape())
	}
	if out[0].GetDatatype() != "FP32" || out[1].GetDatatype() != "BYTES" {
		t.Fatalf("datatypes %v and %v", out[0].GetDatatype(), out[1].GetDatatype())
	}
	if !raw {
		for _, b := range out[1].GetContents().GetBytesContents() {
			labels = append(labels, string(b))
		}
		return out[0].GetContents().GetFp32Contents(), labels
	}
	if len(resp.GetRawOutputContents()) != 2 || out[0].GetContents() != nil || out[1].GetContents() != nil {
		t.Fatalf("a raw answer has %d raw contents, typed ones %v and %v", len(resp.GetRawOutputContents()), out[0].GetContents(), out[1].GetContents())
	}
	b := resp.GetRawOutputContents()[0]
	for ; len(b) > 0; b = b[4:] {
		scores = append(scores, math.Float32frombits(binary.LittleEndian.Uint32(b)))
	}
	for b = resp.GetRawOutputContents()[1]; len(b) > 0; {
		n := binary.LittleEndian.Uint32(b)
		labels, b = append(labels, string(b[4:4+n])), b[4+n:]
	}
	return scores, labels
}

func TestOnlyRequestedOutputsInTheirOrder(t *testing.T) {
	_, client := start(t)
	for _, wanted := range [][]string{{"label"}, {"probabilities"}, {"label", "probabilities"}} {
		req := request("linear", heldOut(t, 1), true)
		for _, name := range wanted {
			req.Outputs = append(req.Outputs, &inference.ModelInferRequest_InferRequestedOutputTensor{Name: name})
		}
		resp, err := client.ModelInfer(bounded(t), req)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, out := range resp.GetOutputs() {
			got = append(got, out.GetName())
		}
		if !slices.Equal(got, wanted) || len(resp.GetRawOutputContents()) != len(wanted) {
			t.Errorf("asked for %v, got %v with %d raw contents", wanted, got, len(resp.GetRawOutputContents()))
		}
	}
}

// Each mistake has its own message, which names the field, and none reaches the model.
func TestMistakesAreTheCallers(t *testing.T) {
	server, client := start(t)
	nan := float32(math.NaN())
	for _, c := range []struct {
		says   string // part of the message
		code   codes.Code
		damage func(*inference.ModelInferRequest)
	}{
		{`no model "resnet"`, codes.NotFound, func(r *inference.ModelInferRequest) { r.ModelName = "resnet" }},
		{`no version "2"`, codes.NotFound, func(r *inference.ModelInferRequest) { r.ModelVersion = "2" }},
		{"inputs: 0 tensors", codes.InvalidArgument, func(r *inference.ModelInferRequest) { r.Inputs = nil }},
		{"inputs: 2 tensors", codes.InvalidArgument, func(r *inference.ModelInferRequest) { r.Inputs = append(r.Inputs, r.Inputs[0]) }},
		{"inputs[0].name", codes.InvalidArgument, func(r *inference.ModelInferRequest) { r.Inputs[0].Name = "picture" }},
		{"inputs[0].datatype", codes.InvalidArgument, func(r *inference.ModelInferRequest) { r.Inputs[0].Datatype = "FP64" }},
		{"inputs[0].shape", codes.InvalidArgument, func(r *inference.ModelInferRequest) { r.Inputs[0].Shape = []int64{2, 8, 8} }},
		{"inputs[0].shape", codes.InvalidArgument, func(r *inference.ModelInferRequest) { r.Inputs[0].Shape = []int64{2, 65} }},
		{"inputs[0].shape", codes.InvalidArgument, func(r *inference.ModelInferRequest) { r.Inputs[0].Shape[0] = 0 }},
		{"inputs[0].shape", codes.InvalidArgument, func(r *inference.ModelInferRequest) { r.Inputs[0].Shape[0] = -2 }},
		{"inputs[0]: 128 numbers", codes.InvalidArgument, func(r *inference.ModelInferRequest) { r.Inputs[0].Shape[0] = 3 }},
		// 2^58 rows of 64 pixels are 2^64 numbers: the product is 0 in 64 bits.
		{"inputs[0]: 0 numbers", codes.InvalidArgument, func(r *inference.ModelInferRequest) {
			r.Inputs[0].Shape[0], r.Inputs[0].Contents = 1<<58, nil
		}},
		{"inputs[0]: 127 numbers", codes.InvalidArgument, func(r *inference.ModelInferRequest) {
			r.Inputs[0].Contents.Fp32Contents = r.Inputs[0].Contents.Fp32Contents[1:]
		}},
		{"together with", codes.InvalidArgument, func(r *inference.ModelInferRequest) { r.RawInputContents = [][]byte{make([]byte, 512)} }},
		{"raw_input_contents: 2", codes.InvalidArgument, func(r *inference.ModelInferRequest) {
			r.Inputs[0].Contents, r.RawInputContents = nil, [][]byte{make([]byte, 512), nil}
		}},
		{"raw_input_contents[0]: 511", codes.InvalidArgument, func(r *inference.ModelInferRequest) {
			r.Inputs[0].Contents, r.RawInputContents = nil, [][]byte{make([]byte, 511)}
		}},
		{"row 1, pixel 2 is NaN", codes.InvalidArgument, func(r *inference.ModelInferRequest) { r.Inputs[0].Contents.Fp32Contents[66] = nan }},
		{"row 0, pixel 0 is 255", codes.InvalidArgument, func(r *inference.ModelInferRequest) { r.Inputs[0].Contents.Fp32Contents[0] = 255 }},
		{"row 0, pixel 1 is -1", codes.InvalidArgument, func(r *inference.ModelInferRequest) { r.Inputs[0].Contents.Fp32Contents[1] = -1 }},
		{`outputs[0].name: model "linear" has no output "logits"`, codes.InvalidArgument, func(r *inference.ModelInferRequest) {
			r.Outputs = []*inference.ModelInferRequest_InferRequestedOutputTensor{{Name: "logits"}}
		}},
		{"outputs[1].name", codes.InvalidArgument, func(r *inference.ModelInferRequest) {
			r.Outputs = []*inference.ModelInferRequest_InferRequestedOutputTensor{{Name: "label"}, {Name: "label"}}
		}},
	} {
		req := request("linear", heldOut(t, 2), false)
		c.damage(req)
		_, err := client.ModelInfer(bounded(t), req)
		if status.Code(err) != c.code || !strings.Contains(status.Convert(err).Message(), c.says) {
			t.Errorf("got %v, want %v: …%s…", err, c.code, c.says)
		}
	}
	if n := server.Rows(); n != 0 {
		t.Errorf("%d rows reached a model", n)
	}
}

func TestTheOtherCoreMethods(t *testing.T) {
	_, client := start(t)
	ctx := bounded(t)
	if live, err := client.ServerLive(ctx, &inference.ServerLiveRequest{}); err != nil || !live.GetLive() {
		t.Errorf("live: %v, %v", live, err)
	}
	if ready, err := client.ServerReady(ctx, &inference.ServerReadyRequest{}); err != nil || !ready.GetReady() {
		t.Errorf("ready: %v, %v", ready, err)
	}
	if meta, err := client.ServerMetadata(ctx, &inference.ServerMetadataRequest{}); err != nil || meta.GetName() == "" {
		t.Errorf("server metadata: %v, %v", meta, err)
	}
	if ready, err := client.ModelReady(ctx, &inference.ModelReadyRequest{Name: "mlp", Version: "1"}); err != nil || !ready.GetReady() {
		t.Errorf("model ready: %v, %v", ready, err)
	}
	if _, err := client.ModelReady(ctx, &inference.ModelReadyRequest{Name: "mlp", Version: "0"}); status.Code(err) != codes.NotFound {
		t.Errorf("another version is ready: %v", err)
	}
	if _, err := client.ModelMetadata(ctx, &inference.ModelMetadataRequest{Name: "nobody"}); status.Code(err) != codes.NotFound {
		t.Errorf("metadata of nobody: %v", err)
	}
	meta, err := client.ModelMetadata(ctx, &inference.ModelMetadataRequest{Name: "kernel"})
	if err != nil {
		t.Fatal(err)
	}
	if meta.GetName() != "kernel" || !slices.Equal(meta.GetVersions(), []string{"1"}) ||
		len(meta.GetInputs()) != 1 || !slices.Equal(meta.GetInputs()[0].GetShape(), []int64{-1, 64}) ||
		len(meta.GetOutputs()) != 2 || meta.GetOutputs()[0].GetName() != "logits" || meta.GetOutputs()[1].GetName() != "label" {
		t.Errorf("metadata: %v", meta)
	}
}

// A slow model doesn't go on for a caller who has left, and Stop doesn't wait for it.
func TestLatencyEndsWithTheCall(t *testing.T) {
	server, client := start(t)
	server.SetLatency(time.Hour)
	ctx, cancel := context.WithCancel(bounded(t))
	done := make(chan error, 1)
	go func() {
		_, err := client.ModelInfer(ctx, request("linear", heldOut(t, 1), true))
		done <- err
	}()
	for server.Stats("linear").Requests == 0 {
		if ctx.Err() != nil {
			t.Fatal("the call never arrived")
		}
		if _, err := client.ServerLive(ctx, &inference.ServerLiveRequest{}); err != nil { // a round trip between two looks
			t.Fatal(err)
		}
	}
	cancel()
	if err := <-done; status.Code(err) != codes.Canceled {
		t.Errorf("got %v", err)
	}
	if n := server.Rows(); n != 0 {
		t.Errorf("%d rows were computed", n)
	}
}

// grpcurl needs no proto file.
func TestReflection(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := modelserver.New()
	served := make(chan error, 1)
	go func() { served <- server.Serve(lis) }()
	conn, err := grpc.NewClient(lis.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
		<-served
	})
	stream, err := reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	symbol := inference.GRPCInferenceService_ServiceDesc.ServiceName
	if err := stream.Send(&reflectionpb.ServerReflectionRequest{
		MessageRequest: &reflectionpb.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: symbol},
	}); err != nil {
		t.Fatal(err)
	}
	resp, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	if len(resp.GetFileDescriptorResponse().GetFileDescriptorProto()) == 0 {
		t.Errorf("no description of %s: %v", symbol, resp)
	}
}

func TestStoppedBeforeItServes(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := modelserver.New()
	server.Stop()
	if err := server.Serve(lis); err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := lis.Accept(); err == nil {
		t.Error("the listener is open")
	}
}
