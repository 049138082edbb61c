package gateway_test

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/candor-gateway/candor/internal/oiptest"
)

const nobodyElse = `      fallback: {ensemble: both, threshold: {probability: 0.8}}
      review: {queue: desk, on_expire: reject}
      on_defer: withhold
`

// With neither fallback nor review, a model server's failure is the caller's to know, and who said it.
func TestBackendErrors(t *testing.T) {
	w := start(t, nobodyElse, "")
	fail := func(code codes.Code, text string) error {
		w.primary.Script(oiptest.Fail(code, text))
		return w.infer(t.Context(), request([][4]float32{sureRow})).err
	}
	err := fail(codes.InvalidArgument, "x must be positive")
	if md := wantError(t, err, codes.InvalidArgument, "BACKEND_ERROR"); md["said_by"] != "backend" || md["backend"] != "primary" || !strings.Contains(err.Error(), "x must be positive") || md["prediction_id"] == "" {
		t.Errorf("%v %v", err, md)
	}
	w.primary.Script(oiptest.Fail(codes.Unavailable, "at 10.1.2.3:8001")) // and the retry:
	err = fail(codes.Unavailable, "at 10.1.2.3:8001")
	if md := wantError(t, err, codes.Unavailable, "BACKEND_UNAVAILABLE"); md["backend"] != "primary" || toldBy(t, err).retry.GetRetryDelay().AsDuration() <= 0 || strings.Contains(err.Error(), "10.1.2.3") {
		t.Errorf("%v %v", err, md)
	}
	err = fail(codes.ResourceExhausted, "too much to do")
	if md := wantError(t, err, codes.ResourceExhausted, "OVERLOADED"); md["backend"] != "primary" || toldBy(t, err).retry == nil {
		t.Errorf("%v %v", err, md)
	}
	err = w.infer(t.Context(), request([][4]float32{row(1.7, 0, 0)})).err
	if code, reason, md := details(t, err); code == codes.Unknown || reason != "REJECTED" || md["reasons"] == "" || md["rejected"] != "1" {
		t.Errorf("%v %v", err, md)
	}
	wantError(t, w.infer(t.Context(), request([][4]float32{deferredRow})).err, codes.FailedPrecondition, "REJECTED")
	w.primary.Kill()
	err = w.infer(t.Context(), request([][4]float32{sureRow})).err
	if md := wantError(t, err, codes.Unavailable, "BACKEND_UNAVAILABLE"); md["said_by"] != "gateway" || strings.Contains(err.Error(), w.primary.Addr()) {
		t.Errorf("%v %v", err, md)
	}
}

// The model server refuses the client's own input: no other stage is asked, because it would say the same.
func TestBackendRefusesInput(t *testing.T) {
	w := start(t)
	w.primary.Script(oiptest.Fail(codes.InvalidArgument, "x must be positive"))
	wantError(t, w.infer(t.Context(), request([][4]float32{fallbackRow})).err, codes.InvalidArgument, "BACKEND_ERROR")
	if w.a.Calls() != 0 {
		t.Error("the ensemble was asked")
	}
}
