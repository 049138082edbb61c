package explain

import (
	"time"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Review is what became of a row that somebody was to judge.
type Review struct {
	Item string `json:"item"`
	// Kind is DEFERRED or AUDIT; empty: who asks may not know.
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
	HeldBy  string   `json:"held_by,omitempty"`
	Verdict *Verdict `json:"verdict,omitempty"`
}

// Verdict is the final answer of a review item.
type Verdict struct {
	Answer     string    `json:"answer"`
	Author     string    `json:"author"`
	Time       time.Time `json:"time"`
	Confidence *float64  `json:"confidence,omitempty"`
	Reason     string    `json:"reason,omitempty"`
	Note       string    `json:"note,omitempty"`
}

// addReview lays what a review item says over its row.
func (row *Row) addReview(item *candorv1.ReviewItem) {
	r := &Review{
		Item: item.GetName(), Queue: item.GetQueue(), State: cli.Enum(item.GetState()), ReleaseState: cli.Enum(item.GetReleaseState()),
		Created: item.GetCreateTime().AsTime(), Deadline: item.GetExpireTime().AsTime(), OnExpire: cli.Enum(item.GetOnExpire()),
		Claims: item.GetEpoch(), ExpectedLoss: item.GetExpectedLoss(), HeldBy: item.GetHeldBy(),
	}
	if item.GetKind() != 0 {
		r.Kind = cli.Enum(item.GetKind())
	}
	if item.GetState() == candorv1.ReviewState_REVIEW_STATE_CLAIMED {
		r.Holder = item.GetHolder()
		if t := item.GetLeaseExpireTime(); t != nil {
			until := t.AsTime()
			r.LeaseUntil = &until
		}
	}
	row.Review = r
	over := item.GetState() == candorv1.ReviewState_REVIEW_STATE_RESOLVED || item.GetState() == candorv1.ReviewState_REVIEW_STATE_EXPIRED
	if !over {
		return
	}
	released := item.GetReleaseState() == candorv1.ReleaseState_RELEASE_STATE_RELEASED
	if v := item.GetVerdict(); v.GetAnswer() != nil {
		r.Verdict = &Verdict{
			Answer: verdictText(v), Author: v.GetAuthor(), Time: v.GetCreateTime().AsTime(), Confidence: v.Confidence,
			Reason: v.GetReason(), Note: v.GetNote(),
		}
	}
	if r.audit() {
		// The answer had left long before.
		return
	}
	if r.Verdict == nil || !released {
		row.State, row.Answer, row.AnsweredBy = cli.Enum(candorv1.AnswerState_ANSWER_STATE_WITHHELD), "", ""
		return
	}
	row.State, row.Answer, row.AnsweredBy = cli.Enum(candorv1.AnswerState_ANSWER_STATE_FINAL), r.Verdict.Answer, r.Verdict.Author
}

// audit says that nobody waited for the verdict: the coin chose the row.
func (r *Review) audit() bool { return r.Kind == cli.Enum(candorv1.ReviewKind_REVIEW_KIND_AUDIT) }

func verdictText(v *candorv1.Verdict) string {
	if a, ok := v.GetAnswer().(*candorv1.Verdict_Value); ok {
		return cli.Quantity(a.Value)
	}
	return v.GetLabel()
}
