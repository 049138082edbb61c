package explain

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/review"
)

// maxRowsTold is how many rows of a batch are told in full unless one is asked for.
const maxRowsTold = 8

// write tells the story to a person: that of one row, or an overview and all rows that are worth it.
func write(w io.Writer, s Story) error {
	p := &printer{}
	p.head(s)
	if len(s.Rows) == 1 {
		p.row(s, &s.Rows[0])
	} else {
		p.batch(s)
	}
	_, err := io.WriteString(w, p.String())
	return err
}

// printer builds the text. Everything that came from elsewhere goes through cli.Plain.
type printer struct{ strings.Builder }

func (p *printer) line(format string, args ...any) {
	fmt.Fprintf(&p.Builder, format, args...)
	p.WriteByte('\n')
}

// field is a line of a block: a name and what there is to say, left out when that is nothing.
func (p *printer) field(name, value string) {
	if value != "" {
		p.line("  %-10s %s", name, value)
	}
}

func (p *printer) head(s Story) {
	p.line("prediction %s", s.PredictionID)
	p.field("model", cli.Plain(s.Model))
	by := "consumer " + cli.Plain(s.Consumer)
	if s.RequestID != "" {
		by += ", request id " + cli.Plain(s.RequestID)
	}
	p.field("made", cli.ExactTime(s.Time)+" for "+by)
	p.field("policy", fmt.Sprintf("%s, mode %s, confidence %s", s.PolicyDigest, strings.ToLower(s.Mode), strings.ToLower(s.ConfidenceMethod)))
	p.field("took", fmt.Sprintf("%.1f ms in all", s.Millis))
	trace := s.TraceID
	if trace == "" {
		trace = "not sampled"
	}
	p.field("trace", trace)
	p.field("log", fmt.Sprintf("writer %s, record %d", cli.Plain(s.Log.Writer), s.Log.Sequence))
}

// batch is an overview of all rows, and the story of those that did not simply pass.
func (p *printer) batch(s Story) {
	what, fields := "row", len(s.Rows) > 0 && s.Rows[0].Field != ""
	table := [][]string{{"  ROW", "ROUTE", "ANSWER", "BY", "STATE", "REASONS"}}
	if fields {
		what = "field"
		table[0] = slices.Insert(table[0], 1, "FIELD")
	}
	p.line("\n%ss", what)
	var told []*Row
	for i := range s.Rows {
		r := &s.Rows[i]
		names := make([]string, len(r.Reasons))
		for j, why := range r.Reasons {
			names[j] = why.Reason
		}
		cells := []string{fmt.Sprintf("  %d", r.Row), routeText(r), r.Answer, r.AnsweredBy, r.State, strings.Join(names, ", ")}
		if fields {
			cells = slices.Insert(cells, 1, r.Field)
		}
		table = append(table, cells)
		if !r.plain {
			told = append(told, r)
		}
	}
	_ = cli.Table(&p.Builder, table) // a strings.Builder doesn't fail
	for i, r := range told {
		if i == maxRowsTold {
			p.line("\n%s more that did not simply pass: --row N tells one", cli.Count(len(told)-i, what))
			break
		}
		if fields {
			p.line("\nrow %d, field %s", r.Row, cli.Plain(r.Field))
		} else {
			p.line("\nrow %d", r.Row)
		}
		p.row(s, r)
	}
}

func routeText(r *Row) string {
	if r.Route != r.AppliedRoute {
		return r.Route + " (applied: " + r.AppliedRoute + ")"
	}
	return r.Route
}

func (p *printer) row(s Story, r *Row) {
	p.line("\npath")
	p.path(r)
	p.line("\ncompared")
	for _, c := range r.Compared {
		p.field(cli.Plain(c.Stage), c.String())
	}
	if r.Condition != "" {
		p.field(cli.Plain(r.Condition), "the condition holds -> "+r.Route)
	}
	if w := r.withheldBy(); w != nil {
		p.field(cli.Plain(limitName(w.Limit)), w.short()+" -> "+r.Route)
	}
	p.line("\nwhy")
	for _, why := range r.Reasons {
		p.line("  %-20s %s", why.Reason, why.Means)
	}
	if r.Route != r.AppliedRoute {
		p.line("  mode %s: the decision was %s, what was done is %s", strings.ToLower(s.Mode), r.Route, r.AppliedRoute)
	}
	p.line("\nresult")
	p.field("route", routeText(r))
	p.field("answer", result(r))
	if r.Uncertainty != nil {
		p.field("uncertain", fmt.Sprintf("%s %s", strings.ToLower(r.Uncertainty.Kind), cli.Number(r.Uncertainty.Value)))
	}
	p.field("action", cli.Plain(r.Action))
	p.limits(r)
	if r.Promise != nil {
		p.promise(r)
	}
	if r.Review != nil {
		p.review("review", r.Review)
	}
	for _, a := range r.Appeals {
		p.review("appeal", a)
	}
	for _, o := range r.Outcomes {
		when := ""
		if o.Time != nil {
			when = " at " + cli.Time(*o.Time)
		}
		p.line("\noutcome\n  %-10s %q%s", "truth", o.Answer, when)
	}
}

