package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/candor-gateway/candor/calibration/certificate"
	"github.com/candor-gateway/candor/calibration/simulate"
	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
)

const (
	// summaryRows are shown of a series, and barWidth is the length of a bar for all rows.
	summaryRows = 20
	barWidth    = 20
)

// describe is what was played, in one line.
func describe(cfg *simulate.Config, r *simulate.Result) string {
	mode := "observe"
	switch {
	case cfg.Policy.Enforce && cfg.Policy.Fallback:
		mode = "enforce with a fallback"
	case cfg.Policy.Enforce:
		mode = "enforce without a fallback"
	}
	return fmt.Sprintf("%s, %s a day; %s; alpha %s, delta %s, audit %s; seed %d", cli.Count(r.Totals.Rows, "row"), cli.Quantity(cfg.PerDay), mode,
		percent(cfg.Policy.Alpha), percent(cfg.Policy.Delta), percent(cfg.Policy.Audit), cfg.Seed)
}

// summarise writes the result for people.
func summarise(w io.Writer, cfg *simulate.Config, r *simulate.Result) error {
	if _, err := fmt.Fprintf(w, "%s\n\n", describe(cfg, r)); err != nil {
		return err
	}
	if err := cli.Table(w, seriesTable(r)); err != nil {
		return err
	}
	for _, line := range append(totals(cfg, r), verdict(cfg, r)...) {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintln(w, "\nWhat the certificate says of itself at the end:"); err != nil {
		return err
	}
	var e *float64
	if cfg.Team.Error > 0 {
		e = &cfg.Team.Error
	}
	for _, line := range certificate.Plain(r.State, r.EndUS, staleAfterUS(cfg), e) {
		if _, err := fmt.Fprintln(w, "  "+line); err != nil {
			return err
		}
	}
	return nil
}

func staleAfterUS(cfg *simulate.Config) int64 {
	if cfg.Policy.StaleAfter == 0 {
		return math.MaxInt64
	}
	return cfg.Policy.StaleAfter.Microseconds()
}

func seriesTable(r *simulate.Result) [][]string {
	table := [][]string{{"ROW", "DAY", "STATUS", "THRESHOLD", "ACCEPTED", "WRONG", "RISK OF THRESHOLD", "ON THE DESK", "WEALTH", "CERTIFIED AT"}}
	every := max(len(r.Series)/summaryRows, 1)
	for i := every - 1; i < len(r.Series); i += every {
		p := r.Series[i]
		// The points in between are in this one, so that nothing is left out.
		rows, accepted, wrong := 0.0, 0.0, 0.0
		for j, q := range r.Series[i-every+1 : i+1] {
			n := float64(q.Row)
			if k := i - every + j; k >= 0 {
				n -= float64(r.Series[k].Row)
			} else {
				n++
			}
			rows, accepted = rows+n, accepted+n*q.Coverage
			if q.Risk != nil {
				wrong += n * q.Coverage * *q.Risk
			}
		}
		share := accepted / rows
		filled := int(math.Round(share * barWidth))
		row := []string{
			strconv.Itoa(p.Row + 1), strconv.FormatFloat(p.Day, 'f', 1, 64), p.Status, "",
			strings.Repeat("#", filled) + strings.Repeat(".", barWidth-filled) + " " + percent(share), "", "",
			strconv.Itoa(p.Queue), power(p.LogWealth), power(p.LogBound),
		}
		if p.Threshold != nil {
			row[3], row[6] = strconv.FormatFloat(*p.Threshold, 'f', 4, 64), percent(*p.TrueRisk)
		}
		if accepted > 0 {
			row[5] = percent(wrong / accepted)
		}
		table = append(table, row)
	}
	return table
}

// totals in sentences.
func totals(cfg *simulate.Config, r *simulate.Result) []string {
	t := r.Totals
	days := float64(t.Rows) / cfg.PerDay
	a := "\nAccepted: "
	if !cfg.Policy.Enforce {
		a = "\nWould have been accepted: "
	}
	lines := []string{fmt.Sprintf("%s%d of %d (%s), wrong: %d (%s); the best threshold would accept %s", a, t.Accepted, t.Rows,
		share(t.Accepted, t.Rows), t.AcceptedErrors, share(t.AcceptedErrors, t.Accepted), percent(r.Oracle))}
	if t.Deferred > 0 {
		lines = append(lines, fmt.Sprintf("Deferred: %d, of which there was no room for %d", t.Deferred, t.Shed))
	}
	return append(lines, fmt.Sprintf("Reviewed: %d, %s a day; of these audits: %d, %s a day; without a verdict: %d", t.Reviewed,
		aDay(t.Reviewed, days), t.Reviewed-t.ReviewedDeferred, aDay(t.Reviewed-t.ReviewedDeferred, days), t.Expired))
}

// verdict says whether the promise was kept, and what the alarm did.
func verdict(cfg *simulate.Config, r *simulate.Result) []string {
	lines := []string{"The promise was kept: at no time was a threshold in force whose risk is above alpha"}
	if cfg.World.DriftRow > 0 {
		lines[0] += fmt.Sprintf(", before the drift at row %d", cfg.World.DriftRow)
	}
	if r.Unsafe {
		lines[0] = fmt.Sprintf("The promise was broken: from row %d a threshold was in force whose risk is above alpha; that may happen with "+
			"probability delta", r.UnsafeRow)
	}
	for _, row := range r.Revoked {
		lines = append(lines, fmt.Sprintf("The alarm took the certificate back at row %d, after %s", row,
			cli.Span(time.Duration(float64(row)/cfg.PerDay*24*float64(time.Hour)))))
	}
	return lines
}

func percent(v float64) string { return strconv.FormatFloat(100*v, 'f', 1, 64) + " %" }

func share(k, n int) string {
	if n == 0 {
		return "-"
	}
	return percent(float64(k) / float64(n))
}

func aDay(n int, days float64) string { return strconv.FormatFloat(float64(n)/days, 'f', 0, 64) }

// power writes e^log shortly.
func power(log float64) string {
	if log > math.Log(1e6) {
		return fmt.Sprintf("1e%.0f", log/math.Ln10)
	}
	return strconv.FormatFloat(math.Exp(log), 'g', 3, 64)
}
