package simulate

import (
	"github.com/candor-gateway/candor/calibration/certificate"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// rule earns a threshold from verdicts. The product's is [certificate.Stream]; the others are mistakes that people make, kept
// here so that tests can show that they are found.
type rule interface {
	// draw takes a call's chosen rows and appends a ticket for each.
	draw(least float64, rows []certificate.Row, out []ticket, nowUS int64) ([]ticket, error)
	settle(t ticket, loss float64, missing bool, nowUS int64) error
	// threshold in force; ok is false when nothing may be accepted.
	threshold() (tau float64, ok bool)
	// stream that it keeps its evidence in.
	stream() *certificate.Stream
}

// ticket of a row whose verdict is wanted; the zero ticket is of one whose isn't.
type ticket struct {
	certificate.Ticket
	// own is a mutant's number, from 1.
	own int
}

// product is the rule that Candor uses.
type product struct{ s *certificate.Stream }

func newProduct(key *candorv1.CertificateKey, nowUS int64) (*product, error) {
	s, err := certificate.NewStream(key, nowUS)
	return &product{s}, err
}

func (p *product) draw(least float64, rows []certificate.Row, out []ticket, nowUS int64) ([]ticket, error) {
	tickets, err := p.s.Draw(least, rows, nowUS)
	for _, t := range tickets {
		out = append(out, ticket{Ticket: t})
	}
	return out, err
}

func (p *product) settle(t ticket, loss float64, missing bool, nowUS int64) error {
	_, err := p.s.Settle(t.Ticket, loss, missing, nowUS)
	return err
}

func (p *product) threshold() (float64, bool) { return certificate.Threshold(p.s.State) }

func (p *product) stream() *certificate.Stream { return p.s }
