package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"slices"
	"text/tabwriter"

	"github.com/candor-gateway/candor/bench/process"
	"github.com/candor-gateway/candor/bench/stat"
)

// Report is a run.
type Report struct {
	Machine  string   `json:"machine"`
	Go       string   `json:"go"`
	Postgres string   `json:"postgres,omitempty"`
	River    string   `json:"river,omitempty"`
	Rounds   int      `json:"rounds"`
	Window   float64  `json:"window_seconds"`
	Seed     uint64   `json:"seed"`
	Short    bool     `json:"short,omitempty"`
	Absent   []string `json:"absent,omitempty"`
	Rows     []Row    `json:"rows"`
	Samples  []Sample `json:"samples"`
	// Published are figures of others, which were not measured here.
	Published []Figure `json:"published"`
}

// Row is a cell over all rounds.
type Row struct {
	Subject string `json:"subject"`
	Unit    string `json:"unit"`
	People  int    `json:"people"`
	// PerSecond is the median of the rounds, Least and Most the ends.
	PerSecond float64 `json:"per_second"`
	Least     float64 `json:"least"`
	Most      float64 `json:"most"`
	// Medians of the rounds' quantiles, in milliseconds; 0: there are none.
	P50 float64 `json:"p50_ms,omitempty"`
	P99 float64 `json:"p99_ms,omitempty"`
}

func newReport(b *bench, samples []Sample) *Report {
	r := &Report{
		Machine: process.Machine(), Go: runtime.Version(), Postgres: b.postgresAbout, River: b.riverAbout, Rounds: b.o.rounds,
		Window: b.o.window.Seconds(), Seed: b.o.seed, Short: b.o.short, Absent: b.absent, Samples: samples, Published: published,
	}
	for _, c := range b.cells {
		row := Row{Subject: c.subject, Unit: c.unit, People: c.people}
		var rates, p50, p99 []float64
		for _, s := range samples {
			if s.Subject == c.subject && s.Unit == c.unit && s.People == c.people {
				rates, p50, p99 = append(rates, s.perSecond()), append(p50, s.P50), append(p99, s.P99)
			}
		}
		row.PerSecond, row.Least, row.Most = stat.Median(rates), slices.Min(rates), slices.Max(rates)
		row.P50, row.P99 = stat.Median(p50), stat.Median(p99)
		r.Rows = append(r.Rows, row)
	}
	return r
}

func (r *Report) json(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(r)
}

// titles of the subjects.
var titles = map[string]string{
	"sqlite":           "the embedded store, called directly",
	"postgres":         "the PostgreSQL store, called directly",
	"gateway-sqlite":   "candor serve on SQLite, over gRPC, a connection and a token for each person",
	"gateway-postgres": "candor serve on PostgreSQL, the same",
	"river":            "River on the same PostgreSQL, by bench/queue/river",
}

func (r *Report) text(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s, %s", r.Machine, r.Go)
	for _, about := range []string{r.Postgres, r.River} {
		if about != "" {
			fmt.Fprintf(&b, "; %s", about)
		}
	}
	fmt.Fprintf(&b, "\n%d rounds of %.2g s at most, seed %d\n", r.Rounds, r.Window, r.Seed)
	if r.Short {
		b.WriteString("A short run: it shows that everything works, and its numbers mean nothing.\n")
	}
	for _, subject := range subjects {
		r.table(&b, subject)
	}
	for _, line := range r.Absent {
		fmt.Fprintln(&b, "\n"+line)
	}
	b.WriteString("\nPublished by River, not measured here:\n")
	for _, f := range r.Published {
		fmt.Fprintf(&b, "  %s\n    on %s; %s\n    %s\n", f.Figure, f.On, f.What, f.Source)
	}
	for _, line := range differences {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	_, err := w.Write(b.Bytes())
	return err
}

func (r *Report) table(b *bytes.Buffer, subject string) {
	rows := slices.DeleteFunc(slices.Clone(r.Rows), func(row Row) bool { return row.Subject != subject })
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s: %s\n", subject, titles[subject])
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	who := "people"
	if subject == "river" {
		who = "workers"
	}
	fmt.Fprintf(t, "  \t%s\ta second\t[least, most]\tp50 ms\tp99 ms\t\n", who)
	for _, row := range rows {
		p50, p99 := "", ""
		if row.P50 > 0 {
			p50, p99 = fmt.Sprintf("%.2f", row.P50), fmt.Sprintf("%.2f", row.P99)
		}
		fmt.Fprintf(t, "  %s\t%d\t%.0f\t[%.0f, %.0f]\t%s\t%s\t\n", row.Unit, row.People, row.PerSecond, row.Least, row.Most, p50, p99)
	}
	_ = t.Flush() // into a buffer
}
