package gateway_test

import (
	"math"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

func anIsotonic() *candorv1.Artefact {
	return &candorv1.Artefact{
		Name: "fraud-iso", Author: "somebody else",
		Scope: &candorv1.ArtefactScope{Model: "fraud", Version: "7", Kind: candorv1.ScoreKind_SCORE_KIND_PROBABILITY, Labels: []string{"no", "yes"}},
		Data:  &candorv1.DataSet{Sha256: strings.Repeat("0", 64), Rows: 1000, Source: "held-out.csv"},
		Body:  &candorv1.Artefact_Isotonic{Isotonic: &candorv1.Isotonic{X: []float64{0.1, 0.9}, Y: []float64{0.2, 0.8}}},
	}
}

// Storing needs an operator, reading any role, and nobody signs for somebody else.
func TestArtefactService(t *testing.T) {
	w := start(t)
	c := candorv1.NewArtefactServiceClient(w.conn)
	put := func(token string, a *candorv1.Artefact) (*candorv1.Artefact, error) {
		resp, err := c.PutArtefact(bounded(t, token), &candorv1.PutArtefactRequest{Artefact: a})
		return resp.GetArtefact(), err
	}
	for _, token := range []string{"", clientToken, reviewerToken} {
		_, err := put(token, anIsotonic())
		wantError(t, err, codes.PermissionDenied, "PERMISSION_DENIED")
	}
	one, err := put(operatorToken, anIsotonic())
	if err != nil || one.GetVersion() != 1 || one.GetAuthor() != "olga" || one.GetCreateTime() == nil {
		t.Fatalf("stored %v, %v", one, err)
	}
	if again, err := put(operatorToken, anIsotonic()); err != nil || !proto.Equal(again, one) {
		t.Errorf("the same again: %v, %v", again, err)
	}
	second := anIsotonic()
	second.GetIsotonic().Y[0] = 0.3
	if two, err := put(operatorToken, second); err != nil || two.GetVersion() != 2 {
		t.Errorf("another: %v, %v", two, err)
	}

	for what, edit := range map[string]func(*candorv1.Artefact){
		"a name that can't be configured": func(a *candorv1.Artefact) { a.Name = "Fraud@1" },
		"no body":                         func(a *candorv1.Artefact) { a.Body = nil },
		"no scope":                        func(a *candorv1.Artefact) { a.Scope = nil },
		"no data set":                     func(a *candorv1.Artefact) { a.Data = nil },
		"points that are no numbers":      func(a *candorv1.Artefact) { a.GetIsotonic().Y[1] = math.NaN() },
		"points that fall":                func(a *candorv1.Artefact) { a.GetIsotonic().Y[1] = 0.1 },
	} {
		a := anIsotonic()
		edit(a)
		_, err := put(operatorToken, a)
		if md := wantError(t, err, codes.InvalidArgument, "INVALID_REQUEST"); !strings.HasPrefix(md["field"], "artefact") {
			t.Errorf("%s: field %q", what, md["field"])
		}
	}

	get := func(token, name string, version uint32) (*candorv1.Artefact, error) {
		resp, err := c.GetArtefact(bounded(t, token), &candorv1.GetArtefactRequest{Name: name, Version: version})
		return resp.GetArtefact(), err
	}
	if got, err := get(reviewerToken, "fraud-iso", 1); err != nil || !proto.Equal(got, one) {
		t.Errorf("%v, %v; want %v", got, err, one)
	}
	if got, err := get(operatorToken, "fraud-iso", 0); err != nil || got.GetVersion() != 2 {
		t.Errorf("the newest: %v, %v", got, err)
	}
	_, err = get(operatorToken, "fraud-iso", 3)
	if md := wantError(t, err, codes.NotFound, "ARTEFACT_NOT_FOUND"); md["artefact"] != "fraud-iso@3" {
		t.Errorf("metadata %v", md)
	}
	_, err = get(clientToken, "fraud-iso", 1)
	wantError(t, err, codes.PermissionDenied, "PERMISSION_DENIED")
	_, err = get(operatorToken, "", 0)
	wantError(t, err, codes.InvalidArgument, "INVALID_REQUEST")

	list, err := c.ListArtefacts(bounded(t, reviewerToken), &candorv1.ListArtefactsRequest{})
	if err != nil || len(list.GetArtefacts()) != 2 || list.GetArtefacts()[1].GetVersion() != 2 {
		t.Fatalf("%v, %v", list, err)
	}
	if body := list.GetArtefacts()[0].GetIsotonic(); body == nil || len(body.GetX()) != 0 {
		t.Errorf("a list has the kind and not the points: %v", body)
	}
	_, err = c.ListArtefacts(bounded(t, clientToken), &candorv1.ListArtefactsRequest{})
	wantError(t, err, codes.PermissionDenied, "PERMISSION_DENIED")
}
