package backend

import (
	"context"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Observer is told what backends do, for metrics and traces. Its methods are called outside of every lock, may be called by
// several goroutines at once, and must return soon and not panic: a call waits for them.
type Observer interface {
	// Attempt is called after each call that was made, with the context that Infer got: before Infer returns, but for one that was
	// given up because another of the same Infer was faster. Calls that we refused without asking the model server are no attempts.
	Attempt(ctx context.Context, a Attempt)
	// BreakerChanged is called once per change of state, in order. A breaker goes from open to half-open only when somebody
	// asks: a gauge must read Backend.Status, which asks, or it shows open for as long as there are no calls.
	BreakerChanged(backend string, from, to candorv1.BreakerState)
}

// Attempt is one call to a model server.
type Attempt struct {
	Backend, Model, Version string
	// Number counts the attempts of one Infer from 1.
	Number int
	// Start is when it was sent.
	Start    time.Time
	Duration time.Duration
	// RequestBytes and ResponseBytes are message lengths; ResponseBytes is 0 without an answer.
	RequestBytes, ResponseBytes int
	// Replica is the address of the replica that was called; empty where the backend has one address.
	Replica string
	// Failure is nil when there is an answer.
	Failure *Failure
	// Verdict is what the check said about the answer.
	Verdict Verdict
	// Hedge: it was made beside one that was slow.
	Hedge bool
	// Waited is how long it waited for its place in flight, before Start; 0: not at all.
	Waited time.Duration
	// Lost: it was given up because another attempt of the same Infer was faster. Its Failure says so, and counts for nothing.
	Lost bool
}
