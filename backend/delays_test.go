package backend

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/candor-gateway/candor/internal/oiptest"
	"github.com/candor-gateway/candor/internal/wire"
)

// short makes a gateway's own processor so busy that each answer needs it for this long, and has the limiter know, or not, how long they wait
// for it.
func (w *workshop) short(l *limiter, work time.Duration, known bool) {
	w.ours, w.work, l.g.own = make(chan struct{}, 1), work, nil
	if known {
		l.g.own = func(time.Time) time.Duration { return time.Duration(w.waited.Load()) / ownWaits }
	}
}

// A gateway that is short of a processor itself doesn't take that for load of the model server: 30 callers of one that could answer 100 at once
// are let through as before, though every answer takes many times what it did. A limiter that doesn't know its own delay refuses some.
func TestLimiterKnowsItsOwnDelay(t *testing.T) {
	for _, known := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			l := newLimiter(256, true)
			w := newWorkshop(100, 2*time.Millisecond)
			if n := w.load(l, 30, 10*time.Second); n > 0 {
				t.Errorf("%d calls were refused before", n)
			}
			w.short(l, 6*time.Millisecond, known)
			n := w.load(l, 30, time.Minute)
			if known && n > 0 {
				t.Errorf("%d calls were refused, the limit is %v", n, l.g.limit)
			}
			if !known && n == 0 {
				t.Errorf("nobody is refused without knowing, with a limit of %v: the test shows nothing", l.g.limit)
			}
		})
	}
}

// What is left is the model server's: with our own delay on top of it, its overload is found as without.
func TestLimiterFindsTheCapacityDespiteItsOwnDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const at, callers, takes = 8, 200, 50 * time.Millisecond
		l := newLimiter(256, true)
		w := newWorkshop(at, takes)
		w.short(l, 4*time.Millisecond, true)
		w.load(l, callers, 3*time.Minute)
		before := w.done.Load()
		w.load(l, callers, time.Minute)
		if limit := int(l.g.limit); limit > 4*at || limit < at {
			t.Errorf("the limit is %d of a model server that answers %d at once", limit, at)
		}
		if got, possible := float64(w.done.Load()-before), float64(at)*float64(time.Minute/takes); got < 0.9*possible {
			t.Errorf("%v calls in a minute, %v were possible", got, possible)
		}
	})
}

// Nobody looks while answers come in their time; a look that finds us late says by how much, also while it is under way, and for a second.
func TestDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(256, true)
		newWorkshop(100, 20*time.Millisecond).load(l, 30, 10*time.Second)
		if !l.delays.looked.IsZero() {
			t.Error("somebody looked, and no answer was slow")
		}
		d := &l.delays
		now := time.Now()
		d.look(now)
		d.look(now) // one at a time
		if got := d.mean(now.Add(7 * time.Millisecond)); got != 5*time.Millisecond {
			t.Errorf("a look that has taken 7 ms so far says %v", got)
		}
		time.Sleep(time.Second / 10)
		if got := d.mean(time.Now()); got != 0 || d.count != 1 {
			t.Errorf("%d looks that were in time say %v", d.count, got)
		}
		d.looking = time.Now().Add(-42 * time.Millisecond)
		d.seen()
		if got := d.mean(time.Now()); got != 20*time.Millisecond {
			t.Errorf("one look was late by 40 ms, and the mean before counts as one: %v", got)
		}
		time.Sleep(2 * delayLasts)
		if got := d.mean(time.Now()); got != 0 {
			t.Errorf("long after a look: %v", got)
		}
	})
}

// What we do with an answer is none of the model server's time.
func TestLimitDoesNotMeasureTheCheck(t *testing.T) {
	b := dial(t, digitsConfig(oiptest.Start(t, digitsModel()).Addr()), Options{})
	heals(t, b)
	b.limiter.mu.Lock()
	b.limiter.g.next(time.Now())
	b.limiter.mu.Unlock()
	var spent time.Duration
	if _, err := b.Infer(t.Context(), Terms{}, wire.NewFrame(digitsRequest(t, 1)), func(*wire.Response) Verdict {
		began := time.Now()
		time.Sleep(patience / 10) // work of ours
		spent = time.Since(began)
		return Verdict{}
	}); err != nil {
		t.Fatal(err)
	}
	b.limiter.mu.Lock()
	defer b.limiter.mu.Unlock()
	if g := b.limiter.g; g.samples != 1 || g.sum >= spent {
		t.Errorf("%d answers that took %v, of which we spent %v", g.samples, g.sum, spent)
	}
}
