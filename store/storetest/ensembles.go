package storetest

import (
	"context"
	"sync"
	"testing"
)

// Pins is what the suite tests of the gateway's pins; gateway.Pins has the contract.
type Pins interface {
	PinEnsemble(ctx context.Context, name, version, digest string) (pinned string, err error)
}

var ensembleTests = []test{
	{"the first digest of a version stays, also after a restart", testFirstPinStays},
	{"of many at once one is first", testOnePinIsFirst},
	{"a pin is about something", testPinOfNothing},
}

func pin(t *testing.T, d Driver, name, version, digest, want string) {
	t.Helper()
	if got, err := d.PinEnsemble(t.Context(), name, version, digest); err != nil || got != want {
		t.Errorf("%s %s: %q, %v, want %q", name, version, got, err, want)
	}
}

func testFirstPinStays(t *testing.T, d Driver) {
	pin(t, d, "e", "1", "aa", "aa")
	pin(t, d, "e", "1", "bb", "aa")
	pin(t, d, "e", "2", "bb", "bb")
	pin(t, d, "f", "1", "cc", "cc")
	d = d.Reopen(t)
	pin(t, d, "e", "1", "bb", "aa")
	pin(t, d, "e", "2", "bb", "bb")
	pin(t, d, "f", "1", "dd", "cc")
}

func testOnePinIsFirst(t *testing.T, d Driver) {
	answers := make([]string, 8)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			var err error
			if answers[i], err = d.PinEnsemble(t.Context(), "e", "1", string(rune('a'+i))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, a := range answers {
		if a == "" || a != answers[0] {
			t.Errorf("answers %q, want one of them for all", answers)
		}
	}
}

func testPinOfNothing(t *testing.T, d Driver) {
	for _, c := range [][3]string{{"", "1", "aa"}, {"e", "", "aa"}, {"e", "1", ""}} {
		if _, err := d.PinEnsemble(t.Context(), c[0], c[1], c[2]); err == nil {
			t.Errorf("%q was pinned", c)
		}
	}
}
