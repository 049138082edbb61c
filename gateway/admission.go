package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

const (
	// viewEvery is how old a queue's view may get. What other gateways have admitted since isn't in it.
	viewEvery = time.Second
	// paceEvery is how old the measured service time and the day's audits may get.
	paceEvery = time.Minute
)

// desk is a queue with a capacity, as the request path sees it: what waited when the store was last asked, and what this gateway has
// admitted since. Safe for concurrent use.
type desk struct {
	queue string
	staff review.Staff

	mu sync.Mutex
	// work is what the pace was measured by, audits those of the last day.
	work   []time.Duration
	audits int64
	state  review.QueueState
	// view is made of state and seats; spent of state alone.
	view  *review.Desk
	spent int64
	// day is the working day of spent.
	day      time.Time
	arrivals review.Arrivals
	seats    map[*seat]struct{}
	// shed counts rows since the day began, as far as this process has seen it.
	shed int64
}

// seat is an item that this gateway has admitted and that the view's state may not have.
type seat struct {
	desk *desk
	item review.Waiting
	// stored is when its item was known to be stored; zero: it is on its way there.
	stored time.Time
}

// newDesks makes the desks of the queues with a capacity, and the hours of those that have some.
func newDesks(cfg *candorv1.Config) (map[string]*desk, map[string]*review.Hours, error) {
	desks, hours := map[string]*desk{}, map[string]*review.Hours{}
	for name, q := range cfg.GetQueues() {
		staff, err := staffOf(q)
		if err != nil {
			return nil, nil, fmt.Errorf("queues.%s.hours.%w", name, err)
		}
		if staff.Hours != nil {
			hours[name] = staff.Hours
		}
		if q.GetCapacity() != nil {
			desks[name] = &desk{queue: name, staff: staff, seats: map[*seat]struct{}{}}
		}
	}
	return desks, hours, nil
}

// staffOf is what a queue's people can do; of a queue without a capacity only its hours are known. Errors: those of its hours.
func staffOf(q *candorv1.Queue) (review.Staff, error) {
	hours, err := review.NewHours(q.GetHours())
	return review.Staff{
		Reviewers: int(q.GetCapacity().GetReviewers()), Service: q.GetCapacity().GetServiceTime().AsDuration(),
		PerDay: int64(q.GetCapacity().GetPerDay()), AuditShare: q.GetAuditShare(), Hours: hours,
	}, err
}

// lookAtDesks asks the store what waits. slow: also for what changes slowly. Where it can't be read the views stay as they are.
func (g *Gateway) lookAtDesks(ctx context.Context, slow bool) error {
	now := g.ledger.Now()
	if slow {
		states, err := g.reviews.Queues(ctx, now, now.Add(-queuesSpan))
		if err != nil {
			return err
		}
		for i := range states {
			if d := g.desks[states[i].Queue]; d != nil {
				d.measured(&states[i])
			}
		}
	}
	// Working days begin at different times: each beginning is a question of its own.
	begins := map[time.Time][]*desk{}
	for _, d := range g.desks {
		from, _ := d.staff.Hours.Day(now)
		begins[from.UTC()] = append(begins[from.UTC()], d)
	}
	for from, desks := range begins {
		asked := g.ledger.Now()
		states, err := g.reviews.Queues(ctx, asked, from)
		if err != nil {
			return err
		}
		for _, d := range desks {
			state := review.QueueState{Queue: d.queue}
			for i := range states {
				if states[i].Queue == d.queue {
					state = states[i]
				}
			}
			d.look(state, from, asked)
		}
	}
	return nil
}

// watchDesks keeps the views new until ctx ends.
func (g *Gateway) watchDesks(ctx context.Context) {
	if len(g.desks) == 0 {
		return
	}
	measured := g.ledger.Now()
	g.every(ctx, viewEvery, nil, func(ctx context.Context) {
		slow := g.ledger.Now().Sub(measured) >= paceEvery
		if slow {
			measured = g.ledger.Now()
		}
		if err := g.lookAtDesks(ctx, slow); err != nil && ctx.Err() == nil {
			g.log.WarnContext(ctx, "the review queues could not be read; rows are admitted by what is known of them", slog.Any("error", err))
		}
	})
}

