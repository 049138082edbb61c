package fallback

import (
	"context"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/defect"
)

// memberShares is how much more time the members get than one remedial backend: a member that hangs must not use up what the
// stages after it need.
const memberShares = 2

// shareOfTime is ctx with the deadline for a stage that counts for shares, where the stages after it count for one each.
func shareOfTime(ctx context.Context, shares, after int) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok || after == 0 {
		return ctx, func() {}
	}
	left := time.Until(deadline)
	return context.WithTimeout(ctx, left-left*time.Duration(after)/time.Duration(shares+after))
}

// askMembers calls every member at once and waits for each until its own deadline.
func (e *Ensemble) askMembers(ctx context.Context, rows []int, ask Ask) []Stage {
	stages := make([]Stage, len(e.Members))
	waits := make([]func() Stage, len(e.Members))
	for i, m := range e.Members {
		mctx, cancel := ctx, context.CancelFunc(func() {})
		if m.Timeout > 0 {
			mctx, cancel = context.WithTimeout(ctx, m.Timeout)
		}
		defer cancel()
		waits[i] = begin(mctx, candorv1.StepKind_STEP_KIND_MEMBER, m.Backend, rows, ask)
	}
	for i, wait := range waits {
		stages[i] = wait()
		stages[i].Parent = e.Name
	}
	return stages
}

// begin asks one backend in a goroutine of its own. wait answers when it has, or soon after ctx has ended. A panic of ask's becomes one
// of wait's.
func begin(ctx context.Context, kind candorv1.StepKind, backend string, rows []int, ask Ask) (wait func() Stage) {
	start := time.Now()
	reply, broke := make(chan Stage, 1), make(chan any, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				broke <- defect.Carried(p)
			}
		}()
		r := ask(ctx, backend, rows)
		reply <- stageOf(kind, backend, rows, r, start)
	}()
	return func() Stage {
		select {
		case s := <-reply:
			return s
		case p := <-broke:
			panic(p)
		case <-ctx.Done():
		}
		took := time.Since(start)
		timer := time.NewTimer(graceForReply)
		defer timer.Stop()
		select {
		case s := <-reply:
			return s
		case p := <-broke:
			panic(p)
		case <-timer.C:
		}
		return Stage{
			Kind: kind, Name: backend, Rows: rows, Start: start, Duration: took,
			Failure: &Failure{
				Reason: candorv1.Reason_REASON_DEADLINE, Source: candorv1.FailureSource_FAILURE_SOURCE_INFERRED,
				Detail: context.Cause(ctx).Error(),
			},
		}
	}
}

// graceForReply is how long an Ask whose context has ended may take to say so itself: its own account of the failure (a
// breaker that opened, a server that refused) is better than ours.
const graceForReply = 2 * time.Millisecond
