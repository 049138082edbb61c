package replay

import (
	"fmt"
	"io"
	"strings"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/replay"
)

// write tells a report to a person.
func write(w io.Writer, r *replay.Report, limit int) error {
	p := &printer{w: w}
	p.line("%s with %s, from %s to %s", cli.Count(r.Predictions, "prediction"), cli.Count(r.Rows, "row"), cli.Time(r.Since), cli.Time(r.Until))
	if r.Missing > 0 {
		p.line("%s missing from the log, because its queue was full", cli.Count(r.Missing, "record"))
	}
	for _, a := range r.Absent {
		p.line("%s of model %s, which the configuration does not have: their callers would get an error", cli.Count(a.Rows, "row"), cli.Plain(a.Name))
	}
	if len(r.Models) == 0 {
		p.line("nothing to decide again; a longer --since, another --data-dir?")
	}
	for i := range r.Models {
		p.model(&r.Models[i], limit)
	}
	return p.err
}

// printer keeps the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

func (p *printer) table(rows [][]string) {
	if p.err == nil {
		p.err = cli.Table(p.w, rows)
	}
}

// leastDays: of less than an hour nobody should conclude what a day brings.
const leastDays = 1.0 / 24

func (p *printer) model(m *replay.ModelReport, limit int) {
	p.line("")
	p.line("MODEL %s: of %s %d would change (%s), %d can't be decided again", cli.Plain(m.Model), cli.Count(m.Rows, "row"), m.Changed, percent(part(m.Changed, m.Rows)), undecided(m))
	for _, l := range m.Licenses {
		p.line("  %s", license(l))
	}
	p.matrix("what the policy decides", m.Decided)
	if len(m.Callers) > 0 {
		p.matrix("what callers get", m.Callers)
	}
	p.line("")
	p.line("accepted  %s before, %s after", share(m.CoverageBefore), share(m.CoverageAfter))
	if m.CoverageLeast != m.CoverageMost {
		p.line("          with the rows that can't be decided again: %s to %s after", percent(m.CoverageLeast), percent(m.CoverageMost))
	}
	v, unit, days := m.Review, "a day", 1.0
	if m.Days < leastDays {
		unit, days = "in this time", m.Days
	}
	p.line("reviews   %s %s before, %s after", quantity(v.DeferredBefore*days), unit, between(v.DeferredAfter*days, v.DeferredMost*days))
	if v.AuditsBefore > 0 || v.AuditsAfter > 0 {
		p.line("audits    %s %s before, about %s after", quantity(v.AuditsBefore*days), unit, quantity(v.AuditsAfter*days))
	}
	for _, a := range m.Actions {
		p.line("action    %s: %d rows before, %s after%s", cli.Plain(a.Action), a.Before, wholeBetween(a.After, a.Most), change(a))
	}
	for _, a := range m.Asked {
		p.line("fallback  %s would be asked about %s that it was not asked about: what it would say is not known", cli.Plain(a.Stage), cli.Count(a.Rows, "row"))
		if a.Answered.Of > 0 {
			p.line("          of the %s that it was asked about it answered %s; %s were deferred; the new ones are others", cli.Count(a.Answered.Of, "row"), share(a.Answered), percent(a.Deferred.Share))
		}
	}
	p.causes(m.Undecided)
	p.errors(m.Errors)
	p.labels(m.Labels)
	p.changes(m, limit)
}

func undecided(m *replay.ModelReport) (n uint64) {
	for _, u := range m.Undecided {
		n += u.Rows
	}
	return n
}

func license(l replay.License) string {
	where := cli.Plain(l.Stage)
	if l.Segment != "" {
		where += " in segment " + cli.Plain(l.Segment)
	}
	if l.Threshold != nil {
		return fmt.Sprintf("%s is accepted from a confidence of %s", where, cli.Number(*l.Threshold))
	}
	if l.Missing == "" {
		return where + " is not accepted: the policy has no threshold for it"
	}
	return fmt.Sprintf("%s is not accepted: %s", where, l.Missing)
}

func (p *printer) matrix(what string, cells []replay.Cell) {
	p.line("")
	p.line("%s", what)
	table := [][]string{{"BEFORE", "AFTER", "ROWS", "SHARE"}}
	for _, c := range cells {
		table = append(table, []string{string(c.From), string(c.To), fmt.Sprint(c.Rows), percent(c.Share)})
	}
	p.table(table)
}

