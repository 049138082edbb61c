package main

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/candor-gateway/candor/examples/digits"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
)

// cmdPlay is what the demo's consumer does, as the consumer that needs no credentials. Parameters that are numbers go as int64.
func cmdPlay(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: play N [PARAMETER=VALUE...]")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	set, err := digits.Load()
	ts.Check(err)
	images := set.Split(digits.Seed).HeldOut
	if n > len(images) {
		ts.Fatalf("play: there are %d images", len(images))
	}
	conn, err := grpc.NewClient(ts.Getenv("CANDOR_SERVER"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	ts.Check(err)
	defer conn.Close()
	client := candorv1.NewPredictionServiceClient(conn)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	seen := map[candorv1.Route]*candorv1.Prediction{}
	for _, img := range images[:n] {
		req := digitRequest(img.Pixels)
		for _, param := range args[1:] {
			name, value, _ := strings.Cut(param, "=")
			p := &inference.InferParameter{ParameterChoice: &inference.InferParameter_StringParam{StringParam: value}}
			if n, err := strconv.ParseInt(value, 10, 64); err == nil {
				p.ParameterChoice = &inference.InferParameter_Int64Param{Int64Param: n}
			}
			if req.Parameters == nil {
				req.Parameters = map[string]*inference.InferParameter{}
			}
			req.Parameters[name] = p
		}
		resp, err := client.Predict(ctx, &candorv1.PredictRequest{Request: req})
		ts.Check(err)
		p := resp.GetPredictions()[0]
		if p.GetDecision().GetLimit() != "" {
			if ts.Getenv("WITHHELD") == "" {
				ts.Setenv("WITHHELD", p.GetPredictionId())
			}
			continue
		}
		if slices.Contains(p.GetDecision().GetReasons(), candorv1.Reason_REASON_REVIEW_CAPACITY) {
			if ts.Getenv("SHED") == "" {
				ts.Setenv("SHED", p.GetPredictionId())
			}
			continue
		}
		if seen[p.GetDecision().GetRoute()] == nil {
			seen[p.GetDecision().GetRoute()] = p
		}
	}
	for route, name := range map[candorv1.Route]string{
		candorv1.Route_ROUTE_ACCEPT: "ACCEPTED", candorv1.Route_ROUTE_FALLBACK: "FALLBACK", candorv1.Route_ROUTE_DEFER: "DEFERRED",
	} {
		if p := seen[route]; p != nil {
			ts.Setenv(name, p.GetPredictionId())
			if item := p.GetDecision().GetReviewItem(); item != "" {
				ts.Setenv("ITEM", strings.TrimPrefix(item, "reviewItems/"))
			}
		}
	}
}

func digitRequest(rows ...[]float64) *inference.ModelInferRequest {
	contents := &inference.InferTensorContents{}
	for _, row := range rows {
		for _, v := range row {
			contents.Fp32Contents = append(contents.Fp32Contents, float32(v))
		}
	}
	return &inference.ModelInferRequest{
		ModelName: "digits",
		Inputs: []*inference.ModelInferRequest_InferInputTensor{
			{Name: "image", Datatype: "FP32", Shape: []int64{int64(len(rows)), digits.Pixels}, Contents: contents},
		},
	}
}
