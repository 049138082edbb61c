package explain

import (
	"fmt"
	"strings"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/review"
)

// review tells what became of an item, from its creation to its last answer.
func (p *printer) review(title string, r *Review) {
	p.line("\n%s", title)
	p.field("item", r.Item)
	state := strings.ToLower(r.State)
	switch {
	case r.audit():
		p.field("kind", "an audit: the coin chose the row, nobody waits for the verdict")
	case r.Verdict != nil:
		// Until there is an answer every item is held; that says nothing.
		state += ", " + strings.ToLower(r.ReleaseState)
	}
	p.field("queue", cli.Plain(r.Queue)+", "+state)
	p.field("appealed", cli.Plain(r.AppealReason))
	p.field("created", fmt.Sprintf("%s, expected loss %s", cli.Time(r.Created), cli.Number(r.ExpectedLoss)))
	if r.Claims > 0 {
		claimed := cli.Count(r.Claims, "time")
		if r.Holder != "" {
			claimed += ", now by " + cli.Plain(r.Holder)
		}
		if r.LeaseUntil != nil {
			claimed += " until " + cli.Time(*r.LeaseUntil)
		}
		p.field("claimed", claimed)
	}
	p.field("deadline", fmt.Sprintf("%s, then %s", cli.Time(r.Deadline), strings.ToLower(r.OnExpire)))
	if e := r.Escalation; e != nil {
		p.field("escalated", fmt.Sprintf("from %s by %s: %s", cli.Plain(e.From), cli.Plain(e.By), cli.Plain(e.Note)))
	}
	p.field("joined", cli.Plain(review.IDOf(r.JoinedTo)))
	p.answers(r)
	p.field("prediction", cli.Plain(r.PredictionTrace))
	p.field("its review", cli.Plain(r.ReviewTrace))
	p.history(r.Events)
}

// answers are the answer, what each reviewer said where there were several or none has decided, and what it replaced.
func (p *printer) answers(r *Review) {
	if v := r.Verdict; v != nil {
		since := " after the prediction"
		if r.appeal() {
			since = " after it was asked for"
		}
		p.field("verdict", verdictLine(v)+", "+cli.Span(v.Time.Sub(r.Created))+since)
		if v.Confidence != nil {
			p.field("sure", cli.Number(*v.Confidence))
		}
		p.field("reason", cli.Plain(v.Reason))
		p.field("note", cli.Plain(v.Note))
	}
	if r.UndoUntil != nil {
		p.field("not final", "until "+cli.Time(*r.UndoUntil)+" it can be changed or undone")
	}
	if len(r.Said) > 1 || r.Verdict == nil {
		for i := range r.Said {
			p.field("said", verdictLine(&r.Said[i]))
		}
	}
	for i := range r.Superseded {
		p.field("before", verdictLine(&r.Superseded[i]))
	}
}

func verdictLine(v *Verdict) string {
	by := cli.Plain(v.Author)
	if by == "" {
		by = "the models" // An appeal disputes what no person said.
	}
	text := fmt.Sprintf("%q by %s at %s", v.Answer, by, cli.Time(v.Time))
	if v.FirstAnswer != "" {
		text += fmt.Sprintf(", first %q", v.FirstAnswer)
	}
	if v.Blind {
		text += ", blind"
	}
	if v.Adjudication {
		text += ", over reviewers who disagreed"
	}
	return text
}

// history is what happened, oldest first.
func (p *printer) history(events []Event) {
	if len(events) == 0 {
		return
	}
	p.line("\n  what happened")
	var rows [][]string
	for _, e := range events {
		said := e.Note
		if e.Answer != "" {
			said = strings.TrimSpace(fmt.Sprintf("%q %s", e.Answer, e.Note))
		}
		rows = append(rows, []string{"    " + cli.Time(e.Time), strings.ToLower(strings.ReplaceAll(e.What, "_", " ")), e.Who, e.Queue, said})
	}
	_ = cli.Columns(&p.Builder, rows) // a strings.Builder doesn't fail
}
