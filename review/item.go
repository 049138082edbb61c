package review

import (
	"strconv"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Item is one review item. It is a value: changing one changes nothing in the store.
type Item struct {
	// ID is a UUIDv7 in its 36-character form.
	ID           string
	Queue        string
	State        candorv1.ReviewState
	Release      candorv1.ReleaseState
	PredictionID string
	Row          uint32
	// Field of the row; empty: the model has one.
	Field        string
	Model        string
	Backend      string
	ModelVersion string
	Consumer     string
	Reasons      []candorv1.Reason
	// ExpectedLoss orders the queue; at least 0.
	ExpectedLoss float64
	Created      time.Time
	// Deadline is the item's own; no heartbeat moves it.
	Deadline time.Time
	OnExpire candorv1.ExpireAction
	// DefaultLabel or DefaultValue is the policy's typed default answer; both unset: none.
	DefaultLabel string
	DefaultValue *float64
	// Holder, Epoch and LeaseUntil are the lease. Epoch is the fencing token: it rises with every claim and never falls. ClaimedAt is
	// when the lease began; of an item that was answered, when the last one did.
	Holder     string
	Epoch      uint64
	LeaseUntil time.Time
	ClaimedAt  time.Time
	// Labels are what a verdict may say; empty: a value in Unit.
	Labels []string
	Unit   string
	// Payload is the row's input; nil in lists, after retention, or when all of it is redacted.
	Payload *candorv1.ReviewPayload
	// Answers are every stage's, so that one verdict scores all of them.
	Answers     []*candorv1.StageAnswer
	Traceparent string
	// SamplingProbability in (0,1]: 1 for a deferred row.
	SamplingProbability float64
	// Kind says whether a caller waits for the answer, or the row is judged only to know how good such answers are (or how good the
	// reviewer is). Only answers that somebody waits for are in the feed, and ask the action limits.
	Kind candorv1.ReviewKind
	// Sequences has one element per certificate that the row is evidence for; empty: none.
	Sequences []Sequence
	// Input is the digest of the row's input, 16 bytes, and Cluster that of what it shares its fate with: each enters a
	// certificate once. Nil: not known, none. Of a new item only: a store answers neither.
	Input, Cluster []byte
	PolicyDigest   []byte

	// Wanted is the most reviewers that the item gets, Agree how many of them must say the same; both at least 1. Values within
	// Tolerance of one another are the same.
	Wanted, Agree uint32
	Tolerance     float64
	// Verdicts that were given and not taken back, oldest first, at most one of each reviewer.
	Verdicts []*candorv1.Verdict
	// Adjudication: reviewers disagreed, and only a senior who hasn't judged it may claim the item.
	Adjudication bool
	// UndoUntil: the verdict is settled, and becomes final then; zero: nothing is settled, or it is final.
	UndoUntil time.Time
	// Verdict is the answer, once there is one; Author of the default action is "policy/on_expire". It is final when FinalTime is set.
	Verdict   *candorv1.Verdict
	FinalTime time.Time
	// Agreeing is how many verdicts say what Verdict says.
	Agreeing uint32
	// HeldBy is the limit that holds the final answer; empty: none.
	HeldBy string
	// Action that the final answer means.
	Action string
	// FinalReason says how it ended: REASON_VERDICT, REASON_REVIEW_EXPIRED, REASON_MODEL_REPLACED or REASON_SUPERSEDED.
	FinalReason candorv1.Reason
	// LimitInputs are what the limits ask of the row's request: amounts and keys. A final answer passes the limits with them, whenever it
	// comes.
	LimitInputs []*candorv1.LimitInput
	// Superseded are earlier final answers, newest first.
	Superseded []*candorv1.Verdict

	// Excluded reviewers don't get the item.
	Excluded []Exclusion
	// EscalationNote is the last one, with its author and the queue that the item came from.
	EscalationNote, EscalatedBy, EscalatedFrom string
	// AppealReason is what an appeal says.
	AppealReason string
	// ModelReplaced: another version of the model is served than the one that deferred the row.
	ModelReplaced bool
	// Golden is the id of the question that the item shows, GoldenAnswer what is right, within GoldenTolerance; empty: it is none.
	Golden          string
	GoldenAnswer    *candorv1.VerdictAnswer
	GoldenTolerance float64

	// Join lets the item share the answer of an identical one; nil: it doesn't. Of a new item only.
	Join *Join
	// JoinedTo is the item whose answer this one gets; empty: its own. Joined counts the items that get this one's.
	JoinedTo string
	Joined   uint32

	// Revision rises with every change.
	Revision uint64
	// Repeated: the act had been done before, by the same request id, and has changed nothing now. Never stored.
	Repeated bool
}

// Exclusion keeps an item from a reviewer.
type Exclusion struct {
	Reviewer string
	// Until; zero: for ever.
	Until time.Time
}

// Join looks for an item with the same Key that nobody has answered, made at or after Since, with less than Max items joined to it.
type Join struct {
	// Key is a digest of input, model version and policy, 16 bytes.
	Key   []byte
	Since time.Time
	Max   uint32
}

// Sequence is a row's part in the evidence of one certificate. All sequences of one call for one certificate are one unit, with
// one number in the certificate's order, which the store gives them in the transaction that records the call.
type Sequence struct {
	// Certificate is the id (digest.version) of the one in force when the row was decided.
	Certificate string
	// Number is set by the store; 0: the row doesn't count (the grid is not frozen, the input or its cluster was in before, the
	// certificate has ended since).
	Number uint64
	// Probability in (0,1] with which the row was chosen, and Least, the least that any row of the call could get.
	Probability, Least float64
	// Confidence of the certificate's stage, in [0,1], and its answer: a label or a value.
	Confidence float64
	Label      string
	Value      *float64
	// Accepted: at or above the licensed threshold, so that the alarm watches it.
	Accepted bool
	// Foreign: another version of the model answered under this certificate. Only the alarm watches it.
	Foreign bool
}

// Etag changes with every change of the item.
func (i *Item) Etag() string { return strconv.FormatUint(i.Revision, 10) }

// Open says that the item waits for a person's answer.
func (i *Item) Open() bool {
	return i.State == candorv1.ReviewState_REVIEW_STATE_PENDING || i.State == candorv1.ReviewState_REVIEW_STATE_CLAIMED
}

// Final says that the answer can't be undone any more.
func (i *Item) Final() bool { return !i.FinalTime.IsZero() }

// Awaited says that somebody waits for the answer: it goes into the feed, past the action limits.
func (i *Item) Awaited() bool {
	return i.Kind != candorv1.ReviewKind_REVIEW_KIND_AUDIT && i.Kind != candorv1.ReviewKind_REVIEW_KIND_GOLDEN
}

// verdictOf is the verdict of a reviewer; nil: there is none.
func (i *Item) verdictOf(reviewer string) *candorv1.Verdict {
	for _, v := range i.Verdicts {
		if v.GetAuthor() == reviewer {
			return v
		}
	}
	return nil
}

func (i *Item) excludes(reviewer string, now time.Time) bool {
	for _, x := range i.Excluded {
		if x.Reviewer == reviewer && (x.Until.IsZero() || x.Until.After(now)) {
			return true
		}
	}
	return false
}
