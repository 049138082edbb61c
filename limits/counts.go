package limits

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Counts says what the limit counts, in words. Under one name it stays the same: what is stored means something else otherwise.
func (d *Definition) Counts() string {
	var of string
	switch {
	case d.Ratio != nil && d.Ratio.Denominator == nil:
		of = "the share of " + strconv.Quote(d.Action) + " in every answer"
	case d.Ratio != nil:
		var actions []string
		for _, a := range slices.Compact(slices.Sorted(slices.Values(d.Ratio.Denominator))) {
			actions = append(actions, strconv.Quote(a))
		}
		of = "the share of " + strconv.Quote(d.Action) + " in " + strings.Join(actions, ", ")
	case d.Amount != "":
		of = "a sum of " + strconv.Quote(d.Unit)
	default:
		of = "answers"
	}
	return of
}

// countsByKey is Counts, and whether it has a key, which doesn't change while the process runs: what is in memory is of the one or the other.
func (d *Definition) countsByKey() string {
	if d.Key == "" {
		return d.Counts()
	}
	return d.Counts() + ", for each key"
}

// CountsError: what a limit counts isn't what is stored under its name.
type CountsError struct {
	Limit string
	// Stored and Now are of Definition.Counts; where only a reload refuses it, they say whether it has a key, too.
	Stored, Now string
}

// Error names the limit, what has changed, and the remedy.
func (e *CountsError) Error() string {
	return fmt.Sprintf("limits: %s: what it counts has changed, from %s to %s: give it another name, because what is stored under this one, "+
		"its count and its latch, means something else", e.Limit, e.Stored, e.Now)
}

// SameCounts answers a *CountsError for the first name, in their order, of which something else is stored. Stores call it in Declare, too.
func SameCounts(now, stored map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if before, ok := stored[name]; ok && before != now[name] {
			return &CountsError{Limit: name, Stored: before, Now: now[name]}
		}
	}
	return nil
}

// recognize makes sure that the definitions count what they did whenever the store was used before, by whichever Gate. It notes nothing: what is
// refused afterwards for another reason takes no name. So declare has the last word.
func (g *Gate) recognize(ctx context.Context, defs []Definition) error {
	if len(defs) == 0 {
		return nil
	}
	stored, err := g.store.Declared(ctx)
	if err != nil {
		return fmt.Errorf("limits: what they count can't be held against what is stored: %w", err)
	}
	return SameCounts(countsOf(defs), stored)
}

// declare notes what the definitions count. Where another Gate was first since recognize, with something else, that holds.
func (g *Gate) declare(ctx context.Context, defs []Definition) error {
	if len(defs) == 0 {
		return nil
	}
	err := g.store.Declare(ctx, countsOf(defs))
	if changed := (*CountsError)(nil); errors.As(err, &changed) {
		return changed
	}
	if err != nil {
		return fmt.Errorf("limits: what they count can't be stored: %w", err)
	}
	return nil
}

// countsOf is what definitions count, by their names.
func countsOf(defs []Definition) map[string]string {
	counts := make(map[string]string, len(defs))
	for i := range defs {
		counts[defs[i].Name] = defs[i].Counts()
	}
	return counts
}
