package explain

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/candor-gateway/candor/audit"
	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// "Why did declines double?": because version 8 arrived, and is unsure.
func TestSummary(t *testing.T) {
	until := madeAt.Add(2 * time.Hour)
	s := summarize(audit.Summary{Total: 260, TotalBefore: 130, Groups: []audit.Group{
		{Keys: []string{"LOW_CONFIDENCE", "8"}, Count: 150, CountBefore: 10, Example: "01939d4e-6a5c-7c3f-8f57-1f0a6c3e9b11"},
		{Keys: []string{"CONFIDENT", "8"}, Count: 110},
		{Keys: []string{"CONFIDENT", ""}, Count: 0, CountBefore: 120},
	}}, madeAt, until, []string{"reason", "version"})
	var got strings.Builder
	if err := writeSummary(&got, s, "rows with action decline"); err != nil {
		t.Fatal(err)
	}
	const want = `rows with action decline from 2026-11-21T02:00:00Z to 2026-11-21T04:00:00Z, beside the 2 h before

REASON          VERSION  NOW  BEFORE  CHANGE  SHARE   EXAMPLE
LOW_CONFIDENCE  8        150  10      x15.00  57.7 %  01939d4e-6a5c-7c3f-8f57-1f0a6c3e9b11
CONFIDENT       8        110  0       new     42.3 %  -
CONFIDENT       -        0    120     x0.00   0.0 %   -
all             -        260  130     x2.00   -       -

largest change: reason LOW_CONFIDENCE, version 8, 10 before, 150 now (+140, x15.00); all rows changed by +130
look at one: candor explain 01939d4e-6a5c-7c3f-8f57-1f0a6c3e9b11
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestSummaryVerdicts(t *testing.T) {
	group := func(count, before int64, keys ...string) audit.Group {
		return audit.Group{Keys: keys, Count: count, CountBefore: before}
	}
	for _, tt := range []struct {
		name string
		sum  audit.Summary
		by   []string
		want string
	}{
		{"a fall counts like a rise", audit.Summary{Total: 30, TotalBefore: 100, Groups: []audit.Group{group(20, 10, "a"), group(10, 90, "b")}},
			[]string{"model"}, "largest change: model b, 90 before, 10 now (-80, x0.11); all rows changed by -70\n"},
		{"nothing changed", audit.Summary{Total: 10, TotalBefore: 10, Groups: []audit.Group{group(10, 10, "a")}}, []string{"model"}, "nothing changed\n"},
		{"nothing before", audit.Summary{Total: 10, Groups: []audit.Group{group(10, 0, "")}}, []string{"stage"},
			"there was nothing before to compare with; most of it is stage (none)\n"},
		{"not grouped", audit.Summary{Total: 30, TotalBefore: 10, Groups: []audit.Group{group(30, 10)}}, nil,
			"+20; --by reason,version says where it comes from\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := summarize(tt.sum, madeAt, madeAt.Add(time.Hour), tt.by)
			if diff := cmp.Diff(tt.want, s.verdict()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if err := writeSummary(&strings.Builder{}, s, "rows"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestMoment(t *testing.T) {
	for text, want := range map[string]time.Time{
		"90m": madeAt.Add(-90 * time.Minute), "2h": madeAt.Add(-2 * time.Hour), "7d": madeAt.Add(-7 * 24 * time.Hour),
		"2026-11-20T00:00:00+01:00": time.Date(2026, 11, 19, 23, 0, 0, 0, time.UTC),
	} {
		if got, err := cli.Moment("--since", text, madeAt); err != nil || !got.Equal(want) {
			t.Errorf("cli.Moment(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "2", "-2h", "1.5d", "d", "99999999d", "yesterday", "2026-11-20"} {
		if got, err := cli.Moment("--since", text, madeAt); err == nil {
			t.Errorf("cli.Moment(%q) = %v", text, got)
		}
	}
}

func TestQueryRefusesWhatTheServiceWould(t *testing.T) {
	for _, tt := range []struct {
		flags flags
		want  string
	}{
		{flags{since: "1h", r: "away"}, "--route"},
		{flags{since: "1h", by: []string{"reason", "Reason"}}, "--by: reason twice"},
		{flags{since: "1h", by: []string{"reason", "version", "model", "consumer", "route"}}, "--by: 5 groupings"},
		{flags{since: "1h", until: "1h"}, "the span of time is empty"},
	} {
		if _, err := tt.flags.query(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %s", tt.flags, err, tt.want)
		}
	}
	f := flags{since: "1h", r: "defer", by: []string{"STAGE"}}
	q, err := f.query()
	if err != nil || q.Route != candorv1.Route_ROUTE_DEFER || len(q.By) != 1 || q.By[0] != candorv1.GroupBy_GROUP_BY_STAGE || !q.Until.IsZero() {
		t.Errorf("%+v, %v", q, err)
	}
}
