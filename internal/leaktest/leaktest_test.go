package leaktest

import (
	"strings"
	"testing"
	"time"
)

// lingers waits longer than goleak does by itself.
func lingers(end <-chan time.Time) { <-end }

func TestFind(t *testing.T) {
	go lingers(time.After(time.Second))
	if err := find(patience); err != nil {
		t.Errorf("a goroutine that ends is reported: %v", err)
	}
	end := make(chan time.Time)
	defer close(end)
	go lingers(end)
	if err := find(0); err == nil || !strings.Contains(err.Error(), "lingers") {
		t.Errorf("a goroutine that doesn't end: %v", err)
	}
}
