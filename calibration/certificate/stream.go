package certificate

import (
	"fmt"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Stream keeps one certificate, its versions one after the other, and its open units in memory: what a store does in its
// transactions, for simulations, and as its reference.
type Stream struct {
	// State is the version in force. Ended has those before it, oldest first.
	State *candorv1.CertificateState
	Ended []*candorv1.CertificateState
	// open has the units from the next one that is to be consumed to the last one drawn: numbers have no gaps.
	open []openUnit
	// spare are rows and marks of units consumed before, to be used again.
	spare []openUnit
}

type openUnit struct {
	Unit
	drawnUS int64
	settled []bool
	left    int
}

// Ticket names a chosen row whose verdict is awaited. The zero Ticket awaits nothing.
type Ticket struct {
	version uint32
	number  uint64
	row     int
}

// NewStream opens version 1 of a certificate.
func NewStream(key *candorv1.CertificateKey, nowUS int64) (*Stream, error) {
	s, err := Open(key, 1, nil, nowUS)
	if err != nil {
		return nil, err
	}
	return &Stream{State: s}, nil
}

// Draw gives a call's chosen rows their place; one Ticket per row, zero ones while verdicts don't count yet. rows are copied.
func (s *Stream) Draw(least float64, rows []Row, nowUS int64) ([]Ticket, error) {
	number, counts, err := Draw(s.State, least, rows, nowUS)
	tickets := make([]Ticket, len(rows))
	if err != nil || !counts {
		return tickets, err
	}
	var u openUnit
	if n := len(s.spare); n > 0 {
		u, s.spare = s.spare[n-1], s.spare[:n-1]
	}
	u.Unit = Unit{Number: number, Least: least, Rows: append(u.Rows[:0], rows...)}
	u.drawnUS, u.left, u.settled = nowUS, len(rows), u.settled[:0]
	for i := range rows {
		u.settled = append(u.settled, false)
		tickets[i] = Ticket{s.State.GetVersion(), number, i}
	}
	s.open = append(s.open, u)
	return tickets, nil
}

// Settle notes a row's final verdict: its loss, or that there will be none. Units are consumed as far as they are complete and
// in order. A ticket of a version that has ended, or a zero one, changes nothing; neither does a unit that was consumed before.
// Errors, with which nothing is changed: a row that was settled before, a loss that isn't in [0,1].
func (s *Stream) Settle(t Ticket, loss float64, missing bool, nowUS int64) (Change, error) {
	next := s.State.GetNextConsumed()
	if t.version != s.State.GetVersion() || t.number < next || t.number-next >= uint64(len(s.open)) {
		return Change{}, nil
	}
	u := &s.open[t.number-next]
	switch {
	case t.row < 0 || t.row >= len(u.Rows):
		return Change{}, fmt.Errorf("certificate %s: unit %d has no row %d", ID(s.State), t.number, t.row)
	case u.settled[t.row]:
		return Change{}, fmt.Errorf("certificate %s: row %d of unit %d was settled before; a final verdict counts once", ID(s.State), t.row, t.number)
	case !(loss >= 0 && loss <= 1):
		return Change{}, fmt.Errorf("certificate %s: row %d of unit %d has loss %v; it is in [0,1]", ID(s.State), t.row, t.number, loss)
	}
	u.Rows[t.row].Loss, u.Rows[t.row].Missing = loss, missing
	u.settled[t.row] = true
	u.left--
	return s.advance(nowUS)
}

// advance consumes the units that are complete, from the next one on.
func (s *Stream) advance(nowUS int64) (all Change, err error) {
	for len(s.open) > 0 {
		next := s.open[0]
		if next.left > 0 {
			s.State.OldestOpenUs = next.drawnUS
			return all, nil
		}
		c, err := Consume(s.State, next.Unit, nowUS)
		if err != nil {
			return all, err
		}
		s.open, s.spare = s.open[1:], append(s.spare, next)
		all.Certified = all.Certified || c.Certified
		if c.Fired {
			// What was certified on the way there was taken back with the rest.
			return Change{Fired: true}, s.restart(nowUS)
		}
	}
	return all, nil
}

// restart opens the version after one that has ended.
func (s *Stream) restart(nowUS int64) error {
	next, err := Next(s.State, s.State.UpstreamThreshold, nowUS)
	if err != nil {
		return err
	}
	s.Ended = append(s.Ended, s.State)
	s.State, s.open = next, nil
	return nil
}

// Open is how many units await verdicts.
func (s *Stream) Open() int { return len(s.open) }
