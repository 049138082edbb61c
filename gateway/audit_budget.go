package gateway

import (
	"math"
	"sync/atomic"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// auditBudget says with which probability a row is judged although nobody waits for it. Safe for concurrent use.
//
// A budget per day becomes a probability, never a yes or no: it is divided by the rows that a day brings at the pace of the last
// hour. It is fixed before a row is seen, so that what is recorded is what was used.
type auditBudget struct {
	perDay float64
	now    atomic.Uint64 // the rate's bits
	rows   atomic.Uint64
	// begun is when counting rows began, pace what the hour before brought.
	begun time.Time
	pace  float64 // rows a second
}

// leastRate keeps a coin that is hardly ever heads from making weights that nothing can outweigh.
const leastRate = 0.001

// paceOver is how long rows are counted before the pace is taken anew.
const paceOver = time.Hour

// settle is how long rows are counted before anything is said about the pace.
const settle = time.Second

func (b *auditBudget) set(a *candorv1.AuditSampling) {
	b.perDay = float64(a.GetPerDay())
	b.now.Store(math.Float64bits(leastRate))
	if b.perDay == 0 {
		b.now.Store(math.Float64bits(a.GetRate()))
	}
}

func (b *auditBudget) rate() float64 { return math.Float64frombits(b.now.Load()) }

// seen counts rows.
func (b *auditBudget) seen(rows int) { b.rows.Add(uint64(rows)) }

// tick takes the pace, about once a second. Calls must not overlap; rate and seen may be called beside it.
func (b *auditBudget) tick(now time.Time) {
	if b.perDay == 0 {
		return
	}
	if b.begun.IsZero() {
		b.begun = now
	}
	took := now.Sub(b.begun).Seconds()
	if b.pace == 0 && took < settle.Seconds() {
		// Nobody knows how busy the gateway is: with a rate of 1 a restart would have reviewers judge all that comes meanwhile.
		return
	}
	rows := float64(b.rows.Load())
	// The first minute counts as one whole minute: a few rows at the start say little.
	pace := rows / math.Max(took, 60)
	if b.pace > 0 {
		weight := math.Min(took/paceOver.Seconds(), 1)
		pace = weight*pace + (1-weight)*b.pace
		// What has come is the least that this hour brings, however quiet the hours before were.
		pace = math.Max(pace, rows/paceOver.Seconds())
	}
	if took >= paceOver.Seconds() {
		b.pace, b.begun = pace, now
		b.rows.Store(0)
	}
	rate := 1.0
	if day := pace * (24 * time.Hour).Seconds(); day > b.perDay {
		rate = math.Max(b.perDay/day, leastRate)
	}
	b.now.Store(math.Float64bits(rate))
}
