package audit_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/candor-gateway/candor/audit"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Rows of one kind are counted together; a row's version is its stage's, or the primary's where nothing was released.
func TestKindsOf(t *testing.T) {
	low := []candorv1.Reason{candorv1.Reason_REASON_LOW_CONFIDENCE}
	p := &candorv1.PredictionRecord{
		Model: "m\x00", Consumer: "c",
		Stages: []*candorv1.StageRecord{{Stage: "primary", Version: "1"}, {Stage: "second", Version: "7"}},
		Rows: []*candorv1.RowRecord{
			{Route: candorv1.Route_ROUTE_ACCEPT, AnsweredBy: 1},
			{Route: candorv1.Route_ROUTE_DEFER, Reasons: low},
			{Route: candorv1.Route_ROUTE_ACCEPT, AnsweredBy: 1},
			{Route: candorv1.Route_ROUTE_FALLBACK, AnsweredBy: 2, Reasons: low},
			{Route: candorv1.Route_ROUTE_ACCEPT, AnsweredBy: 9},
		},
	}
	plain := func(s string) string { return strings.ReplaceAll(s, "\x00", "_") }
	mask := audit.ReasonMask(low)
	want := []audit.KindCount{
		{Kind: audit.Kind{Model: "m_", Consumer: "c", Route: candorv1.Route_ROUTE_ACCEPT, Stage: "primary", Version: "1"}, Rows: 2},
		{Kind: audit.Kind{Model: "m_", Consumer: "c", Route: candorv1.Route_ROUTE_DEFER, Version: "1", Reasons: mask}, Rows: 1},
		{Kind: audit.Kind{Model: "m_", Consumer: "c", Route: candorv1.Route_ROUTE_FALLBACK, Stage: "second", Version: "7", Reasons: mask}, Rows: 1},
		{Kind: audit.Kind{Model: "m_", Consumer: "c", Route: candorv1.Route_ROUTE_ACCEPT, Version: "1"}, Rows: 1},
	}
	if got := audit.KindsOf(p, plain); !slices.Equal(got, want) {
		t.Errorf("kinds are %v, want %v", got, want)
	}
	if got := audit.KindsOf(nil, nil); got != nil {
		t.Errorf("kinds of nothing are %v", got)
	}
}

func TestReasonMask(t *testing.T) {
	every := []candorv1.Reason{}
	for n := range candorv1.Reason_name {
		if n > 0 {
			every = append(every, candorv1.Reason(n))
		}
	}
	slices.Sort(every)
	if got := audit.ReasonsOf(audit.ReasonMask(every)); !slices.Equal(got, every) {
		t.Errorf("the mask of all reasons gives %v, want %v: is there one above 62?", got, every)
	}
	if got := audit.ReasonMask([]candorv1.Reason{-1, 0, 63, 1000}); got != 0 {
		t.Errorf("reasons that have no bit give the mask %b", got)
	}
}

func TestCounter(t *testing.T) {
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	q := audit.Query{Since: at, Until: at.Add(time.Hour), By: []candorv1.GroupBy{candorv1.GroupBy_GROUP_BY_REASON, candorv1.GroupBy_GROUP_BY_ROUTE}}
	c, err := audit.NewCounter(q)
	if err != nil {
		t.Fatal(err)
	}
	if !c.Before().Equal(at.Add(-time.Hour)) {
		t.Errorf("the span before begins at %v", c.Before())
	}
	two := audit.ReasonMask([]candorv1.Reason{candorv1.Reason_REASON_LOW_CONFIDENCE, candorv1.Reason_REASON_DISAGREEMENT})
	c.Add(audit.Kind{Route: candorv1.Route_ROUTE_DEFER, Reasons: two}, 3, 1, "")
	c.Add(audit.Kind{Route: candorv1.Route_ROUTE_DEFER, Reasons: two, Stage: "s"}, 1, 0, "p1")
	c.Add(audit.Kind{Route: candorv1.Route_ROUTE_ACCEPT}, 10, 0, "p2")
	c.Add(audit.Kind{Route: candorv1.Route_ROUTE_REJECT}, 0, 0, "p3")
	got := c.Summary()
	if got.Total != 14 || got.TotalBefore != 1 {
		t.Errorf("total is %d and %d before, want 14 and 1: a row with two reasons is one row", got.Total, got.TotalBefore)
	}
	var lines []string
	for _, g := range got.Groups {
		lines = append(lines, strings.Join(g.Keys, " ")+" "+g.Example)
	}
	want := []string{"UNSPECIFIED ACCEPT p2", "DISAGREEMENT DEFER p1", "LOW_CONFIDENCE DEFER p1"}
	if !slices.Equal(lines, want) {
		t.Errorf("groups are %q, want %q", lines, want)
	}
}

func TestCounterRefuses(t *testing.T) {
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for name, q := range map[string]audit.Query{
		"until is not after since": {Since: at, Until: at},
		"at most 4":                {Since: at, Until: at.Add(1), By: make([]candorv1.GroupBy, 5)},
		"can't group by":           {Since: at, Until: at.Add(1), By: []candorv1.GroupBy{candorv1.GroupBy_GROUP_BY_UNSPECIFIED}},
	} {
		if _, err := audit.NewCounter(q); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("error is %v, want one with %q", err, name)
		}
	}
}
