package web

import (
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/people"
)

// What can be done about an item beside answering it: a senior replaces a final answer, makes a known answer of it or opens an
// appeal; an administrator removes its input. Each form is there for those who have the role, and the service decides.

// corrections are the forms of an item's page for this person.
type corrections struct {
	// Replace a final answer; nil: there is none, or the person is no senior.
	Replace *answerForm
	// Golden makes a question of the item; nil as Replace, or the input is gone.
	Golden *goldenForm
	// Appeal is the address of the form for an appeal; empty: none.
	Appeal string
	// Remove the input; nil: it is gone, or the person is no administrator.
	Remove *removeForm
	// Tried is which of them was refused: its verb; empty: none.
	Tried     string
	RequestID string
}

// tried is one of the corrections as it was entered; its zero value: none was.
type tried struct {
	verb             string
	entered          entered
	queue, tolerance string
	why              string
}

// Verbs of the corrections, as their addresses have them.
const (
	verbSupersede = "supersede"
	verbGolden    = "golden"
	verbRemove    = "delete-payload"
)

// goldenForm says what is right for the item.
type goldenForm struct {
	Labels           []choice
	Value, Tolerance string
	Unit             string
	Queues           []choice
}

// removeForm says why the input has to go.
type removeForm struct {
	Why string
	// Open: somebody still has to judge the item, and could not any more.
	Open bool
}

func (s *Server) correctionsOf(p *itemPage, it *candorv1.ReviewItem, queues []*candorv1.ReviewQueue, who people.Person, t tried) *corrections {
	c := &corrections{Tried: t.verb, RequestID: p.RequestID}
	kept := len(it.GetPayload().GetTensors()) > 0
	if who.Has(candorv1.Role_ROLE_SENIOR) && it.GetFinalTime() != nil && it.GetKind() != candorv1.ReviewKind_REVIEW_KIND_GOLDEN {
		c.Replace = s.formOf(it, p.Queue, t.of(verbSupersede).entered)
		c.Replace.Action, c.Replace.Kind, c.Replace.In = "/items/"+p.ID+"/"+verbSupersede, formReplace, p.In
		c.Replace.Reasons, c.Replace.RequireReason = nil, true // those of the queue are for its reviewers' answers
		if kept {
			c.Golden = goldenFormOf(it, queues, t.of(verbGolden))
		}
		if it.GetPredictionId() != "" {
			c.Appeal = appealPath(it)
		}
	}
	if who.Has(candorv1.Role_ROLE_ADMIN) && kept {
		c.Remove = &removeForm{Why: t.of(verbRemove).why, Open: p.Open}
	}
	if c.Replace == nil && c.Remove == nil {
		return nil
	}
	return c
}

// of is what was entered for a verb.
func (t tried) of(verb string) tried {
	if t.verb != verb {
		return tried{}
	}
	return t
}

// goldenFormOf is filled with the item's own answer, or what was entered.
func goldenFormOf(it *candorv1.ReviewItem, queues []*candorv1.ReviewQueue, t tried) *goldenForm {
	e, queue := t.entered, t.queue
	if t.verb == "" {
		e, queue = enteredFrom(it.GetVerdict()), it.GetQueue()
	}
	f := &goldenForm{Value: e.Value, Tolerance: t.tolerance, Unit: it.GetUnit()}
	for _, l := range it.GetLabels() {
		f.Labels = append(f.Labels, choice{Value: l, Text: plain(l), Chosen: l == e.Label})
	}
	for _, q := range queues {
		if name := queueName(q.GetName()); q.GetMember() || name == it.GetQueue() {
			f.Queues = append(f.Queues, choice{Value: name, Text: plain(name), Chosen: name == queue})
		}
	}
	return f
}

// correct finds the item of a form, and answers its page again where the form is refused.
func (s *Server) correct(w http.ResponseWriter, r *http.Request, v *visit, t tried, done string, act func(name string) error) error {
	name, err := itemName(r)
	if err != nil {
		return err
	}
	if err := act(name); err != nil {
		return s.showTried(w, r, v, entered{}, t, err)
	}
	http.Redirect(w, r, itemPath(name, r.PostFormValue("in"), done), http.StatusSeeOther)
	return nil
}

// supersede replaces a final answer.
func (s *Server) supersede(w http.ResponseWriter, r *http.Request, v *visit) error {
	t := tried{verb: verbSupersede, entered: enteredOf(r)}
	return s.correct(w, r, v, t, "superseded", func(name string) error {
		verdict, err := t.entered.verdict()
		if err != nil {
			return err
		}
		ctx, cancel := s.call(r, v)
		defer cancel()
		_, err = s.review.SupersedeVerdict(ctx, &candorv1.SupersedeVerdictRequest{
			Name: name, Verdict: verdict, RequestId: requestID(r), Etag: r.PostFormValue("etag"),
		})
		return err
	})
}

// makeGolden makes a known answer of an item.
func (s *Server) makeGolden(w http.ResponseWriter, r *http.Request, v *visit) error {
	t := tried{verb: verbGolden, entered: enteredOf(r), queue: r.PostFormValue("queue"), tolerance: r.PostFormValue("tolerance")}
	return s.correct(w, r, v, t, "known", func(name string) error {
		verdict, err := t.entered.verdict()
		if err != nil {
			return err
		}
		golden := &candorv1.GoldenItem{Queue: t.queue, Answer: &candorv1.VerdictAnswer{}}
		switch a := verdict.GetAnswer().(type) {
		case *candorv1.Verdict_Label:
			golden.Answer.Answer = &candorv1.VerdictAnswer_Label{Label: a.Label}
		case *candorv1.Verdict_Value:
			golden.Answer.Answer = &candorv1.VerdictAnswer_Value{Value: a.Value}
		}
		if text := strings.TrimSpace(t.tolerance); text != "" {
			golden.Tolerance, err = strconv.ParseFloat(text, 64)
			if err != nil || !(golden.Tolerance >= 0) || math.IsInf(golden.Tolerance, 0) {
				return badForm("How far an answer may be off is a number from 0 on", "Write it as in 0.5, or leave it empty for exactly.")
			}
		}
		ctx, cancel := s.call(r, v)
		defer cancel()
		_, err = s.review.CreateGoldenItem(ctx, &candorv1.CreateGoldenItemRequest{Item: name, Golden: golden, RequestId: requestID(r)})
		return err
	})
}

// removePayload removes an item's input. The service asks for the role and records who did it and why; the page asks for a second
// thought.
func (s *Server) removePayload(w http.ResponseWriter, r *http.Request, v *visit) error {
	t := tried{verb: verbRemove, why: strings.TrimSpace(r.PostFormValue("why"))}
	return s.correct(w, r, v, t, "emptied", func(name string) error {
		switch {
		case r.PostFormValue("sure") != "on":
			return badForm("The removal is not confirmed", "Tick that it can't be undone, then remove.")
		case t.why == "":
			return badForm("There is no reason", "Say who asked for it, or why it has to go.")
		}
		ctx, cancel := s.call(r, v)
		defer cancel()
		_, err := s.review.DeleteReviewPayload(ctx, &candorv1.DeleteReviewPayloadRequest{Name: name, Reason: t.why, RequestId: requestID(r)})
		return err
	})
}

// appealPath is the form for an appeal against the answer of an item.
func appealPath(it *candorv1.ReviewItem) string {
	q := url.Values{"prediction": {it.GetPredictionId()}, "row": {strconv.FormatUint(uint64(it.GetRow()), 10)}}
	if it.GetField() != "" {
		q.Set("field", it.GetField())
	}
	return "/appeal?" + q.Encode()
}