func (d *desk) measured(s *review.QueueState) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.work, d.audits = s.WorkTimes, s.Created[candorv1.ReviewKind_REVIEW_KIND_AUDIT]
}

// look makes the view of a state that was asked for at an instant. An item that was stored before is in it; of the others nobody
// knows, and what is counted twice for a second makes the queue look longer, never shorter.
func (d *desk) look(s review.QueueState, day, asked time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for st := range d.seats {
		if !st.stored.IsZero() && st.stored.Before(asked) {
			delete(d.seats, st)
		}
	}
	if day.After(d.day) {
		d.day, d.shed = day, 0
	}
	d.state, d.spent = s, 0
	for kind, n := range s.Created {
		if kind != candorv1.ReviewKind_REVIEW_KIND_GOLDEN {
			d.spent += n
		}
	}
	d.view = review.NewDesk(d.staff, d.staff.ServiceTime(d.work), &d.state)
	for st := range d.seats {
		d.view.Take(st.item)
	}
}

// spentNow is what the day has brought. The desk is locked.
func (d *desk) spentNow() review.Spent {
	return review.Spent{Items: d.spent + int64(len(d.seats)), Audits: d.audits}
}

// admit gives a deferred row a seat, if it can be judged in time and is worth a part of the day's budget; nil: it can't, or isn't.
func (d *desk) admit(now time.Time, w review.Waiting) *seat {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.arrivals.See(d.staff.Hours, now, w.ExpectedLoss)
	if !d.view.InTime(now, w) || !d.arrivals.Affords(d.staff, now, w.ExpectedLoss, d.spentNow()) {
		d.shed++
		return nil
	}
	return d.sit(w)
}

// sit seats an item. The desk is locked.
func (d *desk) sit(w review.Waiting) *seat {
	st := &seat{desk: d, item: w}
	d.seats[st] = struct{}{}
	d.view.Take(w)
	return st
}

// seated notes that a call's items are stored, those among them that were not admitted: audits, and what a limit sent to people.
func (g *Gateway) seated(c *call) {
	d := g.deskOf(c)
	if d == nil || len(c.items) == 0 {
		return
	}
	now := g.ledger.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	next := 0
	for i := range c.rows {
		r := &c.rows[i]
		if r.itemID == "" {
			continue
		}
		it := &c.items[next] // Items stand in the order of their rows.
		next++
		if r.seat == nil {
			r.seat = d.sit(review.Waiting{
				ExpectedLoss: it.ExpectedLoss, Created: it.Created, Deadline: it.Deadline, Audit: it.Kind == candorv1.ReviewKind_REVIEW_KIND_AUDIT,
			})
		}
		r.seat.stored = now
	}
}

// leave gives back the seats of a call that ends without an item for them. The view has them until it is made anew.
func (c *call) leave() {
	for _, st := range c.seats {
		st.desk.mu.Lock()
		if st.stored.IsZero() {
			delete(st.desk.seats, st)
		}
		st.desk.mu.Unlock()
	}
}

// deskOf is the desk of the call's queue; nil: it has no bounds.
func (g *Gateway) deskOf(c *call) *desk {
	if len(g.desks) == 0 {
		return nil
	}
	return g.desks[c.model.review.GetQueue()]
}

// showDesk adds to what is shown of a queue what its capacity and its hours make of it.
func (g *Gateway) showDesk(q *candorv1.ReviewQueue, name string, now time.Time) {
	q.Open = g.hours[name].Open(now)
	d := g.desks[name]
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	q.ExpectedWait, q.AtRiskCount, q.ShedCount = durationpb.New(d.view.Wait(now)), d.view.AtRisk(now), d.shed
	if d.staff.PerDay > 0 {
		left := d.staff.Left(now, d.spentNow())
		q.BudgetLeft = &left
	}
}
