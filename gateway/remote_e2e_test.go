package gateway_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// byWhom are the records of what people did, as "what by remote": those of the log that name one of them.
func (p *peopled) byWhom(names ...string) []string {
	p.t.Helper()
	scan, err := p.db.Scan(p.t.Context(), time.Time{}, time.Time{})
	if err != nil {
		p.t.Fatal(err)
	}
	var out []string
	for rec, err := range scan.All(p.t.Context()) {
		if err != nil {
			p.t.Fatal(err)
		}
		a, c := rec.GetAdmin(), rec.GetCertificate()
		switch {
		case slices.Contains(names, a.GetBy()):
			out = append(out, fmt.Sprintf("%s %s %s", a.GetVerb(), a.GetBy(), a.GetRemote()))
		case slices.Contains(names, c.GetBy()):
			out = append(out, fmt.Sprintf("%s %s %s", strings.TrimPrefix(c.GetEvent().String(), "CERTIFICATE_EVENT_"), c.GetBy(), c.GetRemote()))
		}
	}
	return out
}

// Known answers, removed inputs and revoked certificates are recorded with the address that somebody did it from, as changes of users
// are: that of a page's person, or of the call.
func TestRecordsOfJudgingNameTheAddress(t *testing.T) {
	w := withPeople(t, promised("")...)
	page := w.inside()
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	item, _ := w.deferOne(deferredRow)
	golden := w.addGolden("good", 1)
	must(page.DeleteGoldenItem(person(t, "sue", nil, candorv1.Role_ROLE_SENIOR), &candorv1.DeleteGoldenItemRequest{Name: golden.GetName()}))
	must(page.DeleteReviewPayload(person(t, "adam", nil, candorv1.Role_ROLE_ADMIN), &candorv1.DeleteReviewPayloadRequest{
		Name: item, Reason: "a request", RequestId: "1",
	}))
	revoke := &candorv1.RevokeCertificateRequest{Name: w.certificates(false)[0].GetName(), Reason: "the labels were wrong", RequestId: "1"}
	for range 2 {
		must(candorv1.NewCertificateServiceClient(w.gateway.InProcess()).RevokeCertificate(person(t, "otto", nil, candorv1.Role_ROLE_OPERATOR), revoke))
	}
	revoke.Name, revoke.RequestId = w.certificates(false)[0].GetName(), "2"
	must(candorv1.NewCertificateServiceClient(w.conn).RevokeCertificate(as(operatorToken), revoke))
	want := []string{
		"golden.create " + golden.GetAuthor() + " 127.0.0.1", "golden.delete sue 203.0.113.9", "payload.delete adam 203.0.113.9",
		"REVOKED otto 203.0.113.9", "REVOKED olga 127.0.0.1",
	}
	if got := w.byWhom("sue", "adam", "otto", "olga", golden.GetAuthor()); !slices.Equal(got, want) {
		t.Errorf("recorded %q, want %q", got, want)
	}
}
