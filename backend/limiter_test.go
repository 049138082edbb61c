package backend

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// workshop is a model server that works on so many calls at once, each for so long; the others wait there.
type workshop struct {
	places chan struct{}
	takes  time.Duration
	// Each answer needs our own processor for so long, where ours isn't nil; waited is how long it last waited for it.
	ours   chan struct{}
	work   time.Duration
	waited atomic.Int64
	done   atomic.Int64
}

func newWorkshop(at int, takes time.Duration) *workshop {
	return &workshop{places: make(chan struct{}, at), takes: takes}
}

func (w *workshop) serve() {
	w.places <- struct{}{}
	time.Sleep(w.takes)
	<-w.places
	if w.ours != nil {
		ready := time.Now()
		w.ours <- struct{}{}
		w.waited.Store(int64(time.Since(ready)))
		time.Sleep(w.work)
		<-w.ours
	}
	w.done.Add(1)
}

// load runs n callers for a time, each calling again when it has its answer. Fake time.
func (w *workshop) load(l *limiter, n int, lasts time.Duration) (refused int64) {
	var all sync.WaitGroup
	var no atomic.Int64
	end := time.Now().Add(lasts)
	for range n {
		all.Go(func() {
			for time.Now().Before(end) {
				s, f := l.take(context.Background(), time.Now(), wish{caller: by(normal), usual: w.takes})
				if f != nil {
					no.Add(1)
					time.Sleep(f.RetryAfter)
					continue
				}
				began := time.Now()
				w.serve()
				l.release(s, time.Now(), loadAnswered, time.Since(began))
			}
		})
	}
	all.Wait()
	return no.Load()
}

// Whatever a model server can do at once, the limit comes to lie near it, and costs none of its throughput.
func TestLimiterFindsTheCapacity(t *testing.T) {
	for _, test := range []struct{ at, callers int }{{1, 40}, {8, 200}, {8, 60}, {40, 200}, {100, 250}} {
		synctest.Test(t, func(t *testing.T) {
			const takes = 50 * time.Millisecond
			w, l := newWorkshop(test.at, takes), newLimiter(256, true)
			w.load(l, test.callers, 3*time.Minute)
			before := w.done.Load()
			w.load(l, test.callers, time.Minute)
			var s Status
			l.fill(&s)
			// Not Status's: that is the half of it while the time without load is measured.
			if limit := int(l.g.limit); limit > max(2*limitLeast, 3*test.at) || limit < test.at && test.callers > test.at {
				t.Errorf("%d at once, %d callers: the limit is %d", test.at, test.callers, limit)
			}
			possible := float64(min(test.at, test.callers)) * float64(time.Minute/takes)
			if got := float64(w.done.Load() - before); got < 0.9*possible {
				t.Errorf("%d at once, %d callers: %v calls in a minute, %v were possible", test.at, test.callers, got, possible)
			}
			if s.InFlight != 0 || s.Queued != 0 {
				t.Errorf("left over: %+v", s)
			}
		})
	}
}

// A server that is fast enough for all is no bottleneck, and nobody is refused.
func TestLimiterStaysOutOfTheWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, l := newWorkshop(1000, 20*time.Millisecond), newLimiter(256, true)
		if n := w.load(l, 200, time.Minute); n > 0 {
			t.Errorf("%d calls were refused", n)
		}
		var s Status
		if l.fill(&s); s.Limit < 200 {
			t.Errorf("the limit is %d for 200 callers", s.Limit)
		}
	})
}

// A model that has become slower, for whatever reason but load, gets its calls again.
func TestLimiterLearnsThatAModelIsSlower(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(256, true)
		newWorkshop(100, time.Millisecond).load(l, 50, 10*time.Second)
		newWorkshop(100, 80*time.Millisecond).load(l, 50, 20*time.Second)
		if n := newWorkshop(100, 80*time.Millisecond).load(l, 50, time.Minute); n > 0 {
			t.Errorf("%d calls were refused", n)
		}
	})
}

func TestLimiterObeysRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(256, true)
		limit := func() int64 {
			var s Status
			l.fill(&s)
			return s.Limit
		}
		before := limit()
		refuse := func() {
			s, f := l.take(t.Context(), time.Now(), wish{caller: by(normal)})
			if f != nil {
				t.Fatal(f)
			}
			l.release(s, time.Now(), loadRefused, 0)
		}
		refuse()
		first := limit()
		for range 10 {
			refuse() // of the same moment
		}
		if first >= before || limit() != first {
			t.Errorf("the limit went from %d to %d, then %d", before, first, limit())
		}
		for range 60 {
			time.Sleep(2 * time.Second)
			refuse()
		}
		if limit() != limitLeast {
			t.Errorf("the limit is %d after refusals only", limit())
		}
		l.reset()
		if limit() != before {
			t.Errorf("the limit is %d of a model server that is back", limit())
		}
	})
}

// 200 goroutines, no more than the limit at once.
func TestLimiterIsExact(t *testing.T) {
	const most = 7
	l := newLimiter(most, false)
	var in, top atomic.Int64
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			for range 100 {
				s, ok := l.try(by(normal))
				if !ok {
					continue
				}
				n := in.Add(1)
				for old := top.Load(); n > old && !top.CompareAndSwap(old, n); old = top.Load() {
				}
				in.Add(-1)
				l.release(s, time.Now(), loadUnknown, 0)
			}
		})
	}
	all.Wait()
	if top.Load() > most {
		t.Errorf("%d at once, the limit is %d", top.Load(), most)
	}
}

const (
	low    = candorv1.Priority_PRIORITY_LOW
	normal = candorv1.Priority_PRIORITY_NORMAL
	high   = candorv1.Priority_PRIORITY_HIGH
)

// by is a consumer of a priority, always the same one.
func by(p candorv1.Priority) caller { return caller{class: class(p)} }

// fill takes n places of normal priority, which must be free.
func fill(t *testing.T, l *limiter, n int) (seats []seat) {
	t.Helper()
	for range n {
		s, ok := l.try(by(normal))
		if !ok {
			t.Fatal("no place")
		}
		seats = append(seats, s)
	}
	return seats
}

// The lowest priority is refused first, and the highest served first.
func TestLimiterShedsByPriority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(limitLeast+4, true)
		l.g.limit = limitLeast
		seats := fill(t, l, limitLeast)
		var mu sync.Mutex
		var served, refused []candorv1.Priority
		ask := func(p candorv1.Priority) {
			go func() {
				_, f := l.take(t.Context(), time.Now(), wish{caller: by(p)})
				mu.Lock()
				defer mu.Unlock()
				if f != nil {
					if f.Class != Overload || f.Code != codes.ResourceExhausted || f.RetryAfter <= 0 {
						t.Errorf("failure %+v", f)
					}
					refused = append(refused, p)
					return
				}
				served = append(served, p)
			}()
			synctest.Wait()
		}
		for _, p := range []candorv1.Priority{low, low, normal, normal} {
			ask(p) // all places to wait are taken
		}
		ask(high)   // in a place of its own, instead of a low one
		ask(normal) // instead of the other
		ask(normal) // there is none left below it
		ask(low)
		mu.Lock()
		if want := []candorv1.Priority{low, low, normal, low}; !equal(refused, want) || !equal(served, []candorv1.Priority{high}) {
			t.Errorf("refused %v, want %v; served %v", refused, want, served)
		}
		mu.Unlock()
		for _, s := range seats {
			l.release(s, time.Now(), loadUnknown, 0)
			synctest.Wait()
		}
		if want := []candorv1.Priority{high, normal, normal, normal}; !equal(served, want) {
			t.Errorf("served %v, want %v", served, want)
		}
		var s Status
		if l.fill(&s); s.ShedLow != 3 || s.ShedNormal != 1 || s.ShedHigh != 0 || s.Queued != 0 {
			t.Errorf("status %+v", s)
		}
	})
}

