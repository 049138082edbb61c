package web

import (
	"net/http"
	"net/url"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// goldenRow is a known answer as the table shows it.
type goldenRow struct {
	*candorv1.GoldenItem
	ID, Said string
	Made     time.Time
}

type goldenPage struct {
	Golden []goldenRow
	Queues []choice
	// Next is the address of the next page; empty: this is the last one.
	Next    string
	Removed bool
	Problem *problem
}

const goldenPageSize = 50

func (s *Server) goldens(w http.ResponseWriter, r *http.Request, v *visit) error {
	return s.showGoldens(w, r, v, nil)
}

func (s *Server) showGoldens(w http.ResponseWriter, r *http.Request, v *visit, refused error) error {
	q := r.URL.Query()
	queues, err := s.queuesOf(r, v)
	if err != nil {
		return err
	}
	ctx, cancel := s.call(r, v)
	defer cancel()
	resp, err := s.review.ListGoldenItems(ctx, &candorv1.ListGoldenItemsRequest{Queue: q.Get("queue"), PageSize: goldenPageSize, PageToken: q.Get("page")})
	if err != nil {
		return err
	}
	p := goldenPage{Removed: q.Get("done") == "removed", Queues: []choice{{"", "every queue", q.Get("queue") == ""}}}
	for _, one := range queues {
		name := queueName(one.GetName())
		p.Queues = append(p.Queues, choice{name, plain(name), name == q.Get("queue")})
	}
	for _, g := range resp.GetGolden() {
		row := goldenRow{GoldenItem: g, ID: idOf(g.GetName()), Made: g.GetCreateTime().AsTime()}
		switch a := g.GetAnswer().GetAnswer().(type) {
		case *candorv1.VerdictAnswer_Label:
			row.Said = a.Label
		case *candorv1.VerdictAnswer_Value:
			row.Said = withUnit(a.Value, g.GetUnit())
		}
		p.Golden = append(p.Golden, row)
	}
	if next := resp.GetNextPageToken(); next != "" {
		p.Next = "/golden?" + url.Values{"queue": {q.Get("queue")}, "page": {next}}.Encode()
	}
	status := http.StatusOK
	if refused != nil {
		why := s.problemOf(r, refused)
		p.Problem, status = &why, why.Status
	}
	return s.render(w, r, v, view{Template: "golden", Title: "Known answers", Section: "/items", Status: status, Data: p})
}

// dropGolden never shows a known answer again.
func (s *Server) dropGolden(w http.ResponseWriter, r *http.Request, v *visit) error {
	ctx, cancel := s.call(r, v)
	defer cancel()
	if _, err := s.review.DeleteGoldenItem(ctx, &candorv1.DeleteGoldenItemRequest{Name: "goldenItems/" + r.PathValue("id")}); err != nil {
		return s.showGoldens(w, r, v, err)
	}
	http.Redirect(w, r, "/golden?done=removed", http.StatusSeeOther)
	return nil
}
