package fallback

import (
	"context"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/router"
)

// Ask asks one backend for these rows (indices into the caller's batch, ascending; not to be changed). It is called by several
// goroutines at once, one for each member. It should return soon after ctx ends: Run goes on without a member whose Ask
// doesn't, so it may still run when Run has returned, but waits for a remedial backend's. A panic in it is not recovered.
type Ask func(ctx context.Context, backend string, rows []int) Reply

// Reply is one backend's answer to an Ask.
type Reply struct {
	// Evidence has one element per row asked, in order; nil with a Failure.
	Evidence []router.Evidence
	Failure  *Failure
	// Version served, and Unix seconds of its creation.
	Version  string
	Created  int64
	Attempts int
}

// Failure says why a stage has no answer, and who said so.
type Failure struct {
	Reason candorv1.Reason
	Source candorv1.FailureSource
	Detail string
}

// Ensemble is several backends whose answers are combined.
type Ensemble struct {
	Name, Version string
	Members       []Member
	// Quorum is the fewest members that must have a usable answer for a row.
	Quorum int
	// Labels in the order of every member's probabilities.
	Labels []string
	// Method makes the combined confidence.
	Method candorv1.ConfidenceMethod
	// Remedial is asked for rows below the quorum; nil: they stay unanswered.
	Remedial *Remedial
}

// Member is a backend with the longest that the ensemble waits for it; 0: as long as the caller's deadline allows.
type Member struct {
	Backend string
	Timeout time.Duration
}

// Remedial is the stage after a missed quorum: a backend, or a label that a person declared.
type Remedial struct {
	Backend       string
	ConstantLabel string
}

// Stage is what was asked, for the record. A member that had not answered when its time was up has no Version, Created and
// Attempts.
type Stage struct {
	Kind          candorv1.StepKind
	Name, Version string
	// Parent is the ensemble that a member answered for.
	Parent string
	// Created is when its version was made, Unix seconds; 0: not known.
	Created  int64
	Duration time.Duration
	Attempts int
	// Rows that it was asked for, and its Evidence per row of them; nil with a Failure.
	Rows     []int
	Evidence []router.Evidence
	Failure  *Failure
}

// Result is the outcome of a run.
type Result struct {
	// Evidence has one element per row asked, in order. A row that nobody could answer has faulty Evidence.
	Evidence []router.Evidence
	// AnsweredBy has, per row, the index into Stages of the stage whose answer Evidence is; -1: none.
	AnsweredBy []int
	// Stages in the order: members as configured, the ensemble itself, the remedial stage if it was asked.
	Stages []Stage
}

// remedialShare of the remaining time is kept back for a remedial backend: a member that hangs must not use up what the stage
// after it needs.
const remedialShare = 3

// Run asks the members for rows, at least one, in parallel and combines row by row. Its latency is that of the slowest member
// that is still allowed to answer, plus the remedial stage's where one is asked. It has no error: what failed stands in the
// Stages, and a row without an answer has faulty Evidence. It keeps rows.
func (e *Ensemble) Run(ctx context.Context, rows []int, ask Ask) Result {
	start := time.Now()
	membersCtx := ctx
	if deadline, ok := ctx.Deadline(); ok && e.Remedial != nil && e.Remedial.Backend != "" {
		left := time.Until(deadline)
		var cancel context.CancelFunc
		membersCtx, cancel = context.WithTimeout(ctx, left-left/remedialShare)
		defer cancel()
	}
	res := Result{Evidence: make([]router.Evidence, len(rows)), AnsweredBy: make([]int, len(rows))}
	res.Stages = e.askMembers(membersCtx, rows, ask)

	combined := Stage{Kind: candorv1.StepKind_STEP_KIND_ENSEMBLE, Name: e.Name, Version: e.Version, Rows: rows}
	combined.Evidence = make([]router.Evidence, len(rows))
	var missed []int
	for i := range rows {
		ev, ok := e.combine(res.Stages, i)
		combined.Evidence[i], res.Evidence[i], res.AnsweredBy[i] = ev, ev, len(res.Stages)
		if !ok {
			res.AnsweredBy[i] = -1
			missed = append(missed, i)
		}
	}
	combined.Duration = time.Since(start)
	if len(missed) == len(rows) {
		combined.Failure = &Failure{
			Reason: candorv1.Reason_REASON_QUORUM_MISSED, Source: candorv1.FailureSource_FAILURE_SOURCE_INFERRED,
			Detail: res.Evidence[missed[0]].Detail,
		}
	}
	res.Stages = append(res.Stages, combined)
	if len(missed) > 0 && e.Remedial != nil {
		e.remedy(ctx, rows, missed, ask, &res)
	}
	return res
}