func result(r *Row) string {
	switch r.State {
	case "FINAL":
		return fmt.Sprintf("%q, final, by %s", r.Answer, cli.Plain(r.AnsweredBy))
	case "PROVISIONAL":
		return fmt.Sprintf("%q, provisional while a review is open, by %s", r.Answer, cli.Plain(r.AnsweredBy))
	case "PENDING":
		return "none yet: a review is open"
	}
	if r.Review != nil && r.Review.Verdict != nil && !r.Review.audit() {
		by := "an action limit"
		if r.Review.HeldBy != "" {
			by = cli.Plain(r.Review.HeldBy)
		}
		if len(r.Review.LimitWants) > 0 {
			by += fmt.Sprintf(", which can't count it without %s (candor limits count %s)",
				cli.Plain(strings.Join(r.Review.LimitWants, " and ")), review.IDOf(r.Review.Item))
		}
		return fmt.Sprintf("none: %q by %s is held by %s", r.Review.Verdict.Answer, cli.Plain(r.Review.Verdict.Author), by)
	}
	return "none: nothing was released"
}

// path draws the stages as a tree: members below their ensemble, the person who answered last.
func (p *printer) path(r *Row) {
	top := make([]Step, 0, len(r.Path)+1)
	children := map[string][]Step{}
	for _, s := range r.Path {
		if s.Parent == "" {
			top = append(top, s)
		} else {
			children[s.Parent] = append(children[s.Parent], s)
		}
	}
	if r.Review != nil && r.Review.Verdict != nil && !r.Review.audit() {
		v := r.Review.Verdict
		took := v.Time.Sub(r.Review.Created)
		top = append(top, Step{Stage: v.Author, Kind: "HUMAN", Millis: float64(took) / float64(time.Millisecond), Answer: v.Answer, Confidence: v.Confidence})
	}
	var rows [][]string
	add := func(s Step, indent string, last bool) {
		branch := "├─ "
		if last {
			branch = "└─ "
		}
		rows = append(rows, stepCells("  "+indent+branch, s))
	}
	for i, s := range top {
		last := i == len(top)-1
		add(s, "", last)
		indent := "│  "
		if last {
			indent = "   "
		}
		below := children[s.Stage]
		if s.Kind != "ENSEMBLE" {
			below = nil
		}
		for j, member := range below {
			add(member, indent, j == len(below)-1)
		}
	}
	_ = cli.Columns(&p.Builder, rows)
}

func stepCells(branch string, s Step) []string {
	name := s.Stage
	if s.Version != "" {
		name += " version " + s.Version
	}
	took := fmt.Sprintf("%.1f ms", s.Millis)
	if s.Kind == "HUMAN" {
		took = cli.Span(time.Duration(s.Millis * float64(time.Millisecond)))
	}
	var said []string
	switch {
	case s.Failure != "":
		said = append(said, "no answer: "+s.Failure)
		if s.Detail != "" {
			said = append(said, fmt.Sprintf("%s (%s)", s.Detail, saidBy(s.SaidBy)))
		} else {
			said = append(said, saidBy(s.SaidBy))
		}
	case s.Answer == "" && s.Confidence == nil:
		said = append(said, "no usable answer for this row")
		if s.Detail != "" {
			said = append(said, s.Detail)
		}
	case s.Kind == "META":
		said = append(said, "says that the answer is right with probability "+cli.Number(*s.Confidence))
	default:
		said = append(said, fmt.Sprintf("%q", s.Answer))
		if s.Confidence != nil {
			said = append(said, "confidence "+cli.Number(*s.Confidence))
		}
	}
	if s.Calibrator != "" {
		said = append(said, "calibrated by "+s.Calibrator)
	}
	if s.Attempts > 1 {
		said = append(said, attemptsText(s))
	}
	if s.WaitedMillis > 0 {
		said = append(said, fmt.Sprintf("waited %.1f ms for its place", s.WaitedMillis))
	}
	if s.AgeSeconds > 0 {
		said = append(said, "model is "+cli.Span(time.Duration(s.AgeSeconds)*time.Second)+" old")
	}
	return []string{branch + name, strings.ToLower(s.Kind), took, strings.Join(said, ", ")}
}

func saidBy(source string) string {
	if source == "BACKEND" {
		return "the model server said so"
	}
	return "we inferred it"
}
