package gateway

import (
	"testing"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

var midnight = time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)

func perDay(n uint32) *auditBudget {
	b := &auditBudget{}
	b.set(&candorv1.AuditSampling{Budget: &candorv1.AuditSampling_PerDay{PerDay: n}})
	return b
}

// serve lets so many rows a second come for a time, with a look every second, and answers how many of them are expected to be chosen.
func (b *auditBudget) serve(from time.Time, length time.Duration, rows int) (until time.Time, chosen float64) {
	for range int(length / time.Second) {
		b.seen(rows)
		chosen += b.rate() * float64(rows)
		from = from.Add(time.Second)
		b.tick(from)
	}
	return from, chosen
}

func TestARateStays(t *testing.T) {
	b := &auditBudget{}
	b.set(&candorv1.AuditSampling{Budget: &candorv1.AuditSampling_Rate{Rate: .05}})
	b.serve(midnight, time.Minute, 1000)
	if b.rate() != .05 {
		t.Errorf("a stated rate became %v", b.rate())
	}
}

// A budget a day is a rate of the rows that a day brings: at a steady pace it is kept, from the first day on.
func TestABudgetIsKept(t *testing.T) {
	b := perDay(200)
	b.tick(midnight)
	b.serve(midnight, time.Hour, 10)
	// 864,000 rows a day would want a rate of 0.00023, below the least.
	if b.rate() != leastRate {
		t.Errorf("rate %v, want the least", b.rate())
	}
	b = perDay(2000)
	b.tick(midnight)
	now, _ := b.serve(midnight, 24*time.Hour, 10)
	if _, second := b.serve(now, 24*time.Hour, 10); second < 1990 || second > 2010 {
		t.Errorf("%v judged rows on the second day of a budget of 2000", second)
	}
}

// A gateway that has just started doesn't know how busy it is, and has nobody judge all that comes meanwhile.
func TestARestartIsNoFlood(t *testing.T) {
	b := perDay(2000)
	if b.rate() != leastRate {
		t.Errorf("rate %v before anything is known", b.rate())
	}
	b.tick(midnight)
	if _, chosen := b.serve(midnight, time.Minute, 1000); chosen > 61 {
		t.Errorf("%v rows chosen in the first minute of a budget of 2000 a day", chosen)
	}
}

// After a quiet night the rate is high; the first seconds of a busy morning must not use up the day's budget.
func TestABusyMorning(t *testing.T) {
	b := perDay(2000)
	b.tick(midnight)
	now := midnight
	for range 8 {
		for range 60 { // one row a minute
			b.seen(1)
			now = now.Add(time.Minute)
			b.tick(now)
		}
	}
	if b.rate() != 1 {
		t.Fatalf("rate %v with fewer rows than the budget", b.rate())
	}
	if _, chosen := b.serve(now, time.Hour, 20); chosen > 800 {
		t.Errorf("%v rows chosen in the first busy hour of a budget of 2000 a day", chosen)
	}
}

func TestFewRowsAreAllJudged(t *testing.T) {
	b := perDay(200)
	b.tick(midnight)
	b.tick(midnight.Add(2 * time.Second))
	if b.rate() != 1 {
		t.Errorf("rate %v without a row", b.rate())
	}
}
