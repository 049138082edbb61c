package explain

import (
	"cmp"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// Review is what became of a row that somebody was to judge.
type Review struct {
	Item string `json:"item"`
	// Kind is DEFERRED, AUDIT or APPEAL; empty: who asks may not know.
	Kind         string     `json:"kind,omitempty"`
	Queue        string     `json:"queue"`
	State        string     `json:"state"`
	ReleaseState string     `json:"release_state"`
	Created      time.Time  `json:"create_time"`
	Deadline     time.Time  `json:"expire_time"`
	OnExpire     string     `json:"on_expire"`
	Claims       uint64     `json:"claims"`
	Holder       string     `json:"holder,omitempty"`
	LeaseUntil   *time.Time `json:"lease_expire_time,omitempty"`
	ExpectedLoss float64    `json:"expected_loss"`
	// HeldBy is the limit that holds the final answer.
	HeldBy string `json:"held_by,omitempty"`
	// LimitWants are the amounts and keys without which limits can't count it: an operator has to say them. Empty also in a store that is read
	// without its gateway.
	LimitWants []string `json:"limit_wants,omitempty"`
	// Verdict is the answer; until UndoUntil it can be changed or undone.
	Verdict   *Verdict   `json:"verdict,omitempty"`
	UndoUntil *time.Time `json:"undo_until,omitempty"`
	FinalTime *time.Time `json:"final_time,omitempty"`
	// Said is what each reviewer said, oldest first, and Superseded what was the answer before, newest first.
	Said       []Verdict   `json:"said,omitempty"`
	Superseded []Verdict   `json:"superseded,omitempty"`
	Escalation *Escalation `json:"escalation,omitempty"`
	// AppealReason is what an appeal says.
	AppealReason string `json:"appeal_reason,omitempty"`
	// JoinedTo is the item whose answer this one gets.
	JoinedTo string `json:"joined_to,omitempty"`
	// Links to the prediction's trace and the review's own, or their traceparents where nobody says where traces are.
	PredictionTrace string `json:"prediction_trace,omitempty"`
	ReviewTrace     string `json:"review_trace,omitempty"`
	// Events are the item's history; empty: who asks may not know it.
	Events []Event `json:"events,omitempty"`
}

// Verdict is an answer of a person or a policy.
type Verdict struct {
	Answer     string    `json:"answer"`
	Author     string    `json:"author"`
	Time       time.Time `json:"time"`
	Confidence *float64  `json:"confidence,omitempty"`
	Reason     string    `json:"reason,omitempty"`
	Note       string    `json:"note,omitempty"`
	// FirstAnswer was given before the model's was shown, and changed.
	FirstAnswer  string `json:"first_answer,omitempty"`
	Blind        bool   `json:"blind,omitempty"`
	Adjudication bool   `json:"adjudication,omitempty"`
}

// Escalation is the last one.
type Escalation struct {
	From string `json:"from"`
	By   string `json:"by"`
	Note string `json:"note"`
}

// Event is something that happened to an item.
type Event struct {
	What   string    `json:"what"`
	Who    string    `json:"who"`
	Time   time.Time `json:"time"`
	Queue  string    `json:"queue,omitempty"`
	Answer string    `json:"answer,omitempty"`
	Note   string    `json:"note,omitempty"`
}

func reviewOf(item *candorv1.ReviewItem, events []*candorv1.ReviewEvent) *Review {
	r := &Review{
		Item: item.GetName(), Queue: item.GetQueue(), State: cli.Enum(item.GetState()), ReleaseState: cli.Enum(item.GetReleaseState()),
		Created: item.GetCreateTime().AsTime(), Deadline: item.GetExpireTime().AsTime(), OnExpire: cli.Enum(item.GetOnExpire()),
		Claims: item.GetEpoch(), ExpectedLoss: item.GetExpectedLoss(), HeldBy: item.GetHeldBy(),
		UndoUntil: moment(item.GetUndoUntil()), FinalTime: moment(item.GetFinalTime()), AppealReason: item.GetAppealReason(), JoinedTo: item.GetJoinedTo(),
		PredictionTrace: cmp.Or(item.GetTraceUrl(), item.GetTraceparent()), ReviewTrace: cmp.Or(item.GetReviewTraceUrl(), item.GetReviewTraceparent()),
		Said: verdictsOf(item.GetVerdicts()), Superseded: verdictsOf(item.GetSuperseded()),
	}
	for _, w := range item.GetLimitWants() {
		r.LimitWants = append(r.LimitWants, w.GetSource())
	}
	if item.GetKind() != 0 {
		r.Kind = cli.Enum(item.GetKind())
	}
	if item.GetState() == candorv1.ReviewState_REVIEW_STATE_CLAIMED {
		r.Holder, r.LeaseUntil = item.GetHolder(), moment(item.GetLeaseExpireTime())
	}
	if item.GetEscalatedFrom() != "" {
		r.Escalation = &Escalation{From: item.GetEscalatedFrom(), By: item.GetEscalatedBy(), Note: item.GetEscalationNote()}
	}
	if v := item.GetVerdict(); v.GetAnswer() != nil {
		told := verdictOf(v)
		r.Verdict = &told
	}
	for _, e := range events {
		note := e.GetNote()
		if note == "" {
			note = e.GetVerdict().GetReason()
		}
		r.Events = append(r.Events, Event{
			What: cli.Enum(e.GetKind()), Who: e.GetActor(), Time: e.GetCreateTime().AsTime(), Queue: e.GetQueue(), Answer: verdictText(e.GetVerdict()), Note: note,
		})
	}
	return r
}

func verdictsOf(vs []*candorv1.Verdict) []Verdict {
	var out []Verdict
	for _, v := range vs {
		out = append(out, verdictOf(v))
	}
	return out
}

func verdictOf(v *candorv1.Verdict) Verdict {
	out := Verdict{
		Answer: verdictText(v), Author: v.GetAuthor(), Time: v.GetCreateTime().AsTime(), Confidence: v.Confidence, Reason: v.GetReason(), Note: v.GetNote(),
		Blind: v.GetBlind(), Adjudication: v.GetAdjudication(),
	}
	if first := v.GetFirstAnswer(); first != nil {
		out.FirstAnswer = answerOf(first)
	}
	return out
}

func moment(t *timestamppb.Timestamp) *time.Time {
	if t == nil {
		return nil
	}
	at := t.AsTime()
	return &at
}

// over says that the item has its final answer, or never gets one.
func (r *Review) over() bool {
	if r.UndoUntil != nil {
		return false
	}
	return slices.Contains([]string{"RESOLVED", "EXPIRED", "WITHDRAWN"}, r.State)
}

// addReview lays what a review item says over its row.
func (row *Row) addReview(item *candorv1.ReviewItem, events []*candorv1.ReviewEvent) {
	r := reviewOf(item, events)
	if r.appeal() {
		row.Appeals = append(row.Appeals, r)
	} else {
		row.Review = r
	}
	// An audited row's answer had left long before, and an appealed one's stands until there is another.
	if !r.over() || r.audit() {
		return
	}
	if r.Verdict == nil || item.GetReleaseState() != candorv1.ReleaseState_RELEASE_STATE_RELEASED {
		if !r.appeal() {
			row.State, row.Answer, row.AnsweredBy = cli.Enum(candorv1.AnswerState_ANSWER_STATE_WITHHELD), "", ""
		}
		return
	}
	row.State, row.Answer, row.AnsweredBy = cli.Enum(candorv1.AnswerState_ANSWER_STATE_FINAL), r.Verdict.Answer, r.Verdict.Author
}

// appeal says that somebody disputed the row's answer.
func (r *Review) appeal() bool { return r.Kind == cli.Enum(candorv1.ReviewKind_REVIEW_KIND_APPEAL) }

// audit says that nobody waited for the verdict: the coin chose the row.
func (r *Review) audit() bool { return r.Kind == cli.Enum(candorv1.ReviewKind_REVIEW_KIND_AUDIT) }

func verdictText(v *candorv1.Verdict) string { return answerOf(review.AnswerOf(v)) }

func answerOf(a *candorv1.VerdictAnswer) string {
	if v, ok := a.GetAnswer().(*candorv1.VerdictAnswer_Value); ok {
		return cli.Quantity(v.Value)
	}
	return a.GetLabel()
}
