package limits

import (
	"context"
	"testing"
	"time"
)

func keyedRatio(maxKeys int64) Definition {
	def := declinesOf(500_000, 4, time.Minute, "decline", "approve")
	def.Key, def.MaxKeys = "parameter:merchant", maxKeys
	return def
}

func ofKey(g *Gate, now time.Time, action, key string) Verdict {
	return g.Acquire(context.Background(), now, Answer{Action: action, Inputs: []Input{{Source: "parameter:merchant", Key: key}}})
}

// TestRatioOfEachKey: one key's approvals allow it declines, and no other; over a restart too.
func TestRatioOfEachKey(t *testing.T) {
	st := newMemStore(t)
	g := newGate(t, st, epoch, Options{}, keyedRatio(10))
	for range 5 {
		ofKey(g, epoch, "approve", "a/b")
	}
	ofKey(g, epoch, "approve", "quiet")
	if v := meets(g, epoch, "approve"); !v.Released {
		t.Errorf("an approval without a key: %+v", v)
	}
	if v := meets(g, epoch, "decline"); v.Released || !v.Invalid {
		t.Errorf("a decline without a key: %+v", v)
	}
	if err := g.Close(context.Background(), epoch); err != nil {
		t.Fatal(err)
	}
	g = newGate(t, st, epoch, Options{}, keyedRatio(10))
	for key, want := range map[string]int{"a/b": 5, "c": 2} {
		n := 0
		for ofKey(g, epoch, "decline", key).Released {
			n++
		}
		if n != want {
			t.Errorf("%d declines of %s, want %d", n, key, want)
		}
	}
	s, err := g.State(epoch, KeyName("declines", "a/b"))
	if err != nil || !s.Tripped || s.Denominator != 10 || s.Trip.MaxCount != 5 || s.Trip.Count != 5 || s.Trip.Denominator != 10 {
		t.Errorf("%+v, %v", s, err)
	}
	// The limit itself is shown as its most used key is, its bound and its denominator too.
	if s, err := g.State(epoch, "declines"); err != nil || s.Used-s.Leased != 5 || s.Bound != 5 || s.Denominator != 10 || s.Keys.Largest != "a%2Fb" {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := g.State(epoch, KeyName("declines", "quiet")); err != nil || s.Denominator != 1 {
		t.Errorf("%+v, %v; want what was counted before the restart", s, err)
	}
}

// TestRatioOfKeysWithoutAPlace: of keys that share one limit no one's approvals allow another's declines.
func TestRatioOfKeysWithoutAPlace(t *testing.T) {
	g := newGate(t, newMemStore(t), epoch, Options{}, keyedRatio(1))
	for range 20 {
		ofKey(g, epoch, "approve", "a")
		if v := ofKey(g, epoch, "approve", "b"); !v.Released {
			t.Fatalf("%+v", v)
		}
	}
	n := 0
	for _, key := range []string{"b", "c", "b", "c"} {
		if ofKey(g, epoch, "decline", key).Released {
			n++
		}
	}
	if n != 2 {
		t.Errorf("%d declines of keys without a place, want 2 of a minimum of 4", n)
	}
	for range 10 {
		if v := ofKey(g, epoch, "decline", "a"); !v.Released {
			t.Errorf("a decline of a key that has a place: %+v", v)
		}
	}
}

// TestRatiosDenominatorStays: what was counted under another denominator isn't taken for this one's.
func TestRatiosDenominatorStays(t *testing.T) {
	g := newGate(t, newMemStore(t), epoch, Options{}, declinesOf(500_000, 4, time.Minute, "decline", "approve"))
	for name, c := range map[string]struct {
		def  Definition
		good bool
	}{
		"the same":      {declinesOf(300_000, 40, time.Hour, "approve", "decline"), true},
		"another":       {declinesOf(500_000, 4, time.Minute, "approve"), false},
		"every answer":  {declinesOf(500_000, 4, time.Minute), false},
		"another limit": {declines(4, time.Minute), false},
	} {
		if err := g.Update(context.Background(), []Definition{c.def}, epoch); (err == nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}
