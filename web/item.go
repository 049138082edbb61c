package web

import (
	"context"
	"math"
	"net/http"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// itemPage is what the page of an item shows.
type itemPage struct {
	itemRow
	Queue   *candorv1.ReviewQueue
	Payload payload
	// Form to answer by; nil: the person doesn't hold the item, and hasn't just tried to answer it.
	Form *answerForm
	// Outcome of the person's own answer; nil: there is none.
	Outcome *outcome
	// May claim it.
	May bool
	// Problem is why what was tried just now was refused; nil: nothing was.
	Problem *problem
	// Done says what was done on the way here; empty: nothing.
	Done string
	// In is the queue that the person works through; empty: any.
	In        string
	RequestID string
	Stages    []stage
	Why       []string
	Events    []event
	// Wants are what a limit can't count the held answer without; MayCount: the person may say it, Counted the reason that was entered.
	Wants    []wantRow
	MayCount bool
	Counted  string
	// Correct is what seniors and administrators can do about the item; nil: nothing.
	Correct *corrections
}

// done are the words of what the address of a page says was done.
var done = map[string]string{
	"skipped": "Skipped. This is the next item.", "escalated": "Escalated. This is the next item.", "undone": "Undone. The item is yours again.",
	"revised": "Changed.", "claimed": "The item is yours.", "superseded": "The answer is replaced. The caller is told.",
	"counted": "Stated. The answer leaves as soon as its limits let it.",
	"known":   "It is a known answer from now on: reviewers are measured by it.", "emptied": "The input is removed for good. Its digest is left.",
}

// outcome is what comes of the person's own answer.
type outcome struct {
	Verdict *candorv1.Verdict
	Said    string
	// First is the answer before it was changed; empty: it wasn't.
	First string
	// Model is what the model said, Same whether it is the same; ModelKnown false: nothing is known of it.
	Model      string
	ModelKnown bool
	Same       bool
	// Left of the window in which it can be changed; 0: it can't.
	Left time.Duration
	// Until is when that is over.
	Until time.Time
	// Final: it has been released, or is held by a limit alone.
	Final  bool
	Change *answerForm
}

// Seconds that are left, for the page's script.
func (o outcome) Seconds() int { return int(math.Ceil(o.Left.Seconds())) }

// LeaseSeconds that are left, for the page's script.
func (p itemPage) LeaseSeconds() int { return int(p.Lease.Seconds()) }

// stage is what a stage answered, compared with what the person did.
type stage struct {
	Name, Version, Said string
	// Confidence in [0,1]; Known: there is one.
	Confidence float64
	Known      bool
	// Compared: the person has answered; Same: it says the same.
	Compared, Same bool
}

type event struct {
	At                      time.Time
	What, Actor, Said, Note string
	Queue                   string
}

func itemName(r *http.Request) (string, error) {
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		return "", &fault{Status: http.StatusNotFound, Title: "There is no such item", Remedy: "Its id is not one. Look in the list of items."}
	}
	return "reviewItems/" + id.String(), nil
}

func (s *Server) getItem(ctx context.Context, r *http.Request) (*candorv1.ReviewItem, error) {
	name, err := itemName(r)
	if err != nil {
		return nil, err
	}
	resp, err := s.review.GetReviewItem(ctx, &candorv1.GetReviewItemRequest{Name: name})
	return resp.GetItem(), err
}

func (s *Server) item(w http.ResponseWriter, r *http.Request, v *visit) error {
	return s.showItem(w, r, v, entered{}, nil)
}

// showItem renders the page of an item: with what was entered for an answer, where that could not be taken, and why.
func (s *Server) showItem(w http.ResponseWriter, r *http.Request, v *visit, e entered, refused error) error {
	return s.showTried(w, r, v, e, tried{}, refused)
}

// showTried also has what was tried of the corrections.
func (s *Server) showTried(w http.ResponseWriter, r *http.Request, v *visit, e entered, t tried, refused error) error {
	ctx, cancel := s.call(r, v)
	defer cancel()
	it, err := s.getItem(ctx, r)
	if err != nil {
		return err
	}
	queues, err := s.review.ListReviewQueues(ctx, &candorv1.ListReviewQueuesRequest{})
	if err != nil {
		return err
	}
	p := &itemPage{
		itemRow: itemRowOf(it, v), In: r.FormValue("in"), Done: done[r.URL.Query().Get("done")], RequestID: newRequestID(),
		Payload: payloadOf(it.GetPayload(), "/items/"+idOf(it.GetName())),
	}
	for _, q := range queues.GetQueues() {
		if queueName(q.GetName()) == it.GetQueue() {
			p.Queue = q
		}
	}
	p.describe(s, it, v, e)
	p.Wants, p.MayCount, p.Counted = wantRowsOf(it, r), v.Person.Has(candorv1.Role_ROLE_OPERATOR), t.of(verbCount).why
	p.Correct = s.correctionsOf(p, it, queues.GetQueues(), v.Person, t)
	if p.Events, err = s.eventsOf(ctx, it); err != nil {
		return err
	}
	code := http.StatusOK
	if refused != nil {
		why := s.problemOf(r, refused)
		p.Problem, code = &why, why.Status
	}
	return s.render(w, r, v, view{Template: "item", Title: "Item " + shortID(it.GetName()), Section: "/items", Status: code, Data: p})
}

