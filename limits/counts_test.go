package limits

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
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

// TestRefusedTakesNoName: what a start or a reload would have counted isn't noted when it is refused for another reason, so that the name is free
// for something else.
func TestRefusedTakesNoName(t *testing.T) {
	ctx := context.Background()
	all := whatIsCounted()
	count, sum := all[0], all[1]
	dry := declines(1, time.Minute)
	dry.Name, dry.DryRun = "dry", true
	wet := dry
	wet.DryRun = false
	failing := func(op, limit string) func(int, string, string) outcome {
		return func(_ int, o, l string) outcome {
			if o == op && l == limit {
				return fails
			}
			return works
		}
	}
	for _, c := range []struct {
		what      string
		make      func(testing.TB) *memStore
		op, limit string
	}{
		{"what is stored can't be read", newMemStore, "load", ""},
		{"what is stored can't be read, shared", newSharedStore, "load", ""},
		{"the limit's time isn't known", newSharedStore, "lease", "declines"},
		{"a dry run's end can't be stored", newMemStore, "reset", "dry"},
		{"a dry run's end can't be stored, shared", newSharedStore, "reset", "dry"},
	} {
		st := c.make(t)
		g := newGate(t, st, epoch, Options{}, dry)
		for range 2 {
			acquire(g, epoch)
		}
		st.setScript(failing(c.op, c.limit))
		if err := g.Update(ctx, []Definition{count, wet}, epoch); !errors.Is(err, errStore) {
			t.Errorf("%s: a reload: %v", c.what, err)
		}
		if _, err := New(ctx, []Definition{count, wet}, st, epoch, g.opts); !errors.Is(err, errStore) {
			t.Errorf("%s: a start: %v", c.what, err)
		}
		st.setScript(nil)
		if noted, _ := st.Declared(ctx); len(noted) != 1 || noted["dry"] == "" {
			t.Errorf("%s: noted %v", c.what, noted)
		}
		update(t, g, epoch, sum, wet)
		newGate(t, st, epoch, Options{}, sum, wet)
	}
}

// TestFirstToCountHolds: of two that begin at the same time with one name, and count different things, the second is refused, whenever the first
// comes between its questions.
func TestFirstToCountHolds(t *testing.T) {
	ctx := context.Background()
	all := whatIsCounted()
	count, sum := all[0], all[1]
	for _, make := range []func(testing.TB) *memStore{newMemStore, newSharedStore} {
		for _, begin := range []func(*memStore) error{
			func(st *memStore) error {
				_, err := New(ctx, []Definition{count}, st, epoch, Options{Clock: time.Now})
				return err
			},
			func(st *memStore) error {
				return newGate(t, st, epoch, Options{}).Update(ctx, []Definition{count}, epoch)
			},
		} {
			st := make(t)
			loads := 0
			st.setScript(func(_ int, op, _ string) outcome {
				if loads++; op == "load" {
					st.counts[sum.Name] = sum.Counts()
				}
				return works
			})
			var changed *CountsError
			if err := begin(st); !errors.As(err, &changed) || changed.Stored != sum.Counts() || loads == 0 {
				t.Errorf("the second: %v", err)
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
