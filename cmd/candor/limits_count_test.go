package main

import (
	"strings"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// A source that is named is one, wanted or not; a value alone is of the only one that is wanted.
func TestStatedFor(t *testing.T) {
	amount := func(s string) *candorv1.LimitWant { return &candorv1.LimitWant{Source: s} }
	key := func(s string) *candorv1.LimitWant { return &candorv1.LimitWant{Source: s + keySuffix, Key: true} }
	one := []*candorv1.LimitWant{amount("parameter:cents"), key("parameter:merchant")}
	two := append(one, amount("input:x[3]*100"), key("parameter:shop"))
	for _, tc := range []struct {
		wants         []*candorv1.LimitWant
		text          string
		key           bool
		source, value string
		fault         string
	}{
		{one, "acme", true, "parameter:merchant as key", "acme", ""},
		{one, "a=b", true, "parameter:merchant as key", "a=b", ""},
		{one, "", true, "parameter:merchant as key", "", ""},
		{one, "parameter:merchant=acme", true, "parameter:merchant as key", "acme", ""},
		{one, "parameter:merchant=input:x=1", true, "parameter:merchant as key", "input:x=1", ""},
		{one, "parameter:merchnt=acme", true, "parameter:merchnt as key", "acme", ""},
		{one, "input:x[1]=acme", true, "input:x[1] as key", "acme", ""},
		{one, "700", false, "parameter:cents", "700", ""},
		{one, "parameter:cnts=700", false, "parameter:cnts", "700", ""},
		{two, "input:x[3]*100=700", false, "input:x[3]*100", "700", ""},
		{two, "700", false, "", "", "several are wanted"},
		{two, "acme", true, "", "", "several are wanted"},
		{nil, "parameter:cents=7", false, "parameter:cents", "7", ""},
		{nil, "7", false, "", "", "no limit wants one"},
	} {
		source, value, err := statedFor(tc.wants, tc.text, tc.key)
		if source != tc.source || value != tc.value || (err != nil) != (tc.fault != "") || err != nil && !strings.Contains(err.Error(), tc.fault) {
			t.Errorf("%q of %v: %q, %q, %v; want %q, %q, %q", tc.text, tc.wants, source, value, err, tc.source, tc.value, tc.fault)
		}
	}
}
