package backend

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// of is a consumer of normal priority.
func of(name string) caller { return caller{class: class(normal), consumer: name} }

// from is an address of the consumer that everybody without credentials is.
func from(address string) caller {
	return caller{class: class(normal), consumer: "anyone", address: address}
}

// hold takes places for a caller until there is none.
func hold(l *limiter, who caller) (seats []seat) {
	for {
		s, ok := l.try(who)
		if !ok {
			return seats
		}
		seats = append(seats, s)
	}
}

// stand has calls of a caller wait, one after the other; what becomes of each is told.
func stand(t *testing.T, l *limiter, who caller, n int, told func(caller, *Failure)) {
	for range n {
		go func() {
			_, f := l.take(t.Context(), time.Now(), wish{caller: who, patience: time.Hour})
			told(who, f)
		}()
		synctest.Wait()
	}
}

// Calls of one consumer that never end keep nobody out: who has less than a fair share begins beyond the limit, up to an eighth of it, and
// so the first of each of two others. Those of high priority lose nothing by that.
func TestCrowdSparesThoseWithFew(t *testing.T) {
	for _, test := range []struct{ most, allowed, spared int }{{100, 16, 2}, {100, 4, 1}, {100, 80, 10}, {17, 16, 1}, {16, 16, 0}} {
		l := newLimiter(test.most, true)
		l.g.limit = float64(test.allowed)
		greedy := hold(l, of("greedy"))
		if len(greedy) != test.allowed {
			t.Fatalf("%d places of %d for one consumer alone", len(greedy), test.allowed)
		}
		if got := len(hold(l, of("modest"))); got != test.spared {
			t.Errorf("limit %d of %d: %d places for another consumer, want %d", test.allowed, test.most, got, test.spared)
		}
		if got := len(hold(l, of("greedy"))); got != 0 {
			t.Errorf("limit %d: %d more for the greedy one", test.allowed, got)
		}
		if got := len(hold(l, caller{class: class(low), consumer: "idle"})); got != 0 {
			t.Errorf("limit %d: %d places for low priority", test.allowed, got)
		}
		want := min(max(1, test.allowed/headroomDiv)+test.spared, test.most-test.allowed) - test.spared
		if got := len(hold(l, by(high))); got != want {
			t.Errorf("limit %d: %d places for high priority, want %d", test.allowed, got, want)
		}
	}
}

// Between addresses of the one consumer without credentials it is the same.
func TestCrowdSparesAddresses(t *testing.T) {
	l := newLimiter(100, true)
	l.g.limit = 16
	hold(l, from("192.0.2.1"))
	if got := len(hold(l, from("192.0.2.2"))); got != 2 {
		t.Errorf("%d places for another address", got)
	}
}

// A place goes to the consumer with the fewest calls in flight, then to the one that was served longest ago; between addresses of one, too.
func TestCrowdTakesTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(64, true)
		l.g.limit = 8
		seats := append(hold(l, of("greedy")), hold(l, of("b"))...)
		var mu sync.Mutex
		var order []string
		told := func(who caller, f *Failure) {
			mu.Lock()
			defer mu.Unlock()
			if f == nil {
				order = append(order, who.consumer+who.address)
			}
		}
		stand(t, l, of("greedy"), 9, told)
		stand(t, l, of("b"), 2, told)
		stand(t, l, from("1"), 2, told)
		stand(t, l, from("2"), 1, told)
		for _, s := range seats[:5] {
			l.release(s, time.Now(), loadUnknown, 0)
			synctest.Wait()
		}
		mu.Lock()
		// The fifth place is nobody's: with a spared one taken, as many as the limit are in flight, and nobody has less than a third of it.
		want := "[anyone1 b anyone2 b]"
		if got := fmt.Sprint(order); got != want {
			t.Errorf("served %s, want %s", got, want)
		}
		mu.Unlock()
	})
}

// First in, first out, however many come that were never here before; and who was served and waits again isn't passed by them.
func TestCrowdKeepsOrder(t *testing.T) {
	for name, who := range map[string]func(string) caller{"consumers": of, "addresses": from} {
		t.Run(name, func(t *testing.T) {
			var c crowd
			serve := func(want caller) {
				t.Helper()
				at := c.next(class(normal))
				c.serve(at)
				if c.end(at); at.caller != want {
					t.Fatalf("%v was served, want %v", at.caller, want)
				}
			}
			comes := func(name string) { c.stand(c.line(who(name)), new(waiter)) }
			for i := range 3 {
				comes(fmt.Sprint(i))
			}
			for i := range 100 {
				serve(who(fmt.Sprint(i)))
				comes(fmt.Sprint(i + 3))
			}
			comes("100") // which is among those who wait
			serve(who("100"))
			comes("new")
			for _, next := range []string{"101", "102", "100", "new"} {
				serve(who(next))
			}
		})
	}
}

