package limits

import (
	"errors"
	"fmt"
	"time"
)

// Account is what a shared store keeps of a limit beside its leases: the row that every grant locks. All times are whole
// microseconds.
//
// Why no window ever holds more than Max: grants of one limit come one after the other, each at a time that is never before
// the last one's, and a grant adds up every lease whose permits may have been used in the window that ends then. Take any
// window, and of the leases used in it the one granted last. That grant was inside of the window or before it, so what it
// added up was all of the others, and it left room for its own. Settling changes nothing of this: it takes away only what
// wasn't used, and moves a lease's end only to where its last use was, or later.
type Account struct {
	// Clock is the time of the latest grant or settlement, Shift what the server's clock was corrected by then, and Wall what the wall
	// clock of the gateway By said that asked; zero: not known. See Tick.
	Clock time.Time
	Shift time.Duration
	Wall  time.Time
	By    string
	// Born is when the account was made, or its time was set anew: another of the same limit has another. What a gateway has seen of
	// one says nothing of the next.
	Born time.Time
	// Lost is the most that the limit's time has fallen behind, in all, where the server's clock was set back, since Born at least. It is at least 0
	// and at most mostLostInAll, beside what one decision adds.
	Lost time.Duration
	// Permits is the sum over all leases that are kept.
	Permits int64
	// LastID is the ID of the newest lease.
	LastID int64
	// Window that leases are kept for, the longest that gateways ask about, and when it was asked about last.
	Window   time.Duration
	WindowAt time.Time
}

// Rows are the leases of one limit in a shared store, inside of the transaction that has locked its Account.
type Rows interface {
	// Settle replaces the Count and the Until of a lease by those of l, deletes it if l.Count is 0, and answers what Count was
	// before; 0: there is no such lease.
	Settle(l Lease) (before int64, err error)
	// Forget deletes the leases with an Until at or before t, and answers how many permits they had.
	Forget(t time.Time) (permits int64, err error)
	// After answers how many permits leases with an Until after t have.
	After(t time.Time) (permits int64, err error)
	// Pending answers the permits of leases that aren't settled and whose holders have a lease's length left after Until to do
	// so, and the first end of such a span.
	Pending(now time.Time) (permits int64, first time.Time, err error)
	// Add stores a new lease.
	Add(l Lease) error
}

// Over says, after Decide, whether the account may be deleted: no lease is left, so that no time of the next one's is before one that
// still counts, and none of the others that Weigh answered, which other gateways have counted. The next one must be Born at another time, and
// its IDs be above all of this one's.
func (a *Account) Over(r LeaseRequest, latched bool, others int64) bool {
	return r.Retire && !latched && r.Count == 0 && a.Permits == 0 && others == 0
}

// longestLease is more than how long leases last.
const longestLease = time.Minute

// Decide settles and grants at now, a time of Tick. latched: a trip that isn't a dry run holds the limit. An error is the
// rows', and then nothing may be committed. It is a function of its arguments alone: limits/model explores it.
func (a *Account) Decide(rows Rows, r LeaseRequest, now time.Time, latched bool) (Grant, error) {
	g := Grant{Lease: Lease{Limit: r.Limit}}
	if s := r.Settled; s != nil {
		before, err := rows.Settle(*s)
		if err != nil {
			return g, fmt.Errorf("settle lease %d of %s: %w", s.ID, r.Limit, err)
		}
		if before > 0 {
			a.Permits -= before - s.Count
		}
	}
	// Gateways with an older configuration may still ask about a longer window, and use what they got by it.
	if r.Window >= a.Window || now.Sub(a.WindowAt) > a.Window+longestLease {
		a.Window, a.WindowAt = r.Window, now
	}
	gone, err := rows.Forget(now.Add(-a.Window))
	if err != nil {
		return g, fmt.Errorf("forget leases of %s: %w", r.Limit, err)
	}
	a.Permits -= gone
	g.Used = a.Permits
	if r.Window < a.Window {
		if g.Used, err = rows.After(now.Add(-r.Window)); err != nil {
			return g, fmt.Errorf("count the permits of %s: %w", r.Limit, err)
		}
	}
	if latched || r.Count == 0 {
		return g, nil
	}
	left := r.Max - g.Used
	if left < max(r.Need, 1) {
		var first time.Time
		if g.Pending, first, err = rows.Pending(now); err != nil {
			return g, fmt.Errorf("count the open leases of %s: %w", r.Limit, err)
		}
		switch {
		case left+g.Pending < max(r.Need, 1):
			g.Pending = 0
		case g.Pending > 0:
			g.Retry = first.Sub(now)
		}
		return g, nil
	}
	a.LastID++
	l := Lease{
		Limit: r.Limit, ID: a.LastID, Count: max(r.Need, min(r.Count, left/leaseShare), 1), From: now, Until: now.Add(r.Until.Sub(r.From)),
	}
	if err := rows.Add(l); err != nil {
		return g, fmt.Errorf("store lease %d of %s: %w", l.ID, l.Limit, err)
	}
	a.Permits += l.Count
	g.Lease, g.Used = l, g.Used+l.Count
	return g, nil
}

// Check answers what is wrong with a request, for every store.
func (r LeaseRequest) Check() error {
	switch {
	case r.Limit == "":
		return errors.New("a lease without a limit: name it")
	case r.Count < 0 || r.Settled != nil && r.Settled.Count < 0:
		return fmt.Errorf("limit %q: %d permits, or fewer than none used: ask for at least 0", r.Limit, r.Count)
	case r.Settled != nil && r.Settled.Limit != r.Limit:
		return fmt.Errorf("limit %q: the lease to settle is of %q: settle it with its own limit", r.Limit, r.Settled.Limit)
	case r.Report != nil && (r.Share == nil || r.Report.By == "" || r.Report.Seq < 1):
		return fmt.Errorf("limit %q: a report that is nobody's, without a seq, or of a limit that is no ratio", r.Limit)
	}
	return nil
}
