package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// appealPage is the form for an appeal, as it was entered.
type appealPage struct {
	Prediction, Row, Field, Reason string
	RequestID                      string
	// Opened is the id of the item that an appeal has become; empty: none was opened.
	Opened  string
	Problem *problem
}

// forSeniors lets seniors through, and says to others what the page is for.
func forSeniors(h handler) handler {
	return func(w http.ResponseWriter, r *http.Request, v *visit) error {
		if !v.Person.Has(candorv1.Role_ROLE_SENIOR) {
			return &fault{
				Status: http.StatusForbidden, Title: "This is for seniors",
				Remedy: "Ask a senior to do it, or whoever administers people for the role.",
			}
		}
		return h(w, r, v)
	}
}

func (s *Server) appealForm(w http.ResponseWriter, r *http.Request, v *visit) error {
	q := r.URL.Query()
	p := appealPage{Prediction: q.Get("prediction"), Row: q.Get("row"), Field: q.Get("field"), Opened: q.Get("opened"), RequestID: newRequestID()}
	if p.Row == "" {
		p.Row = "0"
	}
	return s.render(w, r, v, view{Template: "appeal", Title: "Appeal", Section: "/items", Data: p})
}

// appeal opens one. Its item is answered like any other, on its own page.
func (s *Server) appeal(w http.ResponseWriter, r *http.Request, v *visit) error {
	p := appealPage{
		Prediction: strings.TrimSpace(r.PostFormValue("prediction")), Row: strings.TrimSpace(r.PostFormValue("row")),
		Field: strings.TrimSpace(r.PostFormValue("field")), Reason: strings.TrimSpace(r.PostFormValue("reason")), RequestID: requestID(r),
	}
	item, err := s.openAppeal(r, v, p)
	if err != nil {
		why := s.problemOf(r, err)
		p.Problem = &why
		return s.render(w, r, v, view{Template: "appeal", Title: "Appeal", Section: "/items", Status: why.Status, Data: p})
	}
	http.Redirect(w, r, "/appeal?"+url.Values{"opened": {idOf(item)}}.Encode(), http.StatusSeeOther)
	return nil
}

func (s *Server) openAppeal(r *http.Request, v *visit, p appealPage) (item string, err error) {
	row, err := strconv.ParseUint(p.Row, 10, 32)
	if err != nil {
		return "", badForm("The row is no number", "Rows are counted from 0; a prediction of one row has row 0.")
	}
	ctx, cancel := s.call(r, v)
	defer cancel()
	resp, err := s.review.AppealPrediction(ctx, &candorv1.AppealPredictionRequest{
		PredictionId: p.Prediction, Row: uint32(row), Field: p.Field, Reason: p.Reason, RequestId: p.RequestID,
	})
	return resp.GetItem(), err
}
