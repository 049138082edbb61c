package backend

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestTempo(t *testing.T) {
	p := newTempo(5*time.Millisecond, 5*time.Second)
	if p.enough(100*time.Millisecond) || !p.enough(250*time.Millisecond) {
		t.Error("of an unknown server a twentieth of its timeout is enough, and less isn't")
	}
	for i := range 200 {
		p.answered(time.Now(), time.Duration(18+i%5)*time.Millisecond)
	}
	if p.enough(20 * time.Millisecond) {
		t.Error("20 ms is enough for a server that takes 18 to 22")
	}
	if !p.enough(40 * time.Millisecond) {
		t.Error("40 ms is not enough for a server that takes 18 to 22")
	}
	for range 100 {
		p.answered(time.Now(), time.Microsecond)
	}
	if p.enough(4 * time.Millisecond) {
		t.Error("less than min_timeout is enough")
	}
}

func TestTempoKnowsTheFastestOfLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTempo(5*time.Millisecond, 5*time.Second)
		if _, known := p.fastest(time.Now()); known {
			t.Error("the fastest of no answer is known")
		}
		for _, took := range []time.Duration{30, 20, 40} {
			p.answered(time.Now(), took*time.Millisecond)
		}
		time.Sleep(fastSpan + time.Second)
		p.answered(time.Now(), 50*time.Millisecond)
		if f, known := p.fastest(time.Now()); !known || f != 20*time.Millisecond {
			t.Errorf("the fastest is %v, want 20 ms", f)
		}
		time.Sleep(fastSpan)
		if f, _ := p.fastest(time.Now()); f != 50*time.Millisecond {
			t.Errorf("the fastest is %v, want 50 ms", f)
		}
		time.Sleep(2 * fastSpan)
		if f, known := p.fastest(time.Now()); known {
			t.Errorf("the fastest is %v of nothing", f)
		}
	})
}
