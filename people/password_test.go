package people

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var small = Cost{MemoryKiB: 64, Passes: 1, Threads: 1}

func TestHashes(t *testing.T) {
	h := newHasher(small)
	stored, err := h.hash(t.Context(), "Åse's pässword, of 1")
	if err != nil || !strings.HasPrefix(stored, "$argon2id$v=19$m=64,t=1,p=1$") {
		t.Fatalf("%q, %v", stored, err)
	}
	again, err := h.hash(t.Context(), "Åse's pässword, of 1")
	if err != nil || again == stored {
		t.Errorf("the same hash twice: %q, %v", again, err)
	}
	dearer := newHasher(Cost{MemoryKiB: 128, Passes: 1, Threads: 1})
	for _, tc := range []struct {
		h         *hasher
		stored    string
		password  string
		ok, cheap bool
	}{
		{h, stored, "Åse's pässword, of 1", true, false},
		// The same letters, composed otherwise, as another keyboard writes them.
		{h, stored, "A\u030ase's pa\u0308ssword, of 1", true, false},
		{h, stored, "Åse's pässword, of 2", false, false},
		{h, stored, "", false, false},
		{h, "", "", false, false},
		{dearer, stored, "Åse's pässword, of 1", true, true},
	} {
		ok, cheap, err := tc.h.verify(t.Context(), tc.stored, tc.password)
		if err != nil || ok != tc.ok || cheap != tc.cheap {
			t.Errorf("%q: %v, %v, %v", tc.password, ok, cheap, err)
		}
	}
}

// What the store holds can't make the gateway take all memory, or panic.
func TestHashesThatCantBeUsed(t *testing.T) {
	h := newHasher(small)
	good, err := h.hash(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	for _, edit := range [][2]string{
		{"argon2id", "argon2i"}, {"v=19", "v=16"}, {"m=64", "m=1048577"}, {"m=64", "m=4294967295"}, {"m=64", "m=7"}, {"m=64", "m=-1"}, {"m=64", "m="},
		{"t=1", "t=0"}, {"t=1", "t=33"}, {"p=1", "p=0"}, {"p=1", "p=256"}, {"p=1", "p=255"}, {"p=1", "p=1,x=1"}, {"$v", "v"}, {good, "x"}, {good, "$$$$$"},
		{good[strings.LastIndex(good, "$"):], "$"}, {good[strings.LastIndex(good, "$"):], "$!"},
	} {
		bad := strings.Replace(good, edit[0], edit[1], 1)
		if ok, _, err := h.verify(t.Context(), bad, "x"); err == nil || ok {
			t.Errorf("%q: %v", bad, ok)
		}
	}
}

// No more than two hashes are computed at once; who waits too long is told so.
func TestHashesAreFew(t *testing.T) {
	h := newHasher(small)
	synctest.Test(t, func(t *testing.T) {
		// The channel must be of the bubble for waiting on it to count.
		h := &hasher{cost: h.cost, nobody: h.nobody, turns: make(chan struct{}, hashesAtOnce)}
		for range hashesAtOnce {
			h.turns <- struct{}{}
		}
		began := time.Now()
		if _, err := h.hash(t.Context(), "x"); !errors.Is(err, ErrBusy) || time.Since(began) != hashWait {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := h.verify(gone, "", "x"); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		<-h.turns
		if _, err := h.hash(t.Context(), "x"); err != nil {
			t.Error(err)
		}
	})
}

func TestCheckPassword(t *testing.T) {
	for _, tc := range []struct {
		name, password string
		good           bool
	}{
		{"ann", "correct horse battery staple", true},
		{"ann", "fourteen chars", false},
		{"ann", "fifteen chars!!", true},
		{"ann", strings.Repeat("abcde", 51) + "f", true},
		{"ann", strings.Repeat("abcde", 51) + "fg", false},
		{"ann", "AnnAnnAnnAnnAnn", false},
		{"ann", "ann-1-ann-2-ann", false},
		{"annabel@example.com", "annabel-annabel-2026", false},
		{"annabel@example.com", "annabel likes horses", true},
		{"ann", "aaaaaaaaaaaaaaaaa", false},
		{"ann", "ääääöööüüüßßßåå", true},
		{"ann", "not text \xff\xff\xff\xff\xff\xff\xff", false},
		{"@", "correct horse battery staple", true},
	} {
		if problem := CheckPassword(tc.name, tc.password); (problem == "") != tc.good {
			t.Errorf("%s, %q: %q", tc.name, tc.password, problem)
		}
	}
}

func TestAddressKey(t *testing.T) {
	for _, same := range [][2]string{
		{"192.0.2.1", "::ffff:192.0.2.1"}, {"2001:db8:0:1::1", "2001:db8:0:1:ffff::2"}, {"fe80::1%eth0", "fe80::2%eth1"},
	} {
		if addressKey(same[0]) != addressKey(same[1]) {
			t.Errorf("%v differ", same)
		}
	}
	for _, other := range [][2]string{{"192.0.2.1", "192.0.2.2"}, {"2001:db8:0:1::1", "2001:db8:0:2::1"}, {"", "x"}} {
		if addressKey(other[0]) == addressKey(other[1]) {
			t.Errorf("%v are the same", other)
		}
	}
}

func FuzzHere(f *testing.F) {
	for _, s := range []string{"/", "//x", "/\\x", "/a?b#c", "http:/x", "/\x00", "/%0a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, next string) {
		got := here(next)
		if !strings.HasPrefix(got, "/") || strings.HasPrefix(got, "//") || strings.HasPrefix(got, "/\\") || strings.ContainsAny(got, "\r\n") {
			t.Errorf("%q leads to %q", next, got)
		}
	})
}