func equal(a, b []candorv1.Priority) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// Waiting comes off the caller's time: who would wait for too long is refused at once, and nobody waits beyond it.
func TestLimiterWaitsShortly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(64, true)
		l.g.limit = limitLeast
		fill(t, l, limitLeast)
		began := time.Now()
		end := began.Add(200 * time.Millisecond)
		if _, f := l.take(t.Context(), began, wish{caller: by(normal), end: end, usual: time.Second}); f == nil || time.Since(began) > 0 {
			t.Errorf("failure %v after %v, want one at once: a place takes a quarter of a second", f, time.Since(began))
		}
		if _, f := l.take(t.Context(), began, wish{caller: by(normal), end: end}); f == nil || time.Since(began) != 50*time.Millisecond {
			t.Errorf("failure %v after %v, want one after a quarter of the time", f, time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if _, f := l.take(ctx, time.Now(), wish{caller: by(normal)}); f == nil || f.Class != Excluded {
			t.Errorf("failure %v of a caller whose time ended", f)
		}
		var s Status
		if l.fill(&s); s.Queued != 0 || s.InFlight != limitLeast {
			t.Errorf("status %+v", s)
		}
	})
}

// A call that makes room for another and is given up in the same moment neither waits for ever nor keeps the others waiting.
func TestLimiterDecidedAndGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for range 100 { // which of both is seen first is chance
			l := newLimiter(limitLeast, true)
			me := &waiter{done: make(chan bool, 1)}
			me.done <- false
			if f := l.await(ctx, l.crowd.line(by(normal)), me, 0, time.Second); f == nil || f.Code != codes.Canceled {
				t.Fatalf("failure %+v", f)
			}
		}
	})
}

// Nobody is sent away for a call that doesn't wait either.
func TestLimiterShedsForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(limitLeast+3, true)
		l.g.limit = limitLeast
		seats := fill(t, l, limitLeast)
		var waited sync.WaitGroup
		for _, p := range []candorv1.Priority{low, high, high} {
			waited.Go(func() {
				if _, f := l.take(t.Context(), time.Now(), wish{caller: by(p)}); f != nil {
					t.Errorf("priority %v: failure %v", p, f)
				}
			})
			synctest.Wait()
		}
		soon := time.Now().Add(time.Second)
		if _, f := l.take(t.Context(), time.Now(), wish{caller: by(high), end: soon, usual: time.Second}); f == nil {
			t.Error("a place for a call whose time would be over")
		}
		for _, s := range seats[:3] {
			l.release(s, time.Now(), loadUnknown, 0)
		}
		waited.Wait()
	})
}

// Calls of others that never end keep nobody of high priority out: a part of the places is theirs alone, up to max_in_flight.
func TestLimiterKeepsPlacesForHighPriority(t *testing.T) {
	const high, normal = candorv1.Priority_PRIORITY_HIGH, candorv1.Priority_PRIORITY_NORMAL
	for _, test := range []struct{ most, allowed, places, more int }{{100, 8, 8, 2}, {100, 1, 1, 1}, {9, 8, 8, 1}, {8, 8, 8, 0}} {
		l := newLimiter(test.most, true)
		l.g.limit = float64(test.allowed)
		all := map[candorv1.Priority]int{}
		for _, p := range []candorv1.Priority{normal, high, normal} {
			for {
				if _, ok := l.try(by(p)); !ok {
					break
				}
				all[p]++
			}
		}
		if all[normal] != test.places || all[high] != test.more {
			t.Errorf("limit %d of %d: places for %d, and %d of high priority, want %d and %d", test.allowed, test.most, all[normal], all[high], test.places, test.more)
		}
	}
	// Who waits doesn't keep them out either, and makes room where max_in_flight is reached.
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(3, true)
		l.g.limit = 1
		seats := fill(t, l, 1)
		refused := make(chan *Failure, 2)
		for range 2 {
			go func() {
				_, f := l.take(t.Context(), time.Now(), wish{caller: by(normal), patience: time.Minute})
				refused <- f
			}()
			synctest.Wait()
		}
		first, ok := l.try(by(high))
		if !ok {
			t.Fatal("calls that wait keep one of high priority out")
		}
		synctest.Wait()
		if l.used+l.queued != 3 || len(refused) != 1 {
			t.Errorf("%d in flight and %d wait of 3, %d refused", l.used, l.queued, len(refused))
		}
		l.release(seats[0], time.Now(), loadUnknown, 0)
		l.release(first, time.Now(), loadUnknown, 0)
		synctest.Wait()
		if len(refused) != 2 || l.used != 1 || l.queued != 0 {
			t.Errorf("%d in flight, %d wait, %d answered", l.used, l.queued, len(refused))
		}
	})
}