// Where all is full the newest call of the consumer with the most gives way to one of a consumer with few; else the newcomer is refused.
func TestCrowdSendsAwayTheGreedy(t *testing.T) {
	for name, callers := range map[string][2]caller{"consumers": {of("greedy"), of("modest")}, "addresses": {from("1"), from("2")}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const most = 12
				l := newLimiter(most, true)
				l.g.limit = limitLeast
				greedy, modest := callers[0], callers[1]
				hold(l, greedy)
				hold(l, modest)
				refused := map[caller]int{}
				var mu sync.Mutex
				told := func(who caller, f *Failure) {
					mu.Lock()
					defer mu.Unlock()
					if f != nil {
						refused[who]++
					}
				}
				expect := func(when string, g, m int) {
					t.Helper()
					mu.Lock()
					defer mu.Unlock()
					if refused[greedy] != g || refused[modest] != m {
						t.Errorf("%s: %d of the greedy were refused and %d of the modest, want %d and %d", when, refused[greedy], refused[modest], g, m)
					}
				}
				stand(t, l, greedy, most-limitLeast-1, told)
				expect("all is full", 0, 0)
				stand(t, l, greedy, 3, told)
				expect("the greedy want more", 3, 0)
				stand(t, l, modest, 1, told)
				expect("the modest come", 4, 0)
				stand(t, l, modest, 4, told)
				expect("until both have as many", 8, 0)
				stand(t, l, modest, 2, told)
				expect("and no more, but for one that has few in flight", 8, 1)
			})
		})
	}
}

// A consumer of a few callers beside one of very many: none of its calls is refused, and it has its answers in nearly the time that the
// model server takes. The other has all the rest.
func TestCrowdIsFair(t *testing.T) {
	for _, adaptive := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			const takes, at, most = 50 * time.Millisecond, 8, 64
			w := newWorkshop(at, takes)
			if !adaptive {
				w = newWorkshop(most, takes)
			}
			l := newLimiter(most, adaptive)
			end := time.Now().Add(3 * time.Minute)
			var all sync.WaitGroup
			var served, refused [2]atomic.Int64
			var slowest atomic.Int64
			run := func(i, callers int, who caller) {
				for range callers {
					all.Go(func() {
						for time.Now().Before(end) {
							asked := time.Now()
							s, f := l.take(context.Background(), asked, wish{caller: who, usual: takes})
							if f != nil {
								refused[i].Add(1)
								time.Sleep(f.RetryAfter)
								continue
							}
							slowest.Store(max(slowest.Load(), int64(time.Since(asked))*int64(i)))
							began := time.Now()
							w.serve()
							l.release(s, time.Now(), loadAnswered, time.Since(began))
							served[i].Add(1)
						}
					})
				}
			}
			run(0, 300, of("greedy"))
			run(1, 3, of("modest"))
			all.Wait()
			if n := refused[1].Load(); n > 0 {
				t.Errorf("adaptive %v: %d of %d calls of the modest were refused", adaptive, n, n+served[1].Load())
			}
			if waited := time.Duration(slowest.Load()); waited > 2*takes {
				t.Errorf("adaptive %v: a call of the modest waited for %v, an answer takes %v", adaptive, waited, takes)
			}
			if served[0].Load() < 2*served[1].Load() {
				t.Errorf("adaptive %v: %d calls of the greedy and %d of the modest: the rest was not used", adaptive, served[0].Load(), served[1].Load())
			}
			if refused[0].Load() == 0 {
				t.Error("nothing was too much for the model server: the test shows nothing")
			}
		})
	}
}

// Whatever comes and goes, in whatever order, the counts are right, nobody waits who could have a place, and all bounds hold.
func TestCrowdCounts(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 7))
		most := 1 + rng.IntN(40)
		l := newLimiter(most, true)
		var seats []seat
		waiters := map[*waiter]*line{}
		collect := func() {
			for w := range waiters {
				select {
				case got := <-w.done:
					if got {
						seats = append(seats, w.seat)
					}
					delete(waiters, w)
				default:
				}
			}
		}
		for step := range 300 {
			switch k := rng.IntN(10); {
			case k < 5:
				who := caller{1 + rng.IntN(priorities-1), fmt.Sprint(rng.IntN(4)), fmt.Sprint(rng.IntN(3))}
				at := l.crowd.line(who)
				if s, ok := l.seat(at); ok {
					seats = append(seats, s)
				} else if l.room(at) {
					w := &waiter{done: make(chan bool, 1)}
					l.crowd.stand(at, w)
					l.queued++
					waiters[w] = at
					l.handOn()
				}
			case k < 8 && len(seats) > 0:
				i := rng.IntN(len(seats))
				s := seats[i]
				seats = append(seats[:i], seats[i+1:]...)
				l.release(s, time.Now(), loadUnknown, 0)
			case k == 8 && len(waiters) > 0:
				for w, at := range waiters {
					for i := range at.waiting {
						if at.waiting[i] == w {
							l.crowd.quit(at, i)
							l.queued--
							l.handOn()
							break
						}
					}
					delete(waiters, w)
					break
				}
			default:
				l.g.limit = float64(1 + rng.IntN(most))
				l.handOn()
			}
			collect()
			if err := recount(l, seats, waiters); err != "" {
				t.Fatalf("seed %d, step %d: %s", seed, step, err)
			}
		}
	}
}

