package web_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// counter is the service of limits, of which a desk's page asks one thing.
type counter struct {
	candorv1.UnimplementedLimitServiceServer
	*desk
}

func (c counter) StateLimitInputs(ctx context.Context, in *candorv1.StateLimitInputsRequest) (*candorv1.StateLimitInputsResponse, error) {
	it, err := c.ask(ctx, in, nil)
	return &candorv1.StateLimitInputsResponse{Item: it}, err
}

// A held answer that its limit can't count says what is missing to everybody who may see it, and has the form for operators alone.
func TestCountAHeldAnswer(t *testing.T) {
	held := func() *desk {
		d := settled()
		d.it.HeldBy, d.it.ReleaseState = "limits/spent", candorv1.ReleaseState_RELEASE_STATE_HELD
		d.it.LimitWants = []*candorv1.LimitWant{
			{Limit: "limits/spent", Source: "parameter:cents", Unit: "USD cents", Problem: "parameters[cents] is missing " + hostile},
			{Limit: "limits/spent", Source: "parameter:shop as key", Key: true, Problem: "the limit didn't ask for it yet"},
		}
		return d
	}
	const path = "/items/" + itemID
	for role, may := range map[candorv1.Role]bool{candorv1.Role_ROLE_AUDITOR: false, candorv1.Role_ROLE_SENIOR: false, candorv1.Role_ROLE_OPERATOR: true} {
		r := newSite(t, held(), role).get(path)
		text := apart(r.parse(t))
		for _, want := range []string{"A limit can’t count the answer", "Amount of parameter:cents, in whole USD cents , for the limit spent : parameters[cents] is missing", "Key: parameter:shop"} {
			if !strings.Contains(text, want) {
				t.Errorf("%v: the page doesn't say %q:\n%s", role, want, text)
			}
		}
		if strings.Contains(r.body, `action="`+path+`/count"`) != may || strings.Contains(r.body, hostile) {
			t.Errorf("%v: has the form: %t, want %t; or lets markup through", role, !may, may)
		}
	}

	s := newSite(t, held(), candorv1.Role_ROLE_OPERATOR)
	form := s.get(path).form(t, path+"/count")
	form["source"] = []string{"parameter:cents", "parameter:shop as key"}
	form["counted"] = []string{"12.5", "acme"}
	form.Set("why", "by the invoice")
	r := s.post(path+"/count", form)
	if text := r.text(t); r.StatusCode != http.StatusBadRequest || !strings.Contains(text, "The amount is no whole number") ||
		!strings.Contains(r.body, `value="12.5"`) || !strings.Contains(r.body, `value="by the invoice"`) || len(s.desk.asked) != 0 {
		t.Errorf("an amount that is none: %d, asked %v\n%s", r.StatusCode, s.desk.asked, text)
	}
	form["counted"] = []string{" 700 ", "acme"}
	if r := s.post(path+"/count", form); r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != path+"?done=counted" {
		t.Fatalf("answered by %d %q: %s", r.StatusCode, r.Header.Get("Location"), r.text(t))
	}
	asked, ok := s.desk.asked[0].(*candorv1.StateLimitInputsRequest)
	if !ok || asked.GetReviewItem() != "reviewItems/"+itemID || asked.GetReason() != "by the invoice" || asked.GetRequestId() != form.Get("request_id") || len(asked.GetInputs()) != 2 {
		t.Fatalf("asked %v", s.desk.asked)
	}
	for _, in := range asked.GetInputs() {
		if in.GetSource() == "parameter:cents" && in.GetAmount() != 700 || in.GetSource() == "parameter:shop as key" && string(in.GetKey()) != "acme" {
			t.Errorf("stated %v", in)
		}
	}
}
