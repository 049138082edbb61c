package limits

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const merchant Source = "parameter:merchant"

// perMerchant bounds declines for each merchant.
func perMerchant(max int64, window time.Duration) Definition {
	d := declines(max, window)
	d.Key = merchant
	return d
}

func of(key string) Answer {
	return Answer{Action: "decline", Inputs: []Input{{Source: merchant, Key: key}}}
}

func released(g *Gate, now time.Time, key string) bool {
	return g.Acquire(context.Background(), now, of(key)).Released
}

func TestKeyNames(t *testing.T) {
	long := strings.Repeat("x", 200)
	for key, want := range map[string]string{
		"a-Z_0.9":  "l/a-Z_0.9",
		"a/b c%~é": "l/a%2Fb%20c%25%7E%C3%A9",
		"":         "l/~empty",
		"~other":   "l/%7Eother",
		long[:128]: "l/" + long[:128],
	} {
		if got := KeyName("l", key); got != want {
			t.Errorf("KeyName(%q) = %q, want %q", key, got, want)
		}
	}
	one, two, three := KeyName("l", long), KeyName("l", long+"x"), KeyName("l", strings.Repeat("/", 43))
	if one == two || len(one) != len("l/")+64+1+32 || !strings.HasPrefix(one, "l/"+long[:64]+"~") || len(three) != len(one) {
		t.Errorf("long keys: %q, %q, %q", one, two, three)
	}
	if limit, key, keyed := SplitName(KeyName("l", "a/b")); limit != "l" || key != "a%2Fb" || !keyed {
		t.Errorf("split: %q, %q, %t", limit, key, keyed)
	}
}

// TestKeysAreAlone: own window, trip, alert, reset by name, and a restart that knows them.
func TestKeysAreAlone(t *testing.T) {
	st := newMemStore(t)
	var told []string
	opts := Options{OnTrip: func(tr Trip) { told = append(told, tr.Limit) }}
	def := perMerchant(2, time.Minute)
	def.After = Aftermath{People: 2, Expires: time.Hour, SharePPM: 500_000, For: time.Hour}
	g := newGate(t, st, epoch, opts, def)
	for range 3 {
		released(g, epoch, "a/1")
	}
	if !released(g, epoch, "b") || released(g, epoch, "a/1") || !released(g, epoch, "b") {
		t.Error("one key's trip is another's, or none")
	}
	name := KeyName("declines", "a/1")
	if fmt.Sprint(told) != fmt.Sprint([]string{name}) {
		t.Errorf("told of %q", told)
	}
	whole := statusOf(t, g, epoch, "declines")
	if whole.Tripped || whole.Keys == nil || *whole.Keys != (Keys{Live: 2, Tripped: 1, Largest: "a%2F1"}) || whole.Used != 2 {
		t.Errorf("the limit: %+v, keys %+v", whole, whole.Keys)
	}
	if s := statusOf(t, g, epoch, name); !s.Tripped || s.Key != "a%2F1" || s.Withheld != 2 || s.Definition.Action != "decline" || !s.Configured {
		t.Errorf("the key: %+v", s)
	}

	g = newGate(t, st, epoch.Add(time.Second), opts, def)
	if released(g, epoch.Add(time.Second), "b") { // its window is full, which a restart knows
		t.Error("a restart forgot what a key has released")
	}
	if s, err := g.State(epoch, KeyName("declines", "b")); err != nil || !s.Tripped {
		t.Errorf("State = %+v, %v", s, err)
	}
	if _, err := g.State(epoch, KeyName("declines", "c")); !errors.Is(err, ErrNotFound) {
		t.Errorf("State of a key that nobody used: %v", err)
	}
	ctx, late := context.Background(), epoch.Add(2*time.Minute)
	if err := g.Reset(ctx, Reset{Limit: name, By: "ann", Reason: "why", RequestID: "r0", At: late}); !errors.Is(err, ErrSecondPerson) || g.People(name) != 2 {
		t.Errorf("a reset by one: %v", err)
	}
	if err := g.Acknowledge(ctx, Acknowledgement{Limit: name, By: "ann", At: late}); err != nil {
		t.Error(err)
	}
	if err := g.AskReset(ctx, Ask{Limit: name, By: "ann", Reason: "why", RequestID: "r1", At: late}); err != nil {
		t.Fatal(err)
	}
	if err := g.ConfirmReset(ctx, Confirmation{Limit: name, Asked: "r1", By: "ben", RequestID: "c1", At: late}); err != nil {
		t.Fatal(err)
	}
	if s, err := g.State(late, name); err != nil || s.Tripped || s.Bound != 1 || s.LastReset.By != "ben" {
		t.Errorf("in probation: %+v, %v", s, err)
	}
	if released(g, late, "b") || !released(g, late, "a/1") || released(g, late, "a/1") {
		t.Error("a reset of one key is another's, or its probation isn't half")
	}
	if err := g.AskReset(ctx, Ask{Limit: KeyName("declines", "zz"), By: "ann", Reason: "why", RequestID: "r2", At: late}); !errors.Is(err, ErrNotFound) {
		t.Errorf("a reset of a key that nobody used: %v", err)
	}
}

