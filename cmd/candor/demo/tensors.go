package demo

import (
	"context"
	"fmt"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"

	"github.com/candor-gateway/candor/examples/digits"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
)

// request asks a model about some of the images, for all of its outputs or for those named.
func request(model string, set digits.Set, images []int, outputs ...string) *inference.ModelInferRequest {
	pixels := make([]float32, 0, len(images)*digits.Pixels)
	for _, i := range images {
		for _, p := range set[i].Pixels {
			pixels = append(pixels, float32(p))
		}
	}
	req := &inference.ModelInferRequest{
		ModelName: model,
		Inputs: []*inference.ModelInferRequest_InferInputTensor{{
			Name: "image", Datatype: "FP32", Shape: []int64{int64(len(images)), digits.Pixels},
			Contents: &inference.InferTensorContents{Fp32Contents: pixels},
		}},
	}
	for _, name := range outputs {
		req.Outputs = append(req.Outputs, &inference.ModelInferRequest_InferRequestedOutputTensor{Name: name})
	}
	return req
}

// texts reads a BYTES output of n elements. A typed question has a typed answer.
func texts(resp *inference.ModelInferResponse, name string, n int) ([]string, error) {
	for _, out := range resp.GetOutputs() {
		if out.GetName() != name {
			continue
		}
		contents := out.GetContents().GetBytesContents()
		if len(contents) != n {
			return nil, fmt.Errorf("output %q has %d elements, want %d", name, len(contents), n)
		}
		values := make([]string, n)
		for i, c := range contents {
			values[i] = string(c)
		}
		return values, nil
	}
	return nil, fmt.Errorf("the reply has no output %q", name)
}

// parameter is a response parameter that holds a string; empty: it isn't there.
func parameter(resp *inference.ModelInferResponse, name string) string {
	return resp.GetParameters()[name].GetStringParam()
}

func routeOf(name string) (candorv1.Route, error) {
	r, ok := candorv1.Route_value["ROUTE_"+name]
	if !ok || r == 0 {
		return 0, fmt.Errorf("the reply's route is %q, which is none", name)
	}
	return candorv1.Route(r), nil
}

// withheldID is the prediction id of an error that says that a row was deferred, rejected or held by a limit; empty: the
// error is of another kind.
func withheldID(err error) string {
	for _, d := range status.Convert(err).Details() {
		info, ok := d.(*errdetails.ErrorInfo)
		if !ok || info.GetDomain() != "candor" {
			continue
		}
		switch candorv1.ErrorReason(candorv1.ErrorReason_value["ERROR_REASON_"+info.GetReason()]) {
		case candorv1.ErrorReason_ERROR_REASON_DEFERRED_TO_REVIEW, candorv1.ErrorReason_ERROR_REASON_REJECTED,
			candorv1.ErrorReason_ERROR_REASON_ACTION_LIMIT_TRIPPED:
			return info.GetMetadata()["prediction_id"]
		}
	}
	return ""
}

// askAlone asks a model server directly, past the gateway, what it says about every image.
func askAlone(ctx context.Context, c inference.GRPCInferenceServiceClient, model string, set digits.Set) ([]string, error) {
	images := make([]int, len(set))
	for i := range images {
		images[i] = i
	}
	resp, err := c.ModelInfer(ctx, request(model, set, images, "label"))
	if err != nil {
		return nil, fmt.Errorf("ask %s alone: %w", model, err)
	}
	return texts(resp, "label", len(set))
}
