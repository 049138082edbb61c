package explain

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/candor-gateway/candor/audit"
	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
)

// Summary is counts of decisions as they are told, and the shape of candor explain --since --json: fields are only ever added.
type Summary struct {
	Since       time.Time `json:"since"`
	Until       time.Time `json:"until"`
	By          []string  `json:"by"`
	Total       int64     `json:"total"`
	TotalBefore int64     `json:"total_before"`
	Groups      []Group   `json:"groups"`
	// LargestChange is the group that changed most, in rows; absent when none did.
	LargestChange *Group `json:"largest_change,omitempty"`
}

// Group is one combination of keys.
type Group struct {
	// Keys in the order of Summary.By.
	Keys []string `json:"keys"`
	// Count of rows in the span, and in the one of equal length before it.
	Count       int64 `json:"count"`
	CountBefore int64 `json:"count_before"`
	// Factor is Count / CountBefore; absent when there were none before.
	Factor *float64 `json:"factor,omitempty"`
	// Share of all rows counted in the span, in [0,1].
	Share   float64 `json:"share"`
	Example string  `json:"example_prediction_id,omitempty"`
}

func (g Group) change() int64 { return g.Count - g.CountBefore }

func summarize(s audit.Summary, since, until time.Time, by []string) Summary {
	out := Summary{Since: since.UTC(), Until: until.UTC(), By: by, Total: s.Total, TotalBefore: s.TotalBefore, Groups: []Group{}}
	var largest *Group
	for _, g := range s.Groups {
		told := Group{Keys: g.Keys, Count: g.Count, CountBefore: g.CountBefore, Factor: factor(g.Count, g.CountBefore), Example: g.Example}
		if s.Total > 0 {
			told.Share = float64(g.Count) / float64(s.Total)
		}
		out.Groups = append(out.Groups, told)
		if abs(told.change()) > 0 && (largest == nil || abs(told.change()) > abs(largest.change())) {
			largest = &told
		}
	}
	out.LargestChange = largest
	return out
}

func abs(n int64) int64 { return max(n, -n) }

func factor(now, before int64) *float64 {
	if before == 0 {
		return nil
	}
	f := float64(now) / float64(before)
	return &f
}

// factorText is a change for people: x2.17, new, none.
func factorText(now, before int64) string {
	switch f := factor(now, before); {
	case f != nil:
		return fmt.Sprintf("x%.2f", *f)
	case now > 0:
		return "new"
	}
	return "none"
}

// writeSummary tells it to a person: the table, and the group to look at first. what is the filter in words, such as "rows with
// action decline".
func writeSummary(w io.Writer, s Summary, what string) error {
	span := s.Until.Sub(s.Since)
	head := fmt.Sprintf("%s from %s to %s, beside the %s before\n\n", what, cli.Time(s.Since), cli.Time(s.Until), cli.Span(span))
	if _, err := io.WriteString(w, head); err != nil {
		return err
	}
	if s.Total == 0 && s.TotalBefore == 0 {
		_, err := fmt.Fprintln(w, "none in either span")
		return err
	}
	table := [][]string{append(upper(s.By), "NOW", "BEFORE", "CHANGE", "SHARE", "EXAMPLE")}
	for _, g := range s.Groups {
		table = append(table, append(append([]string{}, g.Keys...), fmt.Sprint(g.Count), fmt.Sprint(g.CountBefore),
			factorText(g.Count, g.CountBefore), percent(g.Share), g.Example))
	}
	total := make([]string, len(s.By))
	if len(total) > 0 {
		total[0] = "all"
	}
	table = append(table, append(total, fmt.Sprint(s.Total), fmt.Sprint(s.TotalBefore), factorText(s.Total, s.TotalBefore), "", ""))
	if err := cli.Table(w, table); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n"+s.verdict())
	return err
}

// verdict points at the group with the largest change.
func (s Summary) verdict() string {
	g := s.LargestChange
	if g == nil {
		return "nothing changed\n"
	}
	if len(s.By) == 0 {
		return fmt.Sprintf("%+d; --by reason,version says where it comes from\n", g.change())
	}
	keys := make([]string, len(g.Keys))
	for i, k := range g.Keys {
		keys[i] = s.By[i] + " " + cli.Plain(orNone(k))
	}
	if s.TotalBefore == 0 {
		return fmt.Sprintf("there was nothing before to compare with; most of it is %s\n", strings.Join(keys, ", ")) + look(g)
	}
	out := fmt.Sprintf("largest change: %s, %d before, %d now (%+d, %s)", strings.Join(keys, ", "), g.CountBefore, g.Count, g.change(),
		factorText(g.Count, g.CountBefore))
	if whole := s.Total - s.TotalBefore; whole != 0 {
		out += fmt.Sprintf("; all rows changed by %+d", whole)
	}
	return out + "\n" + look(g)
}

// look names a prediction to go on with.
func look(g *Group) string {
	if g.Example == "" {
		return ""
	}
	return "look at one: candor explain " + g.Example + "\n"
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}

func percent(share float64) string { return fmt.Sprintf("%.1f %%", share*100) }

func upper(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = strings.ToUpper(n)
	}
	return out
}