// TestKeysAreForgotten: unused ones leave memory and the store; what is latched or in probation stays.
func TestKeysAreForgotten(t *testing.T) {
	for _, shared := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			st := newMemStore(t)
			if shared {
				st = newSharedStore(t)
			}
			g := newGate(t, st, time.Now(), Options{}, perMerchant(2, time.Minute))
			for i := range 200 {
				released(g, time.Now(), fmt.Sprint("k", i))
			}
			for range 3 {
				released(g, time.Now(), "bad")
			}
			if k := statusOf(t, g, time.Now(), "declines").Keys; k.Live != 201 || k.Tripped != 1 {
				t.Errorf("shared %t: %+v", shared, k)
			}
			for range 3 { // leases are settled, leave the window, and then the keys do
				time.Sleep(61 * time.Second)
				if err := g.Settle(context.Background(), time.Now()); err != nil {
					t.Fatal(err)
				}
			}
			if k := statusOf(t, g, time.Now(), "declines").Keys; k.Live != 1 || k.Tripped != 1 {
				t.Errorf("shared %t, later: %+v", shared, k)
			}
			for name, state := range st.states {
				if strings.HasPrefix(name, "declines/k") && (len(state.Leases) > 0 || st.accounts[name] != nil) {
					t.Errorf("shared %t: the store still has %s: %+v", shared, name, state)
				}
			}
			if released(g, time.Now(), "bad") || !released(g, time.Now(), "k1") {
				t.Errorf("shared %t: a forgotten key comes again, or a latch was forgotten", shared)
			}
		})
	}
}

