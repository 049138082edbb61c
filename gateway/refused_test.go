package gateway_test

import (
	"testing"

	"google.golang.org/grpc/codes"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// A call that the model server refuses is recorded: the id in its error can be explained.
func TestRefusedCallsAreRecorded(t *testing.T) {
	w := start(t)
	w.primary.Script(oiptest.Fail(codes.InvalidArgument, "x is out of range"))
	a := w.infer(t.Context(), request([][4]float32{sureRow}))
	md := wantError(t, a.err, codes.InvalidArgument, "BACKEND_ERROR")
	if md["said_by"] != "backend" {
		t.Errorf("metadata %v", md)
	}
	story := w.explain(md["prediction_id"])
	p := story.GetPredictions()[0]
	if p.GetDecision().GetRoute() != candorv1.Route_ROUTE_REJECT || p.GetPath()[0].GetDetail() != "x is out of range" ||
		p.GetPath()[0].GetFailureSource() != candorv1.FailureSource_FAILURE_SOURCE_BACKEND {
		t.Errorf("%v", p)
	}
}