func (p *printer) causes(all []replay.Reasoned) {
	if len(all) == 0 {
		return
	}
	p.line("")
	p.line("why rows can't be decided again")
	table := [][]string{{"CAUSE", "ROWS", "SHARE", "WHAT IT MEANS"}}
	for _, u := range all {
		table = append(table, []string{string(u.Cause), fmt.Sprint(u.Rows), percent(u.Share), means(u)})
	}
	p.table(table)
}

// means says what a cause is, and what can be done about it.
func means(u replay.Reasoned) string {
	switch u.Cause {
	case replay.CauseVersion:
		return "another model or version answered them; only serving the new one in mode observe tells"
	case replay.CauseCalibrator:
		return "their confidence passed another calibrator; only mode observe tells"
	case replay.CauseMethod:
		return "their confidence is of another method, or --was would have to tell of which; records hold no scores"
	case replay.CauseScale:
		return "records don't hold what the confidence was scaled by; name the old configuration by --was"
	case replay.CauseRounding:
		return "their confidence is within half a millionth of the threshold"
	case replay.CauseCondition:
		return "condition " + u.Detail + " reads what records don't hold; --was helps where the old configuration had it too"
	case replay.CauseSegment:
		return "segment " + u.Detail + " reads what records don't hold; --was helps where the old configuration had the same segments"
	case replay.CauseRefused:
		return "the call failed, maybe by the client's own fault"
	case replay.CauseFields:
		return "models with several fields are not replayed yet"
	}
	return "the log's record can't be understood; run candor audit verify"
}

func (p *printer) errors(all []replay.Errors) {
	p.line("")
	p.line("how often the primary's answer is wrong, by verdicts on rows chosen with a recorded probability")
	table := [][]string{{"GROUP", "ROWS", "UNSAMPLED", "CHOSEN", "OPEN", "JUDGED", "WRONG", "ERROR RATE", "BY OUTCOMES"}}
	for _, e := range all {
		table = append(table, []string{
			string(e.Group), fmt.Sprint(e.Rows), fmt.Sprint(e.Unsampled), fmt.Sprint(e.Chosen), fmt.Sprint(e.Open), fmt.Sprint(e.Verdicts.Judged), fmt.Sprint(e.Verdicts.Wrong),
			rate(e.Verdicts), byOutcomes(e.Outcomes),
		})
	}
	p.table(table)
}

func rate(r replay.Rate) string {
	switch r.Status {
	case replay.Estimated:
		return fmt.Sprintf("%s (%s to %s)", percent(r.Rate), percent(r.Low), percent(r.High))
	case replay.NotMeasured:
		return "NOT_MEASURED: accept.promise.tolerance says when a value is wrong"
	}
	return fmt.Sprintf("INSUFFICIENT_DATA: %d of %d judged calls", r.Calls, r.Needed)
}

func byOutcomes(r replay.Rate) string {
	if r.Judged == 0 {
		return ""
	}
	return rate(r)
}

func (p *printer) labels(all []replay.Moved) {
	changed := false
	for _, l := range all {
		changed = changed || l.Changed > 0
	}
	if !changed {
		return
	}
	p.line("")
	table := [][]string{{"LABEL", "ROWS", "ACCEPTED BEFORE", "ACCEPTED AFTER", "CHANGED", "UNDECIDED"}}
	for _, l := range all {
		table = append(table, []string{l.Label, fmt.Sprint(l.Rows), fmt.Sprint(l.Before), fmt.Sprint(l.After), fmt.Sprint(l.Changed), fmt.Sprint(l.Unknown)})
	}
	p.table(table)
}

func (p *printer) changes(m *replay.ModelReport, limit int) {
	if len(m.Changes) == 0 {
		return
	}
	p.line("")
	table := [][]string{{"PREDICTION", "ROW", "CHANGE", "ANSWER", "STAGE", "CONFIDENCE", "THRESHOLD", "WHY"}}
	for _, c := range m.Changes {
		answer := c.Label
		if c.Value != nil {
			answer = cli.Quantity(*c.Value)
		}
		why := strings.Join(c.Reasons, ",")
		if c.Condition != "" {
			why += " " + c.Condition
		}
		table = append(table, []string{
			c.PredictionID, fmt.Sprint(c.Row), string(c.From) + " -> " + string(c.To), answer, c.Stage, number(c.Confidence),
			number(c.ThresholdBefore) + " -> " + number(c.ThresholdAfter), why,
		})
	}
	p.table(table)
	if rest := m.Changed - uint64(len(m.Changes)); rest > 0 {
		p.line("and %d more; --limit %d lists all", rest, m.Changed)
	}
}
