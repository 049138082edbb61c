package soak

import (
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// modelServer serves a model of the name: of four numbers it says with the first how likely "bad" is.
func modelServer(t *testing.T, name string) *oiptest.Server {
	return oiptest.Start(t, oiptest.Model{Name: name, Infer: oiptest.PerRow("probabilities", func(row []float32) []float32 {
		return []float32{row[0], 1 - row[0]}
	})})
}

// backendConfig is a backend's entry in a configuration. more is what else it says, as fields of a flow mapping.
func backendConfig(name, address, more string) string {
	return strings.NewReplacer("$NAME", name, "$ADDRESS", address, "$MORE", more).Replace(`
  $NAME:
    address: $ADDRESS
    model: $NAME
    version: "1"
    timeout: 500ms
    breaker: {failure_ratio: 0.5, min_calls: 10, window: 5s, open_for: 300ms, probes: 2}
    $MORE
    card:
      created_at: 2026-01-01T00:00:00Z
      owner: soak
      rows: first_dim
      inputs: [{name: x, datatype: FP32, shape: [-1, 4]}]
      outputs: [{name: probabilities, datatype: FP32, shape: [-1, 2]}]
      scores: [{output: probabilities, kind: probability, labels: [bad, good]}]`)
}

// sure is a request of one row that the model is sure of, unsure of one that it isn't.
func sure() *inference.ModelInferRequest   { return row(.99, 1, 2, 3) }
func unsure() *inference.ModelInferRequest { return row(.5, 1, 2, 3) }

func row(values ...float32) *inference.ModelInferRequest {
	return &inference.ModelInferRequest{ModelName: "fraud", Inputs: []*inference.ModelInferRequest_InferInputTensor{{
		Name: "x", Datatype: "FP32", Shape: []int64{1, int64(len(values))}, Contents: &inference.InferTensorContents{Fp32Contents: values},
	}}}
}

// infer makes one call with a deadline, and answers what it took.
func infer(conn *grpc.ClientConn, req *inference.ModelInferRequest, within time.Duration) (*inference.ModelInferResponse, time.Duration, error) {
	return inferAs(context.Background(), conn, req, within)
}

// inferAs is infer with what a context says of the caller.
func inferAs(ctx context.Context, conn *grpc.ClientConn, req *inference.ModelInferRequest, within time.Duration) (*inference.ModelInferResponse, time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	start := time.Now()
	resp, err := inference.NewGRPCInferenceServiceClient(conn).ModelInfer(ctx, req)
	return resp, time.Since(start), err
}

// withBreaker replaces the breaker of a backend's entry; empty: as it is.
func withBreaker(entry, breaker string) string {
	if breaker == "" {
		return entry
	}
	lines := strings.Split(entry, "\n")
	for i, l := range lines {
		if strings.HasPrefix(strings.TrimSpace(l), "breaker:") {
			lines[i] = "    " + breaker
		}
	}
	return strings.Join(lines, "\n")
}

// encodedSure is sure() on the wire.
func encodedSure() []byte {
	b, err := proto.Marshal(sure())
	if err != nil {
		panic(err) // a message of ours
	}
	return b
}

// patient is a backend's entry whose attempts may take long: on a machine that is busy with an attack, slowness is no failure.
func patient(entry string) string {
	return withBreaker(strings.Replace(entry, "timeout: 500ms", "timeout: 10s", 1), "breaker: {window: 30s}")
}