// askMembers calls every member at once and waits for each until its own deadline.
func (e *Ensemble) askMembers(ctx context.Context, rows []int, ask Ask) []Stage {
	start := time.Now()
	stages := make([]Stage, len(e.Members))
	replies := make([]chan Stage, len(e.Members))
	ctxs := make([]context.Context, len(e.Members))
	for i, m := range e.Members {
		mctx, cancel := ctx, context.CancelFunc(func() {})
		if m.Timeout > 0 {
			mctx, cancel = context.WithTimeout(ctx, m.Timeout)
		}
		ctxs[i], replies[i] = mctx, make(chan Stage, 1)
		defer cancel()
		go func() {
			r := ask(mctx, m.Backend, rows)
			replies[i] <- stageOf(candorv1.StepKind_STEP_KIND_MEMBER, m.Backend, rows, r, time.Since(start))
		}()
	}
	for i, m := range e.Members {
		select {
		case stages[i] = <-replies[i]:
		case <-ctxs[i].Done():
			stages[i] = late(ctxs[i], replies[i], m.Backend, rows, time.Since(start))
		}
		stages[i].Parent = e.Name
	}
	return stages
}

// graceForReply is how long an Ask whose context has ended may take to say so itself: its own account of the failure (a
// breaker that opened, a server that refused) is better than ours.
const graceForReply = 2 * time.Millisecond

func late(ctx context.Context, reply <-chan Stage, backend string, rows []int, took time.Duration) Stage {
	timer := time.NewTimer(graceForReply)
	defer timer.Stop()
	select {
	case s := <-reply:
		return s
	case <-timer.C:
	}
	return Stage{
		Kind: candorv1.StepKind_STEP_KIND_MEMBER, Name: backend, Rows: rows, Duration: took,
		Failure: &Failure{
			Reason: candorv1.Reason_REASON_DEADLINE, Source: candorv1.FailureSource_FAILURE_SOURCE_INFERRED,
			Detail: context.Cause(ctx).Error(),
		},
	}
}

// remedy asks the remedial stage for the rows at positions missed, in one sub-batch.
func (e *Ensemble) remedy(ctx context.Context, rows, missed []int, ask Ask, res *Result) {
	start := time.Now()
	asked := make([]int, len(missed))
	for j, i := range missed {
		asked[j] = rows[i]
	}
	var stage Stage
	if e.Remedial.Backend == "" {
		stage = Stage{Kind: candorv1.StepKind_STEP_KIND_CONSTANT, Name: e.Name + "/constant", Version: e.Version, Rows: asked}
		for range asked {
			stage.Evidence = append(stage.Evidence, e.constant())
		}
	} else {
		r := ask(ctx, e.Remedial.Backend, asked)
		stage = stageOf(candorv1.StepKind_STEP_KIND_REMEDIAL, e.Remedial.Backend, asked, r, time.Since(start))
	}
	for j, i := range missed {
		quorum := res.Evidence[i]
		if stage.Failure != nil || len(stage.Evidence[j].Faults) > 0 {
			res.Evidence[i].Notes = append(quorum.Notes, candorv1.Reason_REASON_FALLBACK_EXHAUSTED)
			continue
		}
		ev := stage.Evidence[j]
		ev.Notes = []candorv1.Reason{candorv1.Reason_REASON_QUORUM_MISSED, candorv1.Reason_REASON_REMEDIAL}
		res.Evidence[i], res.AnsweredBy[i] = ev, len(res.Stages)
	}
	res.Stages = append(res.Stages, stage)
}

// constant is the Evidence of a declared label: it claims no confidence.
func (e *Ensemble) constant() router.Evidence {
	ev := router.Evidence{Stage: e.Name + "/constant", Label: e.Remedial.ConstantLabel, Labels: e.Labels, Top: -1, Unconditional: true}
	for i, l := range e.Labels {
		if l == ev.Label {
			ev.Top = i
		}
	}
	return ev
}

// stageOf makes the record of a Reply, and a Failure of one that doesn't fit the rows asked.
func stageOf(kind candorv1.StepKind, name string, rows []int, r Reply, took time.Duration) Stage {
	s := Stage{
		Kind: kind, Name: name, Version: r.Version, Created: r.Created, Duration: took, Attempts: r.Attempts, Rows: rows,
		Evidence: r.Evidence, Failure: r.Failure,
	}
	if s.Failure == nil && len(r.Evidence) != len(rows) {
		s.Evidence = nil
		s.Failure = &Failure{
			Reason: candorv1.Reason_REASON_CONTRACT_FAILURE, Source: candorv1.FailureSource_FAILURE_SOURCE_INFERRED,
			Detail: "another number of rows than was asked for",
		}
	}
	return s
}