// describe decides what the person can do here.
func (p *itemPage) describe(s *Server, it *candorv1.ReviewItem, v *visit, e entered) {
	reviewer := v.Person.Has(candorv1.Role_ROLE_REVIEWER)
	own := ownVerdict(it, v.Person.Name)
	switch {
	case own != nil && !p.Mine:
		p.Outcome = p.outcomeOf(s, it, own, e)
	case p.Mine:
		p.Form = s.formOf(it, p.Queue, e)
	default:
		p.May = reviewer && p.Queue.GetMember() && it.GetState() == candorv1.ReviewState_REVIEW_STATE_PENDING
		if !e.empty() {
			p.Form = s.formOf(it, p.Queue, e)
			p.Form.Off = true
		}
	}
	if p.Form != nil {
		p.Form.Action, p.Form.In = "/items/"+p.ID+"/resolve", p.In
	}
	for i, a := range it.GetAnswers() {
		st := stageOf(a, it.GetUnit())
		if own != nil {
			st.Compared, st.Same = true, sameAnswer(own, a)
			if i == 0 && p.Outcome != nil {
				p.Outcome.Model, p.Outcome.Same, p.Outcome.ModelKnown = st.Said, st.Same, true
			}
		}
		p.Stages = append(p.Stages, st)
	}
	if it.GetKind() != candorv1.ReviewKind_REVIEW_KIND_UNSPECIFIED {
		p.Why = append(p.Why, short(it.GetKind()))
	}
	for _, reason := range it.GetReasons() {
		p.Why = append(p.Why, short(reason))
	}
}

func (p *itemPage) outcomeOf(s *Server, it *candorv1.ReviewItem, own *candorv1.Verdict, e entered) *outcome {
	o := &outcome{Verdict: own, Said: answerText(own, it.GetUnit()), Final: it.GetFinalTime() != nil}
	switch a := own.GetFirstAnswer().GetAnswer().(type) {
	case *candorv1.VerdictAnswer_Label:
		o.First = a.Label
	case *candorv1.VerdictAnswer_Value:
		o.First = withUnit(a.Value, it.GetUnit())
	}
	if p.Undo > 0 && !o.Final {
		o.Left, o.Until = p.Undo, it.GetUndoUntil().AsTime()
		filled := e
		if e.empty() {
			filled = enteredFrom(own)
		}
		o.Change = s.formOf(it, p.Queue, filled)
		o.Change.Action, o.Change.Kind, o.Change.In = "/items/"+p.ID+"/revise", formChange, p.In
	}
	return o
}

func stageOf(a *candorv1.StageAnswer, unit string) stage {
	st := stage{Name: a.GetStage(), Version: a.GetVersion(), Said: a.GetLabel(), Confidence: a.GetConfidence(), Known: a.Confidence != nil}
	if a.Value != nil {
		st.Said = withUnit(a.GetValue(), unit)
	}
	if st.Said == "" {
		st.Said = "no answer"
	}
	return st
}

func sameAnswer(v *candorv1.Verdict, a *candorv1.StageAnswer) bool {
	switch said := v.GetAnswer().(type) {
	case *candorv1.Verdict_Label:
		return said.Label == a.GetLabel()
	case *candorv1.Verdict_Value:
		return a.Value != nil && said.Value == a.GetValue()
	}
	return false
}

// eventsOf is the item's history; none for those who may not know it yet.
func (s *Server) eventsOf(ctx context.Context, it *candorv1.ReviewItem) ([]event, error) {
	resp, err := s.review.ListReviewEvents(ctx, &candorv1.ListReviewEventsRequest{Name: it.GetName()})
	if c := status.Code(err); c == codes.PermissionDenied || c == codes.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []event
	for _, one := range resp.GetEvents() {
		e := event{At: one.GetCreateTime().AsTime(), What: short(one.GetKind()), Actor: one.GetActor(), Note: one.GetNote()}
		if one.GetKind() == candorv1.ReviewEventKind_REVIEW_EVENT_KIND_CREATED || one.GetKind() == candorv1.ReviewEventKind_REVIEW_EVENT_KIND_ESCALATED {
			e.Queue = one.GetQueue()
		}
		if one.GetVerdict() != nil {
			e.Said = answerText(one.GetVerdict(), it.GetUnit())
		}
		out = append(out, e)
	}
	return out, nil
}