// TestAKeyInProbationStays: forgotten, it would come again with all of its bound.
func TestAKeyInProbationStays(t *testing.T) {
	def := perMerchant(4, time.Minute)
	def.After = Aftermath{SharePPM: 500_000, For: time.Hour}
	g := newGate(t, newMemStore(t), epoch, Options{}, def)
	for range 5 {
		released(g, epoch, "bad")
	}
	now := epoch.Add(2 * time.Minute)
	if err := g.Reset(context.Background(), Reset{Limit: KeyName("declines", "bad"), By: "ann", Reason: "why", RequestID: "r", At: now}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		now = now.Add(2 * time.Minute)
		if err := g.Settle(context.Background(), now); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []bool{true, true, false} {
		if released(g, now, "bad") != want {
			t.Errorf("answer %d of a probation of 2: released %t", i, !want)
		}
	}
}

// TestUpdateOfWhatKeysShare: a new bound holds for the keys without a place, too.
func TestUpdateOfWhatKeysShare(t *testing.T) {
	def := perMerchant(3, time.Minute)
	def.MaxKeys = 1
	g := newGate(t, newMemStore(t), epoch, Options{}, def)
	if !released(g, epoch, "a") || !released(g, epoch, "b") {
		t.Fatal("the first of each isn't released")
	}
	def.MaxCount = 1
	update(t, g, epoch, def)
	if released(g, epoch, "b") {
		t.Error("what keys share has the bound of before")
	}
}

// TestKeysOverflow: beyond max_keys they share one limit, which is never passed, and a key that shared it has none of its own before
// that has left the window.
func TestKeysOverflow(t *testing.T) {
	st := newMemStore(t)
	def := perMerchant(3, time.Minute)
	def.MaxKeys = 2
	var told []int64
	opts := Options{OnOverflow: func(limit string, answers int64) { told = append(told, answers) }}
	g := newGate(t, st, epoch, opts, def)
	at := func(s int) time.Time { return epoch.Add(time.Duration(s) * time.Second) }
	for i, c := range []struct {
		s    int
		key  string
		want bool
	}{
		{0, "a", true},
		{1, "b", true},
		{30, "c", true}, {30, "d", true}, {30, "c", true}, {30, "e", false}, // three of the other
		{30, "a", true}, {31, "b", true},
		{80, "c", false}, // it is tripped
	} {
		if got := released(g, at(c.s), c.key); got != c.want {
			t.Errorf("%d: %s at %d: %t", i, c.key, c.s, got)
		}
	}
	other := OtherKeys("declines")
	if s, err := g.State(at(80), other); err != nil || !s.Tripped || s.Used-s.Leased != 3 {
		t.Errorf("the other: %+v, %v", s, err)
	}
	if k := statusOf(t, g, at(80), "declines").Keys; k.Overflowed != 5 || fmt.Sprint(told) != "[1]" {
		t.Errorf("%+v, told %v", k, told)
	}
	if err := g.Reset(context.Background(), Reset{Limit: other, By: "ann", Reason: "why", RequestID: "r", At: at(81)}); err != nil {
		t.Fatal(err)
	}
	// A restart doesn't know who shared the other: as long as that counts, everybody new does.
	g = newGate(t, st, at(82), opts, def)
	if released(g, at(82), "new") {
		t.Error("a key found a place of its own while the other counts")
	}
	if err := g.Reset(context.Background(), Reset{Limit: other, By: "ann", Reason: "why", RequestID: "r2", At: at(83)}); err != nil {
		t.Fatal(err)
	}
	late := at(300)
	if !released(g, late, "c") || !released(g, late, "d") {
		t.Error("nothing counts any more, and the keys aren't released")
	}
	if k := statusOf(t, g, late, "declines").Keys; k.Overflowed != 1 {
		t.Errorf("the keys don't have their own limits again: %+v", k)
	}
}

// TestMoreStoredKeysThanPlaces: what they released counts for the other.
func TestMoreStoredKeysThanPlaces(t *testing.T) {
	st := newMemStore(t)
	def := perMerchant(3, time.Minute)
	g := newGate(t, st, epoch, Options{}, def)
	for i, key := range []string{"a", "b", "c", "bad"} {
		now := epoch.Add(time.Duration(i) * time.Second)
		released(g, now, key)
		released(g, now, key)
		if key == "bad" {
			released(g, now, key)
			released(g, now, key)
		}
	}
	now := epoch.Add(10 * time.Second)
	if err := g.Close(context.Background(), now); err != nil {
		t.Fatal(err)
	}
	def.MaxKeys = 2
	g = newGate(t, st, now, Options{}, def)
	if s, err := g.State(now, KeyName("declines", "bad")); err != nil || !s.Tripped {
		t.Errorf("the latched key: %+v, %v", s, err)
	}
	if !released(g, now, "c") || released(g, now, "a") {
		t.Error("the newest key has a place of its own, with one of three left, and the oldest share one with four")
	}
}

// TestKeysOverAnUpdate: a reload keeps them, as it does limits, and refuses what would make their counts mean something else.
func TestKeysOverAnUpdate(t *testing.T) {
	st := newMemStore(t)
	def := perMerchant(2, time.Minute)
	g := newGate(t, st, epoch, Options{}, def)
	for range 3 {
		released(g, epoch, "bad")
	}
	released(g, epoch, "a")
	released(g, epoch, "a")
	ctx := context.Background()
	for _, change := range []func(d *Definition){
		func(d *Definition) { d.Key = "" }, func(d *Definition) { d.Amount, d.Unit = notional, "cents" }, func(d *Definition) { d.Ratio, d.MaxCount = &Ratio{SharePPM: 500_000, MinCount: 2}, 0 },
	} {
		other := def
		change(&other)
		if err := g.Update(ctx, []Definition{other}, epoch); err == nil || !strings.Contains(err.Error(), "another name") {
			t.Errorf("Update to %+v: %v", other, err)
		}
	}
	if err := g.Update(ctx, nil, epoch); err != nil {
		t.Fatal(err)
	}
	if s, err := g.State(epoch, KeyName("declines", "bad")); err != nil || s.Configured || !s.Tripped {
		t.Errorf("a key of a limit that was taken out: %+v, %v", s, err)
	}
	def.MaxCount = 3
	if err := g.Update(ctx, []Definition{def}, epoch); err != nil {
		t.Fatal(err)
	}
	if released(g, epoch, "bad") || !released(g, epoch, "a") || released(g, epoch, "a") {
		t.Error("after the update a latch is released, or a count isn't kept")
	}
	// A dry run's trips end with it.
	def.DryRun = true
	if err := g.Update(ctx, []Definition{def}, epoch); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if !released(g, epoch, "c") {
			t.Error("a dry run withheld")
		}
	}
	def.DryRun = false
	late := epoch.Add(2 * time.Minute)
	if err := g.Update(ctx, []Definition{def}, late); err != nil {
		t.Fatal(err)
	}
	if !released(g, late, "c") || released(g, late, "bad") {
		t.Error("the dry run's trip holds, or another's doesn't")
	}
}

