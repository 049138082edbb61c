package gateway_test

import (
	"context"
	"math"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// A model that makes NaN of NaN is not broken: whoever sends it opens neither the primary's breaker nor a member's, in a batch with good rows
// or on a stream. The row takes its route all the same, and what the model breaks itself counts, also beside such rows.
func TestWhatIsNoNumberOpensNoBreaker(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	w := start(t, "BREAKER", "{min_calls: 4}")
	for i := range 40 {
		a := w.infer(as(clientToken), request([][4]float32{row([]float32{nan, inf, -inf}[i%3], .95, .5)}))
		if a.err != nil || a.param("candor_answered_by") != "both" || !strings.Contains(a.param("candor_reasons"), "CONTRACT_FAILURE") {
			t.Fatal(a.resp, a.err)
		}
		a = w.infer(as(clientToken), requestIn(oiptest.TypedForm, [][4]float32{sureRow, row(.6, nan, .9)}))
		if a.err != nil || a.param("candor_rows_accept") != "1" || a.param("candor_rows_fallback") != "1" {
			t.Fatal(a.resp, a.err)
		}
	}
	c := w.openStream()
	for range 10 {
		c.ask("x", [][4]float32{row(nan, .95, .5)})
		if a := c.next(); a.param("candor_answered_by") != "both" {
			t.Errorf("%v", a.resp)
		}
	}
	c.end()
	for _, name := range []string{"primary", "a", "b"} {
		if s := w.backend(name); s.GetBreaker() != candorv1.BreakerState_BREAKER_STATE_CLOSED || s.GetContractFailures() != 0 || s.GetBreakerOpened() != 0 {
			t.Errorf("%v", s)
		}
	}
	a := w.infer(as(clientToken), request([][4]float32{row(nan, .95, .5), row(1.7, .95, .5)}))
	if s := w.backend("primary"); a.err != nil || s.GetContractFailures() != 1 || !strings.Contains(s.GetLastFailure(), "row 1") {
		t.Errorf("%v %v", a.err, s)
	}
}

// A client that asks Triton for classes is told that it can't have them: the model server would do as it is told, and have broken its card. To
// others the parameter says nothing.
func TestClassificationOpensNoBreaker(t *testing.T) {
	for _, dialect := range []string{"triton", "mlserver"} {
		t.Run(dialect, func(t *testing.T) {
			w := start(t, "primary: {address: PRIMARY", "primary: {dialect: "+dialect+", address: PRIMARY")
			if dialect == "triton" {
				w.primary.Script(func(_ context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
					return oiptest.Reply(req, oiptest.BYTES("probabilities", []int64{1, 1}, "0.99:1:bad")), nil
				})
			}
			req := request([][4]float32{sureRow}, "probabilities")
			req.Outputs[0].Parameters = map[string]*inference.InferParameter{"classification": {ParameterChoice: &inference.InferParameter_Int64Param{Int64Param: 1}}}
			a := w.infer(as(clientToken), req)
			if s := w.backend("primary"); s.GetContractFailures() != 0 {
				t.Errorf("%v", s)
			}
			if dialect != "triton" {
				if a.err != nil {
					t.Error(a.err)
				}
				return
			}
			if md := wantError(t, a.err, codes.InvalidArgument, "INVALID_REQUEST"); md["field"] != "outputs[0].parameters[classification]" {
				t.Errorf("%v", a.err)
			}
		})
	}
}

// A request that says itself how long it may wait in Triton's queue has had its will when that is over. Of a model server's own words about its
// queue the limit falls.
func TestARequestsOwnTimeoutIsNoLoad(t *testing.T) {
	w := start(t, "primary: {address: PRIMARY", "primary: {dialect: triton, address: PRIMARY")
	before := w.backend("primary").GetLimit()
	expired := oiptest.Fail(codes.Unavailable, "Request timeout expired")
	req := request([][4]float32{fallbackRow})
	req.Parameters = map[string]*inference.InferParameter{"timeout": {ParameterChoice: &inference.InferParameter_Int64Param{Int64Param: 1}}}
	w.primary.Script(expired)
	if a := w.infer(as(clientToken), req); a.err != nil || a.param("candor_answered_by") != "both" || !strings.Contains(a.param("candor_reasons"), "DEADLINE") {
		t.Errorf("%v %v", a.resp, a.err)
	}
	w.primary.ScriptStream(func(st *oiptest.Stream) error {
		got, err := st.Recv()
		if err != nil {
			return err
		}
		if err := st.SendError(got.GetId(), "Request timeout expired"); err != nil {
			return err
		}
		_, err = st.Recv()
		return err
	})
	c := w.openStream()
	c.send(req)
	if a := c.next(); a.param("candor_answered_by") != "both" {
		t.Errorf("%v", a.resp)
	}
	c.cancel()
	if s := w.backend("primary"); s.GetLimit() != before || s.GetBreaker() != candorv1.BreakerState_BREAKER_STATE_CLOSED || s.GetFailures() != 0 {
		t.Errorf("the limit was %d: %v", before, s)
	}
	w.primary.Script(expired)
	if a := w.infer(as(clientToken), request([][4]float32{fallbackRow})); a.err != nil {
		t.Error(a.err)
	}
	if s := w.backend("primary"); s.GetLimit() >= before {
		t.Errorf("the limit was %d: %v", before, s)
	}
}
