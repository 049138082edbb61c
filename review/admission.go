package review

import (
	"math"
	"slices"
	"time"
)

// Staff is what the people of a queue can do.
type Staff struct {
	// Reviewers at work while the queue is open; at least 1.
	Reviewers int
	// Service is how long one item takes one of them; 0: as measured.
	Service time.Duration
	// PerDay bounds the items of a working day; 0: nothing does.
	PerDay int64
	// AuditShare in [0,1] of the claims goes to audits first, while there are any.
	AuditShare float64
	// Hours in which they work; nil: always.
	Hours *Hours
}

// An item takes unknownService until leastMeasured verdicts say how long it takes.
const (
	unknownService = time.Minute
	leastMeasured  = 20
)

// ServiceTime is how long an item takes: as the staff says, or the median of what was measured.
func (s Staff) ServiceTime(measured []time.Duration) time.Duration {
	switch {
	case s.Service > 0:
		return s.Service
	case len(measured) < leastMeasured:
		return unknownService
	}
	sorted := slices.Clone(measured)
	slices.Sort(sorted)
	// A queue that is answered without looking has a pace, too; but time has to pass.
	return max(sorted[(len(sorted)-1)/2], time.Millisecond)
}

// Desk says when an item's turn comes, by what waits now. What will come later and be worth more is not foreseen: it overtakes, and
// AtRisk then counts what it has pushed back. Not safe for concurrent use.
//
// The model: each of the reviewers does one item after the other, of which each takes the service time; of the items that are in
// somebody's hands each is half done. AuditShare of the turns goes to audits, as long as there are any.
type Desk struct {
	staff   Staff
	service time.Duration
	claimed int
	// waiting are those that somebody waits for, in the order of Store.Next; more are behind them.
	waiting []Waiting
	more    int
	// audits are the deadlines of those that wait, in their order.
	audits []time.Time
}

// NewDesk takes the state of a queue as it was read. service is what Staff.ServiceTime said.
func NewDesk(staff Staff, service time.Duration, s *QueueState) *Desk {
	d := &Desk{staff: staff, service: max(service, time.Millisecond), claimed: int(s.Claimed), more: max(0, int(s.Pending)-len(s.Waiting))}
	d.staff.Reviewers = max(d.staff.Reviewers, 1)
	d.waiting = make([]Waiting, 0, len(s.Waiting))
	for _, w := range s.Waiting {
		d.Take(w)
	}
	return d
}

// Take puts an item that came since into its place.
func (d *Desk) Take(w Waiting) {
	if w.Audit {
		i, _ := slices.BinarySearchFunc(d.audits, w.Deadline, time.Time.Compare)
		d.audits = slices.Insert(d.audits, i, w.Deadline)
		return
	}
	d.waiting = slices.Insert(d.waiting, d.place(w), w)
}

// place is how many of the known items come before one.
func (d *Desk) place(w Waiting) int {
	i, _ := slices.BinarySearchFunc(d.waiting, w, func(have, w Waiting) int {
		if before(w, have) {
			return 1
		}
		return -1
	})
	return i
}

// before is the order of Store.Next. Of two that are equal the one that is there comes first.
func before(a, b Waiting) bool {
	if a.ExpectedLoss != b.ExpectedLoss {
		return a.ExpectedLoss > b.ExpectedLoss
	}
	if !a.Deadline.Equal(b.Deadline) {
		return a.Deadline.Before(b.Deadline)
	}
	return a.Created.Before(b.Created)
}

// Turn is when somebody begins with an item, and when they are done.
type Turn struct{ Begin, End time.Time }

// Turn of an item that comes now.
func (d *Desk) Turn(now time.Time, w Waiting) Turn {
	if w.Audit {
		return d.turn(now, d.ofAudit(len(d.audits)))
	}
	at := d.place(w)
	if at == len(d.waiting) {
		at += d.more
	}
	return d.turn(now, d.ofAwaited(at))
}

// InTime says that an item that comes now is answered by its deadline.
func (d *Desk) InTime(now time.Time, w Waiting) bool { return !d.Turn(now, w).End.After(w.Deadline) }

// Wait is how long an item waits that comes now and that everything else that waits comes before.
func (d *Desk) Wait(now time.Time) time.Duration {
	return d.turn(now, len(d.waiting)+d.more+len(d.audits)).Begin.Sub(now)
}

// AtRisk counts the known items whose deadline passes before somebody begins with them.
func (d *Desk) AtRisk(now time.Time) int64 {
	var n int64
	for i := range d.waiting {
		if d.turn(now, d.ofAwaited(i)).Begin.After(d.waiting[i].Deadline) {
			n++
		}
	}
	for i, due := range d.audits {
		if d.turn(now, d.ofAudit(i)).Begin.After(due) {
			n++
		}
	}
	return n
}

// ofAwaited is how many items come before the one that n of its kind come before.
func (d *Desk) ofAwaited(n int) int {
	return n + interleaved(n, len(d.audits), d.staff.AuditShare)
}

// ofAudit is the same for an audit.
func (d *Desk) ofAudit(n int) int {
	return n + interleaved(n, len(d.waiting)+d.more, 1-d.staff.AuditShare)
}

// interleaved is how many of the others, which get a share of the turns, come before an item that n of its own kind come before.
func interleaved(n, others int, share float64) int {
	switch {
	case share <= 0 || math.IsNaN(share):
		return 0
	case share >= 1:
		return others
	}
	return int(math.Min(float64(others), math.Round(float64(n)*share/(1-share))))
}

func (d *Desk) turn(now time.Time, ahead int) Turn {
	rounds := int64((float64(ahead) + float64(d.claimed)/2) / float64(d.staff.Reviewers))
	work := time.Duration(math.MaxInt64)
	if rounds < int64(math.MaxInt64/d.service) {
		work = time.Duration(rounds) * d.service
	}
	begin := d.staff.Hours.Add(now, work)
	return Turn{Begin: begin, End: d.staff.Hours.Add(begin, d.service)}
}
