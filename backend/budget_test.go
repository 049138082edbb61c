package backend

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestBudgetIsExactUnderConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newBudget(0.2)
		var spent atomic.Int64
		var all sync.WaitGroup
		for range 200 {
			g.call(time.Now())
		}
		for range 200 {
			all.Go(func() {
				if g.spend(time.Now()) {
					spent.Add(1)
				}
			})
		}
		all.Wait()
		if n := spent.Load(); n != 40 || g.left(time.Now()) != 0 {
			t.Errorf("%d of 200 calls were repeated, %d are left; want 40 and 0", n, g.left(time.Now()))
		}
	})
}

func TestBudgetSlides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newBudget(0.2)
		spendAll := func() (n int) {
			for g.spend(time.Now()) {
				n++
			}
			return n
		}
		if n := spendAll(); n != budgetLeast {
			t.Errorf("%d without a call, want %d", n, budgetLeast)
		}
		for range 100 {
			g.call(time.Now())
		}
		if n := spendAll(); n != 20-budgetLeast {
			t.Errorf("%d more after 100 calls, want %d", n, 20-budgetLeast)
		}
		time.Sleep(budgetSpan / 2)
		if n := spendAll(); n != 0 {
			t.Errorf("%d after half of the span, want none", n)
		}
		time.Sleep(budgetSpan)
		if n := spendAll(); n != budgetLeast {
			t.Errorf("%d after the span, want %d", n, budgetLeast)
		}
		g.refund(time.Now())
		if n := spendAll(); n != 1 {
			t.Errorf("%d after a refund, want 1", n)
		}
	})
}

// No span of the budget's length holds more further attempts than it allows, whenever calls and attempts come.
func TestBudgetHoldsInEverySpan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newBudget(0.2)
		calls, extra := int64(0), int64(0)
		for i := range 3000 {
			g.call(time.Now())
			calls++
			if g.spend(time.Now()) {
				extra++
			}
			time.Sleep(time.Duration(i%40) * time.Millisecond)
		}
		if float64(extra) > 0.2*float64(calls)+budgetLeast || float64(extra) < 0.15*float64(calls) {
			t.Errorf("%d further attempts of %d calls", extra, calls)
		}
	})
}

// What was spent longer ago than the budget looks back is forgotten, and giving it back gives nothing of what was spent since.
func TestLateRefund(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newBudget(0.2)
		at := time.Now()
		if !g.spend(at) {
			t.Fatal("nothing was allowed")
		}
		time.Sleep(budgetSpan)
		for range budgetLeast {
			g.spend(time.Now())
		}
		g.refund(at)
		if n := g.left(time.Now()); n != 0 {
			t.Errorf("%d are left of what has just been spent", n)
		}
	})
}

func TestNoBudget(t *testing.T) {
	g := newBudget(0)
	g.call(time.Now())
	if g.spend(time.Now()) || g.left(time.Now()) != 0 {
		t.Error("a budget of nothing was spent")
	}
}
