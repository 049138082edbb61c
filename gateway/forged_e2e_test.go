package gateway_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
)

func textParam(s string) *inference.InferParameter {
	return &inference.InferParameter{ParameterChoice: &inference.InferParameter_StringParam{StringParam: s}}
}

// Names under candor_ are ours in the parameters of tensors, too: what a model server says there doesn't reach a client, and what a client
// says there reaches neither the primary nor a member. Everything else keeps its bytes.
func TestOurNamesAreOursInTensors(t *testing.T) {
	for _, form := range []oiptest.Form{oiptest.RawForm, oiptest.TypedForm} {
		t.Run(fmt.Sprint("form ", form), func(t *testing.T) {
			w := start(t)
			resp := oiptest.Response(form, oiptest.FP32("probabilities", []int64{1, 2}, .4, .6), oiptest.BYTES("label", []int64{1}, "bad"))
			resp.ModelName, resp.ModelVersion = "m", "3"
			for _, o := range resp.Outputs {
				o.Parameters = map[string]*inference.InferParameter{"candor_route": textParam("FORGED"), "content_type": textParam("np")}
			}
			sure := proto.CloneOf(resp)
			sure.Outputs[0].Contents, sure.RawOutputContents = oiptest.Response(form, oiptest.FP32("probabilities", []int64{1, 2}, .01, .99)).Outputs[0].Contents, nil
			if form == oiptest.RawForm {
				sure.RawOutputContents = oiptest.Response(form, oiptest.FP32("probabilities", []int64{1, 2}, .01, .99), oiptest.BYTES("label", []int64{1}, "bad")).RawOutputContents
			}
			w.primary.Script(oiptest.Always(sure), oiptest.Always(resp))
			for _, route := range []string{"ACCEPT", "FALLBACK"} {
				req := requestIn(form, [][4]float32{fallbackRow}, "probabilities", "label")
				req.Inputs[0].Parameters = map[string]*inference.InferParameter{"candor_route": textParam("please"), "content_type": textParam("np")}
				req.Outputs[0].Parameters = map[string]*inference.InferParameter{"candor_route": textParam("please"), "content_type": textParam("np")}
				a := w.infer(t.Context(), req)
				if a.err != nil || a.param("candor_route") != route {
					t.Fatal(a.resp, a.err)
				}
				if text := prototext.Format(a.resp); strings.Contains(text, "FORGED") {
					t.Errorf("the client got %v", a.resp)
				}
				for _, o := range a.resp.GetOutputs() {
					if o.GetParameters()["content_type"].GetStringParam() != "np" {
						t.Errorf("the client got %v", o)
					}
				}
			}
			for _, s := range []*oiptest.Server{w.primary, w.a} {
				seen := s.Last().Request
				if strings.Contains(prototext.Format(seen), "please") {
					t.Errorf("a model server got %v", seen)
				}
				if in := seen.GetInputs()[0]; in.GetParameters()["content_type"].GetStringParam() != "np" {
					t.Errorf("a model server got %v", in)
				}
			}
			if out := w.primary.Last().Request.GetOutputs(); len(out) != 2 || out[0].GetParameters()["content_type"].GetStringParam() != "np" {
				t.Errorf("the primary was asked for %v", out)
			}
		})
	}
}

// What a model server says beside its tensors may be its answer, too. Where a row is not its own to answer, only what says how to read and
// to order the message is left of it.
func TestWithheldAnswersAreNotInParameters(t *testing.T) {
	for _, test := range []struct {
		name string
		rows [][4]float32
		ask  []string
		// stays: nothing is withheld.
		stays bool
	}{
		{"accepted", [][4]float32{sureRow}, nil, true},
		{"another's answer", [][4]float32{fallbackRow}, nil, false},
		{"deferred", [][4]float32{deferredRow}, []string{"probabilities", "label", "candor_route"}, false},
		{"one of two", [][4]float32{sureRow, deferredRow}, []string{"probabilities", "label", "candor_route"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := start(t)
			req := request(test.rows, test.ask...)
			resp := reply(t.Context(), req)
			secret := map[string]*inference.InferParameter{
				"predicted_label": textParam("SECRET"), "content_type": textParam("np"), "triton_request_kind": textParam("x"),
			}
			resp.Parameters = secret
			for _, o := range resp.Outputs {
				o.Parameters = secret
			}
			w.primary.Script(oiptest.Always(resp))
			a := w.infer(t.Context(), req)
			if a.err != nil {
				t.Fatal(a.err)
			}
			if text := prototext.Format(a.resp); strings.Contains(text, "SECRET") != test.stays {
				t.Errorf("the client got %v", a.resp)
			}
			all := []map[string]*inference.InferParameter{a.resp.GetParameters()}
			for _, o := range a.resp.GetOutputs() {
				if !strings.HasPrefix(o.GetName(), "candor_") {
					all = append(all, o.GetParameters())
				}
			}
			if slices.ContainsFunc(all, func(p map[string]*inference.InferParameter) bool {
				return p["content_type"].GetStringParam() != "np" || p["triton_request_kind"].GetStringParam() != "x"
			}) {
				t.Errorf("the client got %v", a.resp)
			}
		})
	}
}
