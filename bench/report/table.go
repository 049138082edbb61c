package report

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/candor-gateway/candor/bench/measure"
	"github.com/candor-gateway/candor/bench/stat"
)

// noisy is from how much foreign work on, in cores, a run says that the machine was not quiet.
const noisy = 0.1

// Text writes the report as tables.
func (r *Report) Text(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s, %s; %d rounds of %.1f s, seed %d\n", r.Run.Machine, r.Run.Go, r.Run.Rounds, r.Run.WindowSeconds, r.Run.Seed)
	if r.Run.Short {
		b.WriteString("A short run: it shows that everything works, and its numbers mean nothing.\n")
	}
	for _, regime := range r.regimes {
		r.table(&b, regime)
	}
	r.goals(&b)
	b.WriteString("\nTargets\n")
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, target := range r.Run.Targets {
		fmt.Fprintf(t, "  %s\t%s\n", target.Name, target.About)
	}
	_ = t.Flush() // into a buffer
	for _, line := range r.Run.Absent {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Routes)) {
		fmt.Fprintf(&b, "Rows decided by %s:%s\n", name, counts(r.Routes[name]))
	}
	for _, row := range r.Rows {
		if row.Failed > 0 {
			fmt.Fprintf(&b, "FAILED: %d requests of %s in %s; the first: %s\n", row.Failed, row.Target, row.Regime, row.Error)
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

func counts(routes map[string]uint64) string {
	var sum uint64
	for _, n := range routes {
		sum += n
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(routes)) {
		fmt.Fprintf(&b, " %s %d (%.2f %%)", name, routes[name], 100*float64(routes[name])/float64(sum))
	}
	return b.String()
}

func (r *Report) table(b *bytes.Buffer, regime measure.Regime) {
	rows := r.of(regime.Name)
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s: %s\n", regime.Name, regime.Title)
	open := regime.Name == measure.Open
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	head := "  \tCPU µs [95 %]\t÷ stream\t÷ nginx\treq/s\tbusy\tp50 µs\tp99\tp99.9\t"
	if open {
		head += "added p50\tp99\tp99.9\t"
	}
	fmt.Fprintln(t, head+"alloc B\tpeak MiB\tload µs\tstub µs\tothers\t")
	for _, row := range rows {
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%.0f\t%s\t%.0f\t%.0f\t%.0f\t", row.Target, interval(row.CPU, 1), ratio(row, stream), ratio(row, nginx),
			row.PerSecond, share(row), row.P50, row.P99, row.P999)
		if open {
			added := []string{"", "", ""}
			for i, v := range row.Added {
				added[i] = fmt.Sprintf("%+.0f", v)
			}
			fmt.Fprint(t, strings.Join(added, "\t")+"\t")
		}
		alloc, rss := "", ""
		if row.AllocBytes != nil {
			alloc = fmt.Sprintf("%.0f", *row.AllocBytes)
		}
		if row.PeakRSS > 0 {
			rss = fmt.Sprintf("%.1f", row.PeakRSS/(1<<20))
		}
		fmt.Fprintf(t, "%s\t%s\t%.1f\t%.1f\t%.2f\t\n", alloc, rss, row.LoadMicros, row.StubMicros, row.Others)
	}
	_ = t.Flush() // into a buffer
}

func share(row Row) string {
	if row.Target == direct {
		return ""
	}
	return fmt.Sprintf("%.0f %%", 100*row.Busy)
}

func ratio(row Row, to string) string {
	if to == row.Target {
		return "1"
	}
	if v, ok := row.Ratios[to]; ok {
		return interval(&v, 2)
	}
	return ""
}

// interval as median and bounds, with so many digits behind the point.
func interval(i *stat.Interval, digits int) string {
	if i == nil {
		return ""
	}
	return fmt.Sprintf("%.*f [%.*f, %.*f]", digits, i.Median, digits, i.Low, digits, i.High)
}

func (r *Report) goals(b *bytes.Buffer) {
	b.WriteString("\nGoals: CPU of candor per request, everything on, judged by the interval's upper end\n")
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, g := range r.Goals {
		what := g.Why
		if g.Ratio != nil {
			what = interval(g.Ratio, 3)
		}
		fmt.Fprintf(t, "  %s\t%s\t÷ %s\t≤ %.2f\t%s\n", g.Verdict, g.Regime, g.Than, g.Most, what)
	}
	_ = t.Flush() // into a buffer
	var others []float64
	for _, s := range r.Samples {
		others = append(others, s.Others)
	}
	if m := stat.Median(others); m >= noisy {
		fmt.Fprintf(b, "The machine was not quiet: other programs used %.2f of its cores at the same time (median). Repeat on a quiet one.\n", m)
	}
}
