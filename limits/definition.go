package limits

import (
	"errors"
	"fmt"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// largestMaxCount bounds the memory of one limit (8 bytes for each release in the window); the configuration has the same.
const largestMaxCount = 1_000_000

// Definition is one configured action limit: at most MaxCount answers that mean Action are released in any span of length
// Window.
type Definition struct {
	// Name is unique, and the key of everything stored about the limit: a limit that keeps its name keeps its latch and its
	// count, whatever else about it changes.
	Name string
	// Action that is bounded; never empty.
	Action string
	// Model and Consumer narrow the limit to one of them; empty: all, counted together.
	Model, Consumer string
	// MaxCount is between 1 and 1,000,000.
	MaxCount int64
	// Window slides: a release at t counts in (now-Window, now], so it no longer does at t+Window. Above 0. History that a
	// shorter window has let go isn't known to a longer one under the same name.
	Window time.Duration
	// OnTrip is what becomes of a withheld answer; see Route.
	OnTrip candorv1.OnTrip
	// DryRun counts and reports, and withholds nothing.
	DryRun bool
	// After a trip.
	After Aftermath
}

func (d Definition) covers(model, consumer string) bool {
	return (d.Model == "" || d.Model == model) && (d.Consumer == "" || d.Consumer == consumer)
}

func (d Definition) validate() error {
	switch {
	case d.Name == "":
		return errors.New("limits: a definition without a name: give every limit one")
	case d.Action == "":
		return fmt.Errorf("limits: %s: action is empty: name the action that is bounded", d.Name)
	case d.MaxCount < 1 || d.MaxCount > largestMaxCount:
		return fmt.Errorf("limits: %s: max_count is %d: choose 1 to %d", d.Name, d.MaxCount, largestMaxCount)
	case d.Window <= 0:
		return fmt.Errorf("limits: %s: window is %v: choose a span above 0", d.Name, d.Window)
	}
	return d.After.validate(d.Name)
}

// Answer is one row's answer that is about to be released.
type Answer struct {
	// Action that the answer means, by the policy's declaration; empty: none, which no limit bounds.
	Action string
	// Model and Consumer are the names that the limits' scopes use.
	Model, Consumer string
	// PredictionID is told in the alert if this answer trips a limit.
	PredictionID string
}

// Verdict is the Gate's word on one answer.
type Verdict struct {
	// Released: the answer may leave. Everything it needed is deducted.
	Released bool
	// Limit that withheld it; empty: none.
	Limit string
	// OnTrip of that limit.
	OnTrip candorv1.OnTrip
	// Unavailable: withheld because the limit's store didn't answer (or the Gate is closed), not because the limit was
	// reached; nothing has latched.
	Unavailable bool
	// DryRunLimits are the limits in dry run that would have withheld the answer, in order of name.
	DryRunLimits []string
	// Err is why Unavailable is set. With Limit set and Unavailable not, it says that the limit holds, but that its latch
	// could not be stored yet: the next answer that meets it tries again.
	Err error
	// Permit gives back what was deducted, by Gate.Refund.
	Permit Permit
}
