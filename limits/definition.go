package limits

import (
	"errors"
	"fmt"
	"strings"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// largestMaxCount bounds the memory of one limit (16 bytes for each release in the window); the configuration has the same.
const largestMaxCount = 1_000_000

// Definition is one configured action limit: in any span of length Window at most MaxCount answers that mean Action are released,
// or answers whose amounts come to at most MaxCount, or a share of others.
type Definition struct {
	// Name is unique, and the key of everything stored about the limit: a limit that keeps its name keeps its latch and its
	// count, whatever else about it changes. What it counts may not change under one name, nor whether it has a key: what is stored
	// would mean something else. It has no slash, which separates the name from a key.
	Name string
	// Action that is bounded; never empty.
	Action string
	// Model and Consumer narrow the limit to one of them; empty: all, counted together.
	Model, Consumer string
	// MaxCount is between 1 and 1,000,000; of a sum between 1 and 1e15 Units; of a ratio 0.
	MaxCount int64
	// Amount is what is summed; empty: answers are counted. An amount of 0 deducts nothing, and only a latch withholds it.
	Amount Source
	// Unit of the Amount, for people: "USD cents".
	Unit string
	// Ratio makes the bound a share of other answers; nil: it is MaxCount.
	Ratio *Ratio
	// Key makes of the limit one for each value of it, with its own window, leases and latch; empty: there is one. Their names are
	// those of KeyName.
	Key Source
	// MaxKeys is how many values of Key have one of their own at a time, at most 100,000; 0: 10,000. Further ones share one.
	MaxKeys int64
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
	case strings.Contains(d.Name, keySeparator):
		return fmt.Errorf("limits: %s: the name has a slash, which separates a name from a key: rename it", d.Name)
	case d.Window <= 0:
		return fmt.Errorf("limits: %s: window is %v: choose a span above 0", d.Name, d.Window)
	}
	if err := d.kinded(); err != nil {
		return err
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
	// Inputs that the limits want; see Gate.Sources. Others do no harm. The Gate keeps none of them.
	Inputs []Input
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
	// Invalid: withheld because an input that Limit wants was missing or faulty. Err says which and the remedy. Nothing has latched,
	// and nothing is deducted.
	Invalid bool
	// DryRunLimits are the limits in dry run that would have withheld the answer, in order of name.
	DryRunLimits []string
	// Trips that hold Limit and the DryRunLimits, where they have tripped. One with the answer's PredictionID is its own doing.
	Trips []Trip
	// Err is why Unavailable is set. With Limit set and Unavailable not, it says that the limit holds, but that its latch
	// could not be stored yet: the next answer that meets it tries again.
	Err error
	// Permit gives back what was deducted, by Gate.Refund.
	Permit Permit
}
