package config

import (
	"bytes"
	"testing"
)

func TestDigest(t *testing.T) {
	of := func(edits ...edit) []byte {
		t.Helper()
		cfg, faults := Parse("f", base(t, edits...))
		if len(faults.Errors()) > 0 {
			t.Fatal(faults)
		}
		return Digest(cfg, "mail")
	}
	was := of()
	if len(was) != DigestSize {
		t.Fatalf("%d bytes, want %d", len(was), DigestSize)
	}
	for _, tc := range []struct {
		name string
		edit edit
		same bool
	}{
		{"the threshold", edit{"{probability: 0.9}", "{probability: 0.91}"}, false},
		{"the ensemble", edit{"version: a", "version: b"}, false},
		{"the order of keys", edit{"{queue: desk, default_label: ham}", "{default_label: ham, queue: desk}"}, true},
		{"a default that is written", edit{"mode: enforce", "mode: MODE_ENFORCE\n      confidence: max_prob"}, true},
		{"what only warns", edit{"mode: enforce", "mode: enforce\n      monitors: {psi: 0.3}"}, true},
		{"what becomes of answers while the store is lost", edit{"mode: enforce", "mode: enforce\n      on_store_lost: {after: 3s}"}, true},
		{"another model", edit{"{above: 3}", "{above: 4}"}, true},
		{"a queue's lease", edit{"{reviewers: [ana]}", "{reviewers: [ana], lease: 1m}"}, true},
	} {
		if got := of(tc.edit); bytes.Equal(got, was) != tc.same {
			t.Errorf("%s: %x after %x, want the same: %v", tc.name, got, was, tc.same)
		}
	}
	cfg, _ := Parse("f", base(t))
	if got := Digest(cfg, "nobody"); got != nil {
		t.Errorf("the digest of no model is %x", got)
	}
	cfg.Models["mail"].Primary = "tree"
	if bytes.Equal(Digest(cfg, "mail"), was) {
		t.Error("another primary has the same digest")
	}
}
