package main

import (
	"strings"
	"testing"
	"time"

	"github.com/candor-gateway/candor/limits"
)

// A key is shown as the answers have it, of a trip as of the peak, however it is written in the name of its limit.
func TestSimulatedKeysArePlain(t *testing.T) {
	def := limits.Definition{Name: "pays", Action: "pay", MaxCount: 1, Window: time.Hour, Key: "param:merchant", MaxKeys: 100}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, key := range []string{"plain", "a b/ü", "100%", "%2F", strings.Repeat("ü", 200), ""} {
		answers := []limits.Offer{{At: at, Key: key}, {At: at.Add(time.Minute), Key: key}}
		s, err := limits.Simulate(def, answers, 0)
		if err != nil {
			t.Fatal(err)
		}
		got := simulatedTrips(def, answers, s.Trips)
		if len(got) != 1 || got[0].Key != key || s.PeakKey != key {
			t.Errorf("%q: trips %+v, the peak is of %q", key, got, s.PeakKey)
		}
	}
	def.MaxKeys = 1
	answers := []limits.Offer{{At: at, Key: "a"}, {At: at.Add(time.Minute), Key: "b"}, {At: at.Add(2 * time.Minute), Key: "c"}}
	s, err := limits.Simulate(def, answers, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := simulatedTrips(def, answers, s.Trips); len(got) != 1 || limits.OtherKeys(def.Name) != def.Name+"/"+got[0].Key {
		t.Errorf("keys without a place of their own: %+v", got)
	}
}