// TestALatchFromBeforeTheKeyHolds: a restart that gives a limit a key releases nothing that was latched.
func TestALatchFromBeforeTheKeyHolds(t *testing.T) {
	st := newMemStore(t)
	g := newGate(t, st, epoch, Options{}, declines(1, time.Minute))
	for range 2 {
		g.Acquire(context.Background(), epoch, Answer{Action: "decline"})
	}
	late := epoch.Add(time.Hour)
	g = newGate(t, st, late, Options{}, perMerchant(1, time.Minute))
	if v := g.Acquire(context.Background(), late, of("a")); v.Released || v.Limit != "declines" {
		t.Errorf("%+v", v)
	}
	if err := g.Reset(context.Background(), resetBy("r1", late)); err != nil {
		t.Fatal(err)
	}
	if !released(g, late, "a") || released(g, late, "a") {
		t.Error("after the reset the key has another limit than its own")
	}
}

// TestKeyIsForgottenUnderAnAnswer: an answer has found its key's limit, and before it has locked that the key is forgotten. What it trips is
// the limit that holds for the key from then on, and none that nobody else sees.
func TestKeyIsForgottenUnderAnAnswer(t *testing.T) {
	one, full := spends(100, time.Minute), spends(5000, time.Minute)
	full.Name, full.Consumer, full.MaxKeys = "through", "shop", 1 // looked at after the other, and tells of keys without a place
	one.Key, full.Key = merchant, merchant
	late, forgotten := epoch.Add(3*time.Minute), 0
	var g *Gate
	g = newGate(t, newMemStore(t), epoch, Options{OnOverflow: func(string, int64) {
		forgotten++
		if err := g.Settle(context.Background(), late); err != nil {
			t.Error(err)
		}
	}}, one, full)
	ask := func(key string, amount int64) Verdict {
		return g.Acquire(context.Background(), epoch, Answer{Action: "buy", Consumer: "shop", Inputs: []Input{{Source: notional, Amount: amount}, {Source: merchant, Key: key}}})
	}
	ask("first", 1)
	if v := ask("k", 101); v.Released || v.Unavailable || v.Limit != KeyName("spend", "k") || forgotten != 1 {
		t.Errorf("%+v, after the key was forgotten %d times", v, forgotten)
	}
	if s, err := g.State(late, KeyName("spend", "k")); err != nil || !s.Tripped || ask("k", 1).Released {
		t.Errorf("the trip doesn't hold: %+v, %v", s, err)
	}
}

// TestForgottenKeyHasNothingStored: a lease whose reply was lost may be stored, and by it a restart gives the key its limit again. Forgotten
// before that has left the window, the key would share the other meanwhile, and have its bound twice.
func TestForgottenKeyHasNothingStored(t *testing.T) {
	st, def, opts := newMemStore(t), perMerchant(4, time.Second), Options{LeaseFor: 5 * time.Second}
	def.MaxKeys = 1
	g := newGate(t, st, epoch, opts, def)
	st.setScript(func(int, string, string) outcome { return lost })
	released(g, epoch, "a")
	st.setScript(nil)
	now := epoch.Add(1100 * time.Millisecond)
	released(g, now, "b")
	n := 0
	for range 2 {
		for range 4 {
			if released(g, now, "a") {
				n++
			}
		}
		if err := g.Close(context.Background(), now); err != nil {
			t.Fatal(err)
		}
		g = newGate(t, st, now, opts, def)
	}
	if n != 4 {
		t.Errorf("%d of at most 4 released before and after a restart", n)
	}
}
