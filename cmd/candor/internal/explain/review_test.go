package explain

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

func at(minutes int) *timestamppb.Timestamp {
	return timestamppb.New(madeAt.Add(time.Duration(minutes) * time.Minute))
}

func label(text, author string, minutes int) *candorv1.Verdict {
	return &candorv1.Verdict{Answer: &candorv1.Verdict_Label{Label: text}, Author: author, CreateTime: at(minutes)}
}

// accepted is a row whose answer left at once, with these items.
func accepted(items ...*candorv1.ReviewItem) source {
	return source{
		made: madeAt, items: items, events: map[string][]*candorv1.ReviewEvent{},
		record: &candorv1.PredictionRecord{PredictionId: id[:], Stages: stages()[:1], Rows: []*candorv1.RowRecord{{
			Route: accept, AppliedRoute: accept, State: candorv1.AnswerState_ANSWER_STATE_FINAL, AnsweredBy: 1, Label: "a",
		}}},
	}
}

// told is the part of the story that begins with a review.
func told(t *testing.T, s source) (Row, string) {
	t.Helper()
	var b strings.Builder
	story := tell(s)
	if err := write(&b, story); err != nil {
		t.Fatal(err)
	}
	_, result, _ := strings.Cut(b.String(), "\nresult\n")
	_, review, _ := strings.Cut(result, "\n\n")
	return story.Rows[0], review
}

func TestStoryOfAnAppeal(t *testing.T) {
	answer := label("c", "sid\x1b[2J", 30)
	answer.FirstAnswer = &candorv1.VerdictAnswer{Answer: &candorv1.VerdictAnswer_Label{Label: "b"}}
	answer.Blind, answer.Adjudication = true, true
	item := &candorv1.ReviewItem{
		Name: "reviewItems/r2", Queue: "experts", Kind: candorv1.ReviewKind_REVIEW_KIND_APPEAL, State: candorv1.ReviewState_REVIEW_STATE_RESOLVED,
		ReleaseState: candorv1.ReleaseState_RELEASE_STATE_RELEASED, CreateTime: at(10), ExpireTime: at(60), OnExpire: candorv1.ExpireAction_EXPIRE_ACTION_REJECT,
		Epoch: 3, ExpectedLoss: 1, AppealReason: "it is no a", Verdict: answer, FinalTime: at(31),
		Verdicts: []*candorv1.Verdict{label("a", "ana", 12), label("b", "ben", 15), answer}, Superseded: []*candorv1.Verdict{label("a", "", 0)},
		EscalatedFrom: "desk", EscalatedBy: "ana", EscalationNote: "too hard",
		TraceUrl: "https://t/1", ReviewTraceparent: "00-22-33-01",
	}
	s := accepted(item)
	s.events["reviewItems/r2"] = []*candorv1.ReviewEvent{
		{Kind: candorv1.ReviewEventKind_REVIEW_EVENT_KIND_CREATED, Actor: "shop", CreateTime: at(10), Queue: "desk"},
		{Kind: candorv1.ReviewEventKind_REVIEW_EVENT_KIND_LEASE_LOST, Actor: "ana", CreateTime: at(11), Queue: "desk"},
		{Kind: candorv1.ReviewEventKind_REVIEW_EVENT_KIND_ESCALATED, Actor: "ana", CreateTime: at(12), Queue: "experts", Note: "too hard"},
		{Kind: candorv1.ReviewEventKind_REVIEW_EVENT_KIND_ANSWERED, Actor: "sid", CreateTime: at(30), Queue: "experts", Verdict: answer},
	}
	row, got := told(t, s)
	if row.Answer != "c" || row.State != "FINAL" || row.Review != nil || len(row.Appeals) != 1 || len(row.Appeals[0].Events) != 4 {
		t.Errorf("row %+v", row)
	}
	const want = `appeal
  item       reviewItems/r2
  queue      experts, resolved, released
  appealed   it is no a
  created    2026-11-21T02:10:00Z, expected loss 1.00
  claimed    3 times
  deadline   2026-11-21T03:00:00Z, then reject
  escalated  from desk by ana: too hard
  verdict    "c" by sid\x1b[2J at 2026-11-21T02:30:00Z, first "b", blind, over reviewers who disagreed, 20 min after it was asked for
  said       "a" by ana at 2026-11-21T02:12:00Z
  said       "b" by ben at 2026-11-21T02:15:00Z
  said       "c" by sid\x1b[2J at 2026-11-21T02:30:00Z, first "b", blind, over reviewers who disagreed
  before     "a" by the models at 2026-11-21T02:00:00Z
  prediction https://t/1
  its review 00-22-33-01

  what happened
    2026-11-21T02:10:00Z  created     shop  desk
    2026-11-21T02:11:00Z  lease lost  ana   desk
    2026-11-21T02:12:00Z  escalated   ana   experts  too hard
    2026-11-21T02:30:00Z  answered    sid   experts  "c"
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// What can still be undone is not the answer yet; an appeal leaves the answer that it disputes where it is until there is another.
func TestAnswersThatAreNotFinal(t *testing.T) {
	open := &candorv1.ReviewItem{
		Name: "reviewItems/r1", State: candorv1.ReviewState_REVIEW_STATE_RESOLVED, ReleaseState: candorv1.ReleaseState_RELEASE_STATE_HELD,
		CreateTime: at(0), ExpireTime: at(60), Verdict: label("b", "ana", 2), UndoUntil: at(3),
	}
	s := accepted(open)
	s.record.Rows[0] = &candorv1.RowRecord{Route: deferred, AppliedRoute: deferred, State: candorv1.AnswerState_ANSWER_STATE_PENDING}
	row, got := told(t, s)
	if row.State != "PENDING" || row.Answer != "" || !strings.Contains(got, "not final  until 2026-11-21T02:03:00Z it can be changed or undone") {
		t.Errorf("state %s, answer %q:\n%s", row.State, row.Answer, got)
	}
	for _, state := range []candorv1.ReviewState{candorv1.ReviewState_REVIEW_STATE_PENDING, candorv1.ReviewState_REVIEW_STATE_EXPIRED} {
		appeal := &candorv1.ReviewItem{
			Name: "reviewItems/r2", Kind: candorv1.ReviewKind_REVIEW_KIND_APPEAL, State: state, ReleaseState: candorv1.ReleaseState_RELEASE_STATE_HELD,
			CreateTime: at(10), ExpireTime: at(60),
		}
		if row, _ := told(t, accepted(appeal)); row.State != "FINAL" || row.Answer != "a" {
			t.Errorf("%v: state %s, answer %q", state, row.State, row.Answer)
		}
	}
}
