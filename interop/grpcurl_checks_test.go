package interop_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
)

// grpcurlCheck answers what it saw.
type grpcurlCheck struct {
	name string
	run  func(context.Context) (string, error)
}

// inferJSON is a request as somebody would type it: one image, typed contents.
func inferJSON(model string, im image, outputs ...string) map[string]any {
	req := map[string]any{
		"modelName": model,
		"inputs": []any{map[string]any{
			"name": "image", "datatype": "FP32", "shape": []int{1, len(im.Pixels)}, "contents": map[string]any{"fp32Contents": im.Pixels},
		}},
	}
	for _, o := range outputs {
		list, _ := req["outputs"].([]any)
		req["outputs"] = append(list, map[string]any{"name": o})
	}
	return req
}

func (g *grpcurl) checks(p *plan) []grpcurlCheck {
	const oip = "inference.GRPCInferenceService/"
	operator := []string{"-H", "authorization: Bearer " + operatorToken}
	empty := map[string]any{}
	return []grpcurlCheck{
		{"list, by reflection", func(ctx context.Context) (string, error) {
			out, err := g.call(ctx, nil, nil, "list")
			return strings.Join(strings.Fields(out), " "), errors.Join(err, contains(out, "inference.GRPCInferenceService", "candor.v1.PredictionService",
				"candor.v1.ReviewService", "candor.v1.LimitService", "candor.v1.ExplainService", "grpc.health.v1.Health"))
		}},
		{"describe a service", func(ctx context.Context) (string, error) {
			out, err := g.call(ctx, nil, nil, "describe", "inference.GRPCInferenceService")
			return "ModelInfer and the others", errors.Join(err, contains(out, "rpc ModelInfer ( .inference.ModelInferRequest ) returns ( .inference.ModelInferResponse );"))
		}},
		{"describe a message", func(ctx context.Context) (string, error) {
			out, err := g.call(ctx, nil, nil, "describe", "candor.v1.Prediction")
			return "candor.v1.Prediction", errors.Join(err, contains(out, "ClassProbabilities class_probabilities", "Decision decision"))
		}},
		{"Health/Check", func(ctx context.Context) (string, error) {
			out, err := g.object(ctx, nil, map[string]any{"service": "inference.GRPCInferenceService"}, "grpc.health.v1.Health/Check")
			return "SERVING", errors.Join(err, same("status", out["status"], "SERVING"))
		}},
		{"ServerLive", func(ctx context.Context) (string, error) {
			out, err := g.object(ctx, nil, empty, oip+"ServerLive")
			return "live", errors.Join(err, same("live", out["live"], true))
		}},
		{"ModelMetadata", func(ctx context.Context) (string, error) {
			out, err := g.object(ctx, nil, map[string]any{"name": p.Model}, oip+"ModelMetadata")
			return "name and inputs", errors.Join(err, same("name", out["name"], p.Model), same("input", dig(out, "inputs", 0, "name"), "image"))
		}},
		{"ModelInfer, one image in JSON", func(ctx context.Context) (string, error) {
			out, err := g.object(ctx, nil, inferJSON(p.Model, p.Accept), oip+"ModelInfer")
			label, errLabel := base64.StdEncoding.DecodeString(fmt.Sprint(dig(out, "outputs", 1, "contents", "bytesContents", 0)))
			return "ACCEPT, label " + string(label), errors.Join(err, errLabel, same("label", string(label), p.Accept.Label),
				same("candor_route", dig(out, "parameters", "candor_route", "stringParam"), "ACCEPT"),
				same("candor_answered_by", dig(out, "parameters", "candor_answered_by", "stringParam"), p.BackendModel))
		}},
		{"ModelInfer -v shows the trailers", func(ctx context.Context) (string, error) {
			out, err := g.call(ctx, []string{"-v", "-H", "candor-trailers: prediction"}, inferJSON(p.Model, p.Accept), oip+"ModelInfer")
			return "candor-prediction-id and candor-prediction-bin", errors.Join(err, contains(out, "Response trailers received", "candor-prediction-id: ", "candor-prediction-bin: "))
		}},
		{"ModelInfer of a deferred image", func(ctx context.Context) (string, error) {
			return g.refused(ctx, nil, inferJSON(p.Model, p.Defer), oip+"ModelInfer", codes.FailedPrecondition, "DEFERRED_TO_REVIEW", "reviewItems/")
		}},
		{"ModelInfer of it, candor_route named", func(ctx context.Context) (string, error) {
			out, err := g.object(ctx, nil, inferJSON(p.Model, p.Defer, "label", "candor_route"), oip+"ModelInfer")
			route, errRoute := base64.StdEncoding.DecodeString(fmt.Sprint(dig(out, "outputs", 1, "contents", "bytesContents", 0)))
			return string(route), errors.Join(err, errRoute, same("candor_route", string(route), "DEFER"))
		}},
		{"ModelInfer of an unknown model", func(ctx context.Context) (string, error) {
			return g.refused(ctx, nil, inferJSON("nope", p.Accept), oip+"ModelInfer", codes.NotFound, "MODEL_NOT_FOUND", "nope")
		}},
		{"ModelConfig, as perf_analyzer asks", func(ctx context.Context) (string, error) {
			return g.refused(ctx, nil, map[string]any{"name": p.Model}, oip+"ModelConfig", codes.Unimplemented, "METHOD_NOT_OFFERED", "ModelConfig")
		}},
		{"candor.v1 Predict", func(ctx context.Context) (string, error) {
			out, err := g.object(ctx, nil, map[string]any{"request": inferJSON(p.Model, p.Fallback)}, "candor.v1.PredictionService/Predict")
			return "FALLBACK, typed", errors.Join(err, same("route", dig(out, "predictions", 0, "decision", "route"), "ROUTE_FALLBACK"),
				same("answered by", dig(out, "predictions", 0, "answeredBy"), p.Ensemble),
				same("label", dig(out, "predictions", 0, "classProbabilities", "label"), p.Fallback.Label))
		}},
		{"ListLimits with an operator's token", func(ctx context.Context) (string, error) {
			out, err := g.object(ctx, operator, empty, "candor.v1.LimitService/ListLimits")
			return "limits/nines, not tripped", errors.Join(err, same("name", dig(out, "limits", 0, "name"), "limits/nines"),
				same("tripped", dig(out, "limits", 0, "tripped"), nil), same("maxCount", dig(out, "limits", 0, "maxCount"), fmt.Sprint(p.maxNines)))
		}},
		{"ListLimits without a token", func(ctx context.Context) (string, error) {
			return g.refused(ctx, nil, empty, "candor.v1.LimitService/ListLimits", codes.PermissionDenied, "PERMISSION_DENIED")
		}},
	}
}
