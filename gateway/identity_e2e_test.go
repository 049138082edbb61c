package gateway_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
)

const noAnonymous = "  anyone: {identity: {anonymous: true}, models: [fraud]}\n"

func withAuthorization(t *testing.T, values ...string) context.Context {
	ctx := bounded(t, "")
	for _, v := range values {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", v)
	}
	return ctx
}

// A credential that is presented and unknown is refused even where callers without one are let in: a revoked token must not
// turn into a weaker identity that works.
func TestTokens(t *testing.T) {
	for _, anonymous := range []bool{true, false} {
		t.Run(fmt.Sprintf("anonymous %v", anonymous), func(t *testing.T) {
			var edits []string
			if !anonymous {
				edits = []string{noAnonymous, ""}
			}
			w := start(t, edits...)
			infer := func(authorization ...string) error {
				return w.infer(withAuthorization(t, authorization...), request([][4]float32{sureRow})).err
			}
			for _, good := range []string{"Bearer " + clientToken, "bearer " + clientToken} {
				if err := infer(good); err != nil {
					t.Errorf("%q: %v", good, err)
				}
			}
			for what, bad := range map[string][]string{
				"unknown":           {"Bearer nobody"},
				"the hash itself":   {"Bearer " + gateway.HashToken(clientToken)},
				"another scheme":    {"Basic " + clientToken},
				"no scheme":         {clientToken},
				"no token":          {"Bearer "},
				"two":               {"Bearer " + clientToken, "Bearer " + clientToken},
				"a good one behind": {"Bearer nobody", "Bearer " + clientToken},
			} {
				t.Run(what, func(t *testing.T) {
					if md := wantError(t, infer(bad...), codes.Unauthenticated, "UNAUTHENTICATED"); md["remedy"] == "" {
						t.Errorf("metadata %v", md)
					}
				})
			}
			if anonymous {
				if err := infer(); err != nil {
					t.Error(err)
				}
				return
			}
			wantError(t, infer(), codes.Unauthenticated, "UNAUTHENTICATED")
			// Streams are behind the same door.
			_, err := w.watch("", "").Recv()
			wantError(t, err, codes.Unauthenticated, "UNAUTHENTICATED")
			_, err = w.limits().ListLimits(t.Context(), &candorv1.ListLimitsRequest{})
			wantError(t, err, codes.Unauthenticated, "UNAUTHENTICATED")
		})
	}
}

func TestGrants(t *testing.T) {
	w := start(t, `models: ["*"]`, `models: [other]`, "models:\n  fraud:", "models:\n  other: {primary: primary, policy: {mode: observe}}\n  fraud:")
	infer := func(token, model string) error {
		req := request([][4]float32{sureRow})
		req.ModelName = model
		return w.infer(bounded(t, token), req).err
	}
	if err := infer(clientToken, "other"); err != nil {
		t.Errorf("granted: %v", err)
	}
	for _, c := range []struct{ token, name, model string }{
		{clientToken, "payments", "fraud"},
		{"", "anyone", "other"},
		// An operator is no consumer.
		{operatorToken, "olga", "fraud"},
	} {
		if md := wantError(t, infer(c.token, c.model), codes.PermissionDenied, "PERMISSION_DENIED"); md["principal"] != c.name || md["model"] != c.model {
			t.Errorf("metadata %v", md)
		}
	}
	stream, err := w.predictions().WatchPredictions(bounded(t, clientToken), &candorv1.WatchPredictionsRequest{Model: "fraud"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = stream.Recv()
	wantError(t, err, codes.PermissionDenied, "PERMISSION_DENIED")
	_, err = inference.NewGRPCInferenceServiceClient(w.conn).ModelMetadata(bounded(t, clientToken), &inference.ModelMetadataRequest{Name: "fraud"})
	wantError(t, err, codes.PermissionDenied, "PERMISSION_DENIED")
}

// Health and reflection carry no credentials; everything else does.
func TestOpenServices(t *testing.T) {
	w := start(t, noAnonymous, "")
	for _, ctx := range []context.Context{bounded(t, ""), bounded(t, "nobody")} {
		h, err := healthpb.NewHealthClient(w.conn).Check(ctx, &healthpb.HealthCheckRequest{Service: "inference.GRPCInferenceService"})
		if err != nil || h.GetStatus() != healthpb.HealthCheckResponse_SERVING {
			t.Errorf("health %v %v", h, err)
		}
	}
	stream, err := reflectionpb.NewServerReflectionClient(w.conn).ServerReflectionInfo(bounded(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}}); err != nil {
		t.Fatal(err)
	}
	got, err := stream.Recv()
	if err != nil || len(got.GetListServicesResponse().GetService()) < 6 {
		t.Errorf("reflection %v %v", got, err)
	}
	_ = stream.CloseSend()
	_, err = inference.NewGRPCInferenceServiceClient(w.conn).ServerLive(bounded(t, ""), &inference.ServerLiveRequest{})
	wantError(t, err, codes.Unauthenticated, "UNAUTHENTICATED")
}

// Who may look at what: a role for the operators' views, and one's own for everybody.
func TestRoles(t *testing.T) {
	w := start(t)
	if a := w.infer(t.Context(), request([][4]float32{sureRow})); a.err != nil {
		t.Fatal(a.err)
	}
	explain := candorv1.NewExplainServiceClient(w.conn)
	summarize := func(token, consumer string) (*candorv1.SummarizeDecisionsResponse, error) {
		return explain.SummarizeDecisions(bounded(t, token), &candorv1.SummarizeDecisionsRequest{
			Since: timestamppb.New(time.Now().Add(-time.Hour)), Consumer: consumer, By: []candorv1.GroupBy{candorv1.GroupBy_GROUP_BY_CONSUMER},
		})
	}
	for _, c := range []struct {
		who, token, consumer string
		total                int64
	}{
		{"an auditor, of all", operatorToken, "", 1},
		{"its consumer", "", "", 1},
		{"its consumer, by name", "", "anyone", 1},
		{"another consumer", clientToken, "", 0},
	} {
		// Plain accepts are counted once the group commit has them.
		w.eventually(func() bool {
			got, err := summarize(c.token, c.consumer)
			if err != nil {
				t.Fatalf("%s: %v", c.who, err)
			}
			return got.GetTotal() == c.total
		})
	}
	_, err := summarize(clientToken, "anyone")
	wantError(t, err, codes.PermissionDenied, "PERMISSION_DENIED")
	for _, token := range []string{"", clientToken} {
		_, err := explain.ListBackends(bounded(t, token), &candorv1.ListBackendsRequest{})
		wantError(t, err, codes.PermissionDenied, "PERMISSION_DENIED")
		_, err = w.limits().ListLimits(bounded(t, token), &candorv1.ListLimitsRequest{})
		if md := wantError(t, err, codes.PermissionDenied, "PERMISSION_DENIED"); md["role"] == "" {
			t.Errorf("metadata %v", md)
		}
	}
	if _, err := explain.ListBackends(as(reviewerToken), &candorv1.ListBackendsRequest{}); err != nil {
		t.Error(err)
	}
	if _, err := w.limits().ListLimits(as(reviewerToken), &candorv1.ListLimitsRequest{}); err != nil {
		t.Error(err)
	}
}
