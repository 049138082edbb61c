package gateway_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// A caller that states no deadline is told which one it was given.
func TestDefaultDeadlineIsReported(t *testing.T) {
	w := start(t, `listen: {grpc: "127.0.0.1:0"`, `listen: {default_deadline: 7s, grpc: "127.0.0.1:0"`)
	resp, err := inference.NewGRPCInferenceServiceClient(w.conn).ModelInfer(t.Context(), request([][4]float32{sureRow}))
	if err != nil || resp.GetParameters()["candor_default_deadline_ms"].GetInt64Param() != 7000 {
		t.Errorf("%v, parameters %v", err, resp.GetParameters())
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if a := w.infer(ctx, request([][4]float32{sureRow})); a.err != nil || a.resp.GetParameters()["candor_default_deadline_ms"] != nil {
		t.Errorf("%v, parameters %v", a.err, a.resp.GetParameters())
	}
	if n := w.metric(`candor_default_deadline_total{model="fraud"}`); n != 1 {
		t.Errorf("%v calls had no deadline, want 1", n)
	}
}

// slowly answers byColumn after a time.
func slowly(column int, takes time.Duration) oiptest.Responder {
	return func(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
		select {
		case <-time.After(takes):
		case <-ctx.Done():
		}
		return byColumn(column)(ctx, req)
	}
}

// What nobody in the ladder has been able to keep of late is refused before anybody is asked, and the error says which deadline
// would do.
func TestImpossibleDeadlineIsRefusedEarly(t *testing.T) {
	w := start(t, nobodyElse, "")
	w.primary.Script(slowly(0, time.Second))
	if a := w.infer(t.Context(), request([][4]float32{sureRow})); a.err != nil {
		t.Fatal(a.err)
	}
	// Shorter than the one answer that there was. Nothing is asked, however busy this machine is.
	ctx, cancel := context.WithTimeout(t.Context(), 900*time.Millisecond)
	defer cancel()
	err := w.infer(ctx, request([][4]float32{sureRow})).err
	md := wantError(t, err, codes.DeadlineExceeded, "DEADLINE_TOO_SHORT")
	if needed, _ := strconv.Atoi(md["needed_ms"]); needed < 1000 || !strings.Contains(err.Error(), "send a deadline of at least") || w.primary.Calls() != 1 {
		t.Errorf("%v %v after %d calls", err, md, w.primary.Calls())
	}
}

// While nobody knows how long the fallback takes, half of the time is kept for it; afterwards what it needs.
func TestPrimaryMayUseWhatTheFallbackDoesNotNeed(t *testing.T) {
	w := start(t, "timeout: 5s, breaker", "timeout: 100s, breaker", "BREAKER", "{min_calls: 1000, window: 300s}")
	given := func() time.Duration {
		ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
		defer cancel()
		began := time.Now()
		w.infer(ctx, request([][4]float32{fallbackRow}))
		return w.primary.Last().Deadline.Sub(began)
	}
	if d := given(); d > 5*time.Second {
		t.Errorf("the primary may take %v of 8 s with a fallback of which nothing is known, want half", d)
	}
	// The first measure of a mean counts in full, with its connection's time; a few more bring it near what is usual.
	for range 20 {
		given()
	}
	// old, the remedial stage, has never been asked: its time is not known, and half stays kept.
	w.a.Script(oiptest.Fail(codes.Internal, "boom"))
	given()
	if d := given(); d < 6*time.Second {
		t.Errorf("the primary may take %v of 8 s with a fast fallback, want nearly all", d)
	}
}
