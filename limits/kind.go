package limits

import (
	"errors"
	"fmt"
	"slices"
)

// largestSum bounds what a limit of a sum may bound, in whole units: sums of two stay far below an int64.
const largestSum = 1_000_000_000_000_000

// Bounds of MaxKeys: each key in use has its own counts, leases and latch in memory.
const (
	defaultMaxKeys = 10_000
	largestMaxKeys = 100_000
)

// Source names where an amount or a key comes from, as the configuration does: "parameter:notional" or "input:features[3]".
type Source string

// Input is the value of one source for one answer.
type Input struct {
	Source Source
	// Amount in whole units, at least 0, where a limit sums it.
	Amount int64
	// Key where a limit has one for each.
	Key string
	// Fault says in plain words what is wrong with it (missing, negative, not a number) and the remedy; empty: nothing is.
	Fault string
}

// Ratio bounds answers by a share of others.
type Ratio struct {
	// Denominator is the actions that the share is of; nil: every released answer of the limit's scope. It stays the same under one name: what
	// was counted by another means something else.
	Denominator []string
	// SharePPM is the largest share, parts per million, 1 to 999,999.
	SharePPM int64
	// MinCount is what the denominator counts as at least. The share of it is at least one answer.
	MinCount int64
}

// kinded checks the fields that say what the limit counts.
func (d Definition) kinded() error {
	switch {
	case d.Ratio != nil && d.Amount != "":
		return fmt.Errorf("limits: %s: it has an amount and a ratio: make two limits of it", d.Name)
	case d.Ratio != nil:
		if err := d.Ratio.validate(d); err != nil {
			return err
		}
	case d.Amount != "" && (d.MaxCount < 1 || d.MaxCount > largestSum):
		return fmt.Errorf("limits: %s: the sum's bound is %d: choose 1 to %d", d.Name, d.MaxCount, int64(largestSum))
	case d.Amount != "" && d.Unit == "":
		return fmt.Errorf("limits: %s: unit is empty: say what the sum is of, like USD cents", d.Name)
	case d.Amount == "" && (d.MaxCount < 1 || d.MaxCount > largestMaxCount):
		return fmt.Errorf("limits: %s: max_count is %d: choose 1 to %d", d.Name, d.MaxCount, largestMaxCount)
	}
	switch {
	case d.Amount == "" && d.Unit != "":
		return fmt.Errorf("limits: %s: it has a unit and no amount: remove the unit, or name the amount", d.Name)
	case d.Key == "" && d.MaxKeys != 0:
		return fmt.Errorf("limits: %s: it has max_keys and no key: remove max_keys, or name the key", d.Name)
	case d.MaxKeys < 0 || d.MaxKeys > largestMaxKeys:
		return fmt.Errorf("limits: %s: max_keys is %d: choose 1 to %d", d.Name, d.MaxKeys, largestMaxKeys)
	}
	return nil
}

func (r *Ratio) validate(d Definition) error {
	switch {
	case d.MaxCount != 0:
		return fmt.Errorf("limits: %s: it has a ratio and max_count %d: make two limits of it", d.Name, d.MaxCount)
	case r.SharePPM < 1 || r.SharePPM >= whole:
		return fmt.Errorf("limits: %s: the share is %d millionths: choose 1 to %d", d.Name, r.SharePPM, whole-1)
	case r.Denominator != nil && len(r.Denominator) == 0 || slices.Contains(r.Denominator, ""):
		return fmt.Errorf("limits: %s: the denominator has no action, or an empty one: name actions, or take every answer", d.Name)
	}
	return r.minCount(d.Name)
}

// most is what bound never passes.
func (d *Definition) most() int64 {
	if d.Ratio != nil {
		return largestSum
	}
	return d.MaxCount
}

// maxKeys is MaxKeys, or the default.
func (d Definition) maxKeys() int {
	if d.MaxKeys == 0 {
		return defaultMaxKeys
	}
	return int(d.MaxKeys)
}

var (
	errNoInput  = errors.New("the answer has no value for it: send one with every request that the limit bounds")
	errNegative = errors.New("the amount is below 0: send 0 or more")
)

// input answers the answer's value of a source.
func (a *Answer) input(s Source) (Input, error) {
	for i := range a.Inputs {
		in := &a.Inputs[i]
		if in.Source != s {
			continue
		}
		if in.Fault != "" {
			return Input{}, errors.New(in.Fault)
		}
		return *in, nil
	}
	return Input{}, errNoInput
}

// need answers what the limit deducts for the answer: its amount, or 1.
func (d *Definition) need(a *Answer) (int64, error) {
	if d.Amount == "" {
		return 1, nil
	}
	in, err := a.input(d.Amount)
	if err == nil && in.Amount < 0 {
		err = errNegative
	}
	if err != nil {
		return 0, fmt.Errorf("limits: %s: %s: %w", d.Name, d.Amount, err)
	}
	return in.Amount, nil
}

// key answers the answer's key of a limit that has one.
func (d *Definition) key(a *Answer) (string, error) {
	in, err := a.input(d.Key)
	if err != nil {
		return "", fmt.Errorf("limits: %s: %s: %w", d.Name, d.Key, err)
	}
	return in.Key, nil
}

// Sources answers what Acquire wants Inputs of for such an answer, each once; nil: nothing.
func (g *Gate) Sources(action, model, consumer string) []Source {
	var out []Source
	for _, l := range g.roster.Load().meets.of(action) {
		if !l.def.covers(model, consumer) {
			continue
		}
		for _, s := range [...]Source{l.def.Amount, l.def.Key} {
			if s != "" && !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	return out
}
