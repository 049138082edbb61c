package desk

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// facts writes lines of a name and what there is to say; a line that would say nothing is left out.
type facts struct{ *strings.Builder }

func (f facts) add(name, format string, args ...any) {
	if text := cli.Plain(fmt.Sprintf(format, args...)); text != "" {
		fmt.Fprintf(f, "  %-10s %s\n", name, text)
	}
}

// writeFacts says everything of an item but its input and the models' answers.
func writeFacts(b *strings.Builder, i *candorv1.ReviewItem) {
	f := facts{b}
	fmt.Fprintf(b, "item %s\n", review.IDOf(i.GetName()))
	state := strings.ToLower(cli.Enum(i.GetState()))
	if i.GetFinalTime() != nil {
		// Until there is an answer every item is held; that says nothing.
		state += ", " + strings.ToLower(cli.Enum(i.GetReleaseState()))
	}
	f.add("queue", "%s, %s", i.GetQueue(), state)
	f.add("from", "%s", from(i))
	f.add("because", "%s", because(i))
	if i.GetPredictionId() != "" {
		f.add("prediction", "%s, row %d", i.GetPredictionId(), i.GetRow())
	}
	f.add("field", "%s", i.GetField())
	f.add("created", "%s", cli.Time(i.GetCreateTime().AsTime()))
	f.add("deadline", "%s", deadline(i))
	if i.GetState() == candorv1.ReviewState_REVIEW_STATE_CLAIMED {
		f.add("claimed", "by %s until %s, epoch %d", i.GetHolder(), cli.Time(i.GetLeaseExpireTime().AsTime()), i.GetEpoch())
	}
	if i.GetReviewers() > 1 {
		f.add("reviewers", "up to %d, of whom %d must agree", i.GetReviewers(), i.GetAgree())
	}
	if i.GetAdjudication() && !finished(i) {
		f.add("disagreed", "the reviewers disagree, and a senior decides")
	}
	if i.GetModelReplaced() {
		f.add("replaced", "another version of the model is served by now")
	}
	if i.GetEscalatedFrom() != "" {
		f.add("escalated", "from %s by %s: %s", i.GetEscalatedFrom(), i.GetEscalatedBy(), i.GetEscalationNote())
	}
	f.add("appeal", "%s", i.GetAppealReason())
	if i.GetJoined() > 0 {
		f.add("shared", "with %s of identical rows", cli.Count(i.GetJoined(), "item"))
	}
	if i.GetJoinedTo() != "" {
		f.add("joined", "%s, whose answer it gets", review.IDOf(i.GetJoinedTo()))
	}
	writeVerdicts(f, i)
	f.add("trace", "%s", cmp.Or(i.GetTraceUrl(), i.GetTraceparent()))
	f.add("its review", "%s", cmp.Or(i.GetReviewTraceUrl(), i.GetReviewTraceparent()))
}

// from says whose the row is. Who judges it is told the model, and no more.
func from(i *candorv1.ReviewItem) string {
	text := i.GetModel()
	if i.GetModelVersion() != "" {
		text += " version " + i.GetModelVersion()
	}
	if i.GetConsumer() != "" {
		text += ", asked by " + i.GetConsumer()
	}
	return text
}

func deadline(i *candorv1.ReviewItem) string {
	text := cli.Time(i.GetExpireTime().AsTime())
	if i.GetOnExpire() != candorv1.ExpireAction_EXPIRE_ACTION_UNSPECIFIED {
		text += ", then " + strings.ToLower(cli.Enum(i.GetOnExpire()))
	}
	return text
}

// because is why there is an item, as far as the caller may know.
func because(i *candorv1.ReviewItem) string {
	text := reasons(i.GetReasons())
	if k := i.GetKind(); k != candorv1.ReviewKind_REVIEW_KIND_UNSPECIFIED && k != candorv1.ReviewKind_REVIEW_KIND_DEFERRED {
		text = strings.TrimSuffix(strings.ToLower(cli.Enum(k))+", "+text, ", ")
	}
	return text
}

// writeVerdicts shows the answer, what each reviewer said where they were several, and what it replaced.
func writeVerdicts(f facts, i *candorv1.ReviewItem) {
	if v := i.GetVerdict(); v != nil {
		f.add("verdict", "%s", verdictLine(v))
		f.add("reason", "%s", v.GetReason())
		f.add("note", "%s", v.GetNote())
	}
	if i.GetUndoUntil() != nil {
		f.add("not final", "until %s it can be changed or undone", cli.Time(i.GetUndoUntil().AsTime()))
	}
	f.add("held by", "%s", i.GetHeldBy())
	for _, w := range i.GetLimitWants() {
		f.add("wants", "%s", wantText(w, review.IDOf(i.GetName())))
	}
	if len(i.GetVerdicts()) > 1 || i.GetVerdict() == nil {
		for _, v := range i.GetVerdicts() {
			f.add("said", "%s", verdictLine(v))
		}
	}
	for _, v := range i.GetSuperseded() {
		f.add("before", "%s", verdictLine(v))
	}
}

// verdictLine is a verdict in a line, with what was answered first where it was changed.
func verdictLine(v *candorv1.Verdict) string {
	text := fmt.Sprintf("%q by %s at %s", verdictText(v), v.GetAuthor(), cli.Time(v.GetCreateTime().AsTime()))
	if v.GetFirstAnswer() != nil {
		text += fmt.Sprintf(", first %q", answerText(v.GetFirstAnswer()))
	}
	if v.GetBlind() {
		text += ", blind"
	}
	if v.GetAdjudication() {
		text += ", over reviewers who disagreed"
	}
	return text
}
