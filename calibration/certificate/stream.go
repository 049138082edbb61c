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
	open  map[uint64]*openUnit
}

type openUnit struct {
	Unit
	drawnUS int64
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
	return &Stream{State: s, open: map[uint64]*openUnit{}}, nil
}

// Draw gives a call's chosen rows their place; one Ticket per row, zero ones while verdicts don't count yet.
func (s *Stream) Draw(least float64, rows []Row, nowUS int64) ([]Ticket, error) {
	number, counts, err := Draw(s.State, least, rows, nowUS)
	tickets := make([]Ticket, len(rows))
	if err != nil || !counts {
		return tickets, err
	}
	s.open[number] = &openUnit{
		Unit:    Unit{Number: number, Least: least, Rows: append([]Row(nil), rows...)},
		drawnUS: nowUS, left: len(rows),
	}
	for i := range rows {
		tickets[i] = Ticket{s.State.GetVersion(), number, i}
	}
	return tickets, nil
}

// Settle notes a row's final verdict: its loss, or that there will be none. Units are consumed as far as they are complete and
// in order. A ticket of a version that has ended, or a zero one, changes nothing; neither does a unit that was consumed before.
func (s *Stream) Settle(t Ticket, loss float64, missing bool, nowUS int64) (Change, error) {
	u := s.open[t.number]
	if u == nil || t.version != s.State.GetVersion() {
		return Change{}, nil
	}
	if t.row < 0 || t.row >= len(u.Rows) || u.left == 0 {
		return Change{}, fmt.Errorf("certificate %s: unit %d has no open row %d", ID(s.State), t.number, t.row)
	}
	u.Rows[t.row].Loss, u.Rows[t.row].Missing = loss, missing
	u.left--
	var all Change
	for {
		next := s.open[s.State.GetNextConsumed()]
		if next == nil {
			return all, nil
		}
		if next.left > 0 {
			s.State.OldestOpenUs = next.drawnUS
			return all, nil
		}
		delete(s.open, next.Number)
		c, err := Consume(s.State, next.Unit, nowUS)
		if err != nil {
			return all, err
		}
		all.Certified = all.Certified || c.Certified
		if c.Fired {
			return Change{Fired: true}, s.restart(nowUS)
		}
	}
}

// restart opens the version after one that has ended.
func (s *Stream) restart(nowUS int64) error {
	next, err := Next(s.State, s.State.UpstreamThreshold, nowUS)
	if err != nil {
		return err
	}
	s.Ended = append(s.Ended, s.State)
	s.State, s.open = next, map[uint64]*openUnit{}
	return nil
}

// Open is how many units await verdicts.
func (s *Stream) Open() int { return len(s.open) }
