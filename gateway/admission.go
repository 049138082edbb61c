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

	mu    sync.Mutex
	staff review.Staff
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

// openDesks takes over the desks of the queues with a capacity from the plan before, or makes them and looks what waits there: what a
// day's budget was spent on before counts from the first call on. It finds the hours of the queues that have some.
func (g *Gateway) openDesks(ctx context.Context, pl, before *plan) error {
	pl.desks, pl.hours = map[string]*desk{}, map[string]*review.Hours{}
	fresh := map[string]*desk{}
	for name, q := range pl.cfg.GetQueues() {
		staff, err := staffOf(q)
		if err != nil {
			return fmt.Errorf("queues.%s.hours.%w", name, err)
		}
		if staff.Hours != nil {
			pl.hours[name] = staff.Hours
		}
		if q.GetCapacity() == nil {
			continue
		}
		if before != nil && before.desks[name] != nil {
			pl.desks[name] = before.desks[name]
			continue
		}
		pl.desks[name] = &desk{queue: name, staff: staff, seats: map[*seat]struct{}{}}
		fresh[name] = pl.desks[name]
	}
	if len(fresh) == 0 {
		return nil
	}
	if err := g.lookAtDesks(ctx, fresh, true); err != nil {
		return fmt.Errorf("queues: %w", err)
	}
	return nil
}

// staffDesks has the desks go by what a plan says of their people. Their views follow at the next look.
func (pl *plan) staffDesks() {
	for name, d := range pl.desks {
		staff, err := staffOf(pl.cfg.GetQueues()[name])
		if err != nil {
			continue // It was made before, without an error.
		}
		d.mu.Lock()
		d.staff = staff
		d.mu.Unlock()
	}
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
func (g *Gateway) lookAtDesks(ctx context.Context, all map[string]*desk, slow bool) error {
	now := g.ledger.Now()
	if slow {
		states, err := g.reviews.Queues(ctx, now, now.Add(-queuesSpan))
		if err != nil {
			return err
		}
		for i := range states {
			if d := all[states[i].Queue]; d != nil {
				d.measured(&states[i])
			}
		}
	}
	// Working days begin at different times: each beginning is a question of its own.
	begins := map[time.Time][]*desk{}
	for _, d := range all {
		from := d.begins(now)
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
	measured := g.ledger.Now()
	g.every(ctx, viewEvery, nil, func(ctx context.Context) {
		desks := g.plan().desks
		if len(desks) == 0 {
			return
		}
		slow := g.ledger.Now().Sub(measured) >= paceEvery
		if slow {
			measured = g.ledger.Now()
		}
		if err := g.lookAtDesks(ctx, desks, slow); err != nil && ctx.Err() == nil {
			g.log.WarnContext(ctx, "the review queues could not be read; rows are admitted by what is known of them", slog.Any("error", err))
		}
	})
}

// begins is when the working day of an instant began.
func (d *desk) begins(now time.Time) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	from, _ := d.staff.Hours.Day(now)
	return from
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
	overtaking := d.arrivals.Overtaking(now, w.Deadline, w.ExpectedLoss)
	if !d.view.InTime(now, w, overtaking) || !d.arrivals.Affords(d.staff, now, w.ExpectedLoss, d.spentNow()) {
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
	if len(c.model.plan.desks) == 0 {
		return nil
	}
	return c.model.plan.desks[c.model.review.GetQueue()]
}

// showDesk adds to what is shown of a queue what its capacity and its hours make of it.
func (g *Gateway) showDesk(q *candorv1.ReviewQueue, name string, now time.Time) {
	pl := g.plan()
	q.Open = pl.hours[name].Open(now)
	d := pl.desks[name]
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
