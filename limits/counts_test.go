package limits

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
)

// whatIsCounted are definitions of one name of which each counts something else.
func whatIsCounted() []Definition {
	count := declines(10, 1)
	cents := count
	cents.Amount, cents.Unit = "parameter:cents", "EUR cents"
	dollars := cents
	dollars.Unit = "USD"
	ratio := count
	ratio.MaxCount, ratio.Ratio = 0, &Ratio{SharePPM: 100_000, MinCount: 100}
	of := ratio
	of.Ratio = &Ratio{SharePPM: 100_000, MinCount: 100, Denominator: []string{"approve", "decline"}}
	approved := of
	approved.Action = "approve"
	return []Definition{count, cents, dollars, ratio, of, approved}
}

// TestWhatIsCountedStays: over a restart, and while the gateway runs, a limit that counts something else under its name is refused, before the
// store is asked for anything else.
func TestWhatIsCountedStays(t *testing.T) {
	all := whatIsCounted()
	for _, make := range []func(testing.TB) *memStore{newMemStore, newSharedStore} {
		for i, before := range all {
			st := make(t)
			g := newGate(t, st, epoch, Options{}, before)
			for j, now := range all {
				calls := st.callCount()
				opts := g.opts
				_, started := New(context.Background(), []Definition{now}, st, epoch, opts)
				reloaded := g.Update(context.Background(), []Definition{now}, epoch)
				if i == j {
					if started != nil || reloaded != nil {
						t.Errorf("%s again: start %v, reload %v", now.Counts(), started, reloaded)
					}
					continue
				}
				for what, err := range map[string]error{"start": started, "reload": reloaded} {
					var changed *CountsError
					if !errors.As(err, &changed) || changed.Stored != before.Counts() || changed.Now != now.Counts() || !strings.Contains(err.Error(), "another name") {
						t.Errorf("from %s to %s, at %s: %v", before.Counts(), now.Counts(), what, err)
					}
				}
				if n := st.callCount() - calls; n != 0 {
					t.Errorf("%d calls to the store before it was refused", n)
				}
			}
		}
	}
}

// TestWhatChangesNothingCounted: bounds, windows, shares, scopes and the order of a denominator may change; and a name that is refused keeps
// the others of its configuration from being noted.
func TestWhatChangesNothingCounted(t *testing.T) {
	st := newMemStore(t)
	of := whatIsCounted()[4]
	newGate(t, st, epoch, Options{}, of)
	changed := of
	changed.Window, changed.Model, changed.DryRun = of.Window+1, "fraud", true
	changed.Ratio = &Ratio{SharePPM: 200_000, MinCount: 200, Denominator: []string{"decline", "approve", "approve"}}
	newGate(t, st, epoch, Options{}, changed)
	other := declines(1, 1)
	other.Name = "other"
	sum := whatIsCounted()[1]
	if _, err := New(context.Background(), []Definition{other, sum}, st, epoch, Options{}); err == nil {
		t.Fatal("a sum under the name of a ratio was taken")
	}
	other.Amount, other.Unit = "parameter:cents", "cents"
	newGate(t, st, epoch, Options{}, other, changed)
	names := []string{"declines", "other"}
	if st.mu.Lock(); len(st.counts) != len(names) || !slices.ContainsFunc(names, func(n string) bool { return st.counts[n] == other.Counts() }) {
		t.Errorf("noted: %v", st.counts)
	}
	st.mu.Unlock()
}
