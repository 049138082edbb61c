package backend

import (
	"testing"
	"time"
)

func TestTempo(t *testing.T) {
	p := newTempo(5*time.Millisecond, 5*time.Second)
	if p.enough(100*time.Millisecond) || !p.enough(250*time.Millisecond) {
		t.Error("of an unknown server a twentieth of its timeout is enough, and less isn't")
	}
	for i := range 200 {
		p.answered(time.Duration(18+i%5) * time.Millisecond)
	}
	if p.enough(20 * time.Millisecond) {
		t.Error("20 ms is enough for a server that takes 18 to 22")
	}
	if !p.enough(40 * time.Millisecond) {
		t.Error("40 ms is not enough for a server that takes 18 to 22")
	}
	for range 100 {
		p.answered(time.Microsecond)
	}
	if p.enough(4 * time.Millisecond) {
		t.Error("less than min_timeout is enough")
	}
}
