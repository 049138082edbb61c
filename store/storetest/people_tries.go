package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/candor-gateway/candor/people"
)

var tryTests = []test{
	{"tries are counted", testTries},
	{"tries at the same time", testTriesAtOnce},
	{"a challenge is good once", testChallenges},
	{"a challenge that many take", testChallengeAtOnce},
}

func try(t *testing.T, d Driver, key string, most int, window time.Duration) bool {
	t.Helper()
	ok, err := d.People().Try(t.Context(), people.SumOf(key), d.Now(), most, window)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

func testTries(t *testing.T, d Driver) {
	for i := range 3 {
		if !try(t, d, "ann", 3, time.Hour) {
			t.Errorf("try %d of 3 is refused", i+1)
		}
	}
	d = d.Reopen(t)
	for range 2 {
		if try(t, d, "ann", 3, time.Hour) {
			t.Error("try 4 of 3 is let pass, after a restart")
		}
	}
	if !try(t, d, "bob", 1, time.Hour) || try(t, d, "bob", 0, time.Hour) {
		t.Error("another key is counted with the first, or none of none is let pass")
	}
	if try(t, d, "cid", 0, time.Hour) {
		t.Error("the first of none is let pass")
	}
	if err := d.People().GiveBackTry(t.Context(), people.SumOf("ann")); err != nil {
		t.Fatal(err)
	}
	if !try(t, d, "ann", 3, time.Hour) || try(t, d, "ann", 3, time.Hour) {
		t.Error("one was given back: one more may be made, and not two")
	}
	for range 3 { // What was never taken can't be given back.
		if err := d.People().GiveBackTry(t.Context(), people.SumOf("zed")); err != nil {
			t.Fatal(err)
		}
	}
	now := d.Now()
	for i, want := range []bool{true, false, true, false} { // at 0, 59, 60 and 61 minutes
		at := now.Add([]time.Duration{0, 59 * time.Minute, time.Hour, 61 * time.Minute}[i])
		if ok, err := d.People().Try(t.Context(), people.SumOf("zed"), at, 1, time.Hour); err != nil || ok != want {
			t.Errorf("%v later a try is %v (%v), want %v", at.Sub(now), ok, err, want)
		}
	}
}

func testTriesAtOnce(t *testing.T, d Driver) {
	const most, tries = 7, 40
	all := drivers(t, d)
	var passed atomic.Int64
	var wg sync.WaitGroup
	for i := range tries {
		wg.Go(func() {
			ok, err := all[i%len(all)].People().Try(t.Context(), people.SumOf("ann"), d.Now(), most, time.Hour)
			if err != nil {
				t.Error(err)
			}
			if ok {
				passed.Add(1)
			}
		})
	}
	wg.Wait()
	if passed.Load() != most {
		t.Errorf("%d of %d tries passed, want %d", passed.Load(), tries, most)
	}
}

func testChallenges(t *testing.T, d Driver) {
	keep := func(name string, expire time.Time) people.Sum {
		t.Helper()
		sum := people.SumOf(name)
		if err := d.People().KeepChallenge(t.Context(), sum, []byte(name), d.Now(), expire); err != nil {
			t.Fatal(err)
		}
		return sum
	}
	a, b, over := keep("a", d.Now().Add(time.Hour)), keep("b", d.Now().Add(time.Hour)), keep("over", d.Now())
	d = d.Reopen(t)
	for _, sum := range []people.Sum{over, people.SumOf("none")} {
		if data, err := d.People().TakeChallenge(t.Context(), sum, d.Now()); !errors.Is(err, people.ErrNotFound) {
			t.Errorf("one that is over, or never was: %q, %v", data, err)
		}
	}
	if data, err := d.People().TakeChallenge(t.Context(), a, d.Now()); err != nil || string(data) != "a" {
		t.Errorf("the first time: %q, %v", data, err)
	}
	if data, err := d.People().TakeChallenge(t.Context(), a, d.Now()); !errors.Is(err, people.ErrNotFound) {
		t.Errorf("the second time: %q, %v", data, err)
	}
	if data, err := d.People().TakeChallenge(t.Context(), b, d.Now()); err != nil || string(data) != "b" {
		t.Errorf("another: %q, %v", data, err)
	}
}

func testChallengeAtOnce(t *testing.T, d Driver) {
	all := drivers(t, d)
	for round := range 5 {
		sum := people.SumOf(fmt.Sprint(round))
		if err := d.People().KeepChallenge(t.Context(), sum, []byte{1}, d.Now(), d.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		var taken atomic.Int64
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				_, err := all[i%len(all)].People().TakeChallenge(t.Context(), sum, d.Now())
				switch {
				case err == nil:
					taken.Add(1)
				case !errors.Is(err, people.ErrNotFound):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if taken.Load() != 1 {
			t.Fatalf("round %d: it was taken %d times", round, taken.Load())
		}
	}
}
