package gateway_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// Who is refused because a breaker is open is told to come back when it lets calls through again, not before.
func TestAdviceOfAnOpenBreaker(t *testing.T) {
	w := start(t, nobodyElse, "", "BREAKER", "{min_calls: 2, open_for: 60s, probes: 1}")
	w.primary.FailWith(status.Error(codes.Internal, "boom"))
	for range 2 {
		w.infer(t.Context(), request([][4]float32{sureRow}))
	}
	err := w.infer(t.Context(), request([][4]float32{sureRow})).err
	wantError(t, err, codes.Unavailable, "BACKEND_UNAVAILABLE")
	if d := toldBy(t, err).retry.GetRetryDelay().AsDuration(); d <= time.Second || d > 60*time.Second {
		t.Errorf("the advice is %v, of a breaker that is open for 60 s", d)
	}
}

// What a model server says about other calls is passed on: how long to wait, or that there shall be none.
func TestAdviceOfAModelServer(t *testing.T) {
	w := start(t, nobodyElse, "")
	for _, test := range []struct {
		pushback string
		given    bool
		wait     time.Duration
	}{{"3600000", true, time.Hour}, {"-1", false, 0}, {"soon", false, 0}} {
		w.primary.Script(func(ctx context.Context, _ *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
			if err := grpc.SetTrailer(ctx, metadata.Pairs("grpc-retry-pushback-ms", test.pushback)); err != nil {
				return nil, err
			}
			return oiptest.Fail(codes.ResourceExhausted, "too much to do")(ctx, nil)
		})
		err := w.infer(t.Context(), request([][4]float32{sureRow})).err
		wantError(t, err, codes.ResourceExhausted, "OVERLOADED")
		if retry := toldBy(t, err).retry; (retry != nil) != test.given || retry.GetRetryDelay().AsDuration() != test.wait {
			t.Errorf("after %s the advice is %v", test.pushback, retry)
		}
	}
}
