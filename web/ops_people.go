package web

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// personRow is a reviewer as the table shows them.
type personRow struct {
	*candorv1.ReviewerStatistics
	Pace time.Duration
	// Hours are bars of verdicts by hour.
	Hours []box
	Flips flipRow
}

// flipRow is how often people follow a model, of one reviewer over all models or of one model over all reviewers.
type flipRow struct {
	Model                                string
	Compared, Differed, ToModel          int64
	Same, Away, Sighted, SightedSameRows int64
}

func (f *flipRow) add(s *candorv1.FlipStatistics) {
	f.Compared += s.GetCompared()
	f.Differed += s.GetDiffered()
	f.ToModel += s.GetFlippedToModel()
	f.Same += s.GetCompared() - s.GetDiffered()
	f.Away += s.GetFlippedAway()
	f.Sighted += s.GetSighted()
	f.SightedSameRows += s.GetSightedSame()
}

type peoplePage struct {
	Tabs   []opsTab
	People []personRow
	Models []flipRow
	Spans  []choice
	Span   string
}

// spans that an account can be of.
var spans = []struct {
	value, text string
	length      time.Duration
}{
	{"day", "24 hours", 24 * time.Hour}, {"week", "7 days", 7 * 24 * time.Hour}, {"month", "30 days", 30 * 24 * time.Hour},
}

func (s *Server) peopleAtWork(w http.ResponseWriter, r *http.Request, v *visit) error {
	p := peoplePage{Tabs: tabsOf("/ops/people-at-work")}
	chosen := spans[0]
	for _, one := range spans {
		if one.value == r.URL.Query().Get("span") {
			chosen = one
		}
	}
	for _, one := range spans {
		p.Spans = append(p.Spans, choice{one.value, one.text, one.value == chosen.value})
	}
	p.Span = chosen.text
	ctx, cancel := s.call(r, v)
	defer cancel()
	resp, err := s.review.GetReviewStatistics(ctx, &candorv1.GetReviewStatisticsRequest{Since: timestamppb.New(v.Now.Add(-chosen.length))})
	if err != nil {
		return err
	}
	for _, one := range resp.GetReviewers() {
		row := personRow{ReviewerStatistics: one, Pace: one.GetWorkTime().AsDuration(), Hours: sparkOf(one.GetHourly())}
		for _, f := range one.GetFlips() {
			row.Flips.add(f)
		}
		p.People = append(p.People, row)
	}
	slices.SortStableFunc(p.People, func(a, b personRow) int { return cmp.Compare(b.GetVerdicts(), a.GetVerdicts()) })
	for _, f := range resp.GetFlips() {
		row := flipRow{Model: f.GetModel()}
		row.add(f)
		p.Models = append(p.Models, row)
	}
	return s.render(w, r, v, view{Template: "ops-people", Title: "People at work", Section: opsSection, Data: p})
}

// sparkOf draws counts as bars in a picture of 100 by 24 units, however many there are.
func sparkOf(counts []int64) []box {
	most := int64(0)
	for _, n := range counts {
		most = max(most, n)
	}
	if most == 0 {
		return nil
	}
	const height = 24
	width := hundred / float64(len(counts))
	var out []box
	for i, n := range counts {
		if n > 0 {
			h := height * float64(n) / float64(most)
			out = append(out, box{
				X: float64(i) * width, Y: height - h, W: max(width*0.85, 0.1), H: h, Class: "fill",
				Title: fmt.Sprintf("hour %s: %s", strconv.Itoa(i+1), count(n, "verdict")),
			})
		}
	}
	return out
}