// recount holds a limiter's counts against the calls that there are.
func recount(l *limiter, seats []seat, waiters map[*waiter]*line) string {
	used, queued, spared := map[*line]int{}, map[*line]int{}, 0
	for _, s := range seats {
		used[s.at]++
		if s.spared {
			spared++
		}
	}
	for _, at := range waiters {
		queued[at]++
	}
	has, parties := map[*party]int{}, [priorities]int{}
	for _, at := range l.crowd.lines {
		if at.used != used[at] || len(at.waiting) != queued[at] {
			return fmt.Sprintf("%v has %d and %d, want %d and %d", at.caller, at.used, len(at.waiting), used[at], queued[at])
		}
		has[at.of] += at.has()
	}
	for p, n := range has {
		if p.has() != n {
			return fmt.Sprintf("%v has %d, want %d", p.who, p.has(), n)
		}
		if n > 0 {
			parties[p.who.class]++
		}
	}
	switch {
	case l.used != len(seats) || l.queued != len(waiters) || l.spared != spared:
		return fmt.Sprintf("%d, %d and %d, want %d, %d and %d", l.used, l.queued, l.spared, len(seats), len(waiters), spared)
	case l.crowd.active != parties:
		return fmt.Sprintf("active are %v, want %v", l.crowd.active, parties)
	case l.used > l.most || l.used+l.queued > l.most+max(1, l.most/spareDiv):
		return fmt.Sprintf("%d in flight and %d waiting of %d", l.used, l.queued, l.most)
	case l.awaited(0):
		return "somebody waits who could have a place"
	}
	return ""
}

// What is remembered of addresses that come and go is bounded, and so is what is told of consumers; nothing that was counted is lost.
func TestCrowdForgets(t *testing.T) {
	l := newLimiter(1, false)
	one, _ := l.try(of("first"))
	for i := range 10_000 {
		if _, f := l.take(t.Context(), time.Now(), wish{caller: caller{class(low), "anyone", fmt.Sprint(i)}}); f == nil {
			t.Fatal("a place that there isn't")
		}
	}
	if n := len(l.crowd.lines); n > 2*linesKept {
		t.Errorf("%d addresses are remembered", n)
	}
	for i := range 10_000 {
		if _, f := l.take(t.Context(), time.Now(), wish{caller: caller{class(low), fmt.Sprint(i), ""}}); f == nil {
			t.Fatal("a place that there isn't")
		}
	}
	var s Status
	l.fill(&s)
	if n := len(s.Consumers); n > partiesKept+linesKept+1 {
		t.Errorf("%d consumers are told of", n)
	}
	shed := int64(0)
	for _, c := range s.Consumers {
		shed += c.Shed
		if c.Consumer == "first" && c.InFlight != 1 {
			t.Errorf("%+v", c)
		}
	}
	if shed != s.ShedLow {
		t.Errorf("%d refusals by consumer, %d in all", shed, s.ShedLow)
	}
	l.release(one, time.Now(), loadUnknown, 0)
}

// A place for somebody who doesn't wait costs no memory.
func TestLimiterAllocatesNothing(t *testing.T) {
	l := newLimiter(256, true)
	callers := []caller{of("a"), of("b"), from("192.0.2.1"), from("192.0.2.2")}
	i := 0
	if n := testing.AllocsPerRun(1000, func() {
		s, ok := l.try(callers[i%len(callers)])
		if i++; ok {
			l.release(s, time.Now(), loadAnswered, time.Millisecond)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkLimiter is a place taken and given back by somebody who doesn't wait.
func BenchmarkLimiter(b *testing.B) {
	for name, callers := range map[string][]caller{
		"one": {of("a")}, "four": {of("a"), of("b"), of("c"), {class: int(candorv1.Priority_PRIORITY_HIGH), consumer: "d"}},
	} {
		b.Run(name, func(b *testing.B) {
			l := newLimiter(256, true)
			now := time.Now()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				s, _ := l.try(callers[i%len(callers)])
				l.release(s, now, loadUnknown, 0)
			}
		})
	}
}
