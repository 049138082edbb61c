package simulate

import (
	"math"

	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/calibration/certificate"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Mutant is a known mistake in place of the product's rule.
type Mutant string

// The mistakes; None is the product.
const (
	None           Mutant = ""
	Unweighted     Mutant = "unweighted labels"
	BestEmpirical  Mutant = "best empirical threshold"
	FailOpen       Mutant = "fail open when nothing is certified"
	WholeDelta     Mutant = "whole delta to each certificate"
	SilentDrops    Mutant = "rows without a verdict dropped"
	ArrivalOrder   Mutant = "verdicts in the order of arrival"
	OwnPropensity  Mutant = "row's own propensity as the least"
	RowsAsIfAlone  Mutant = "rows of a call as independent"
	leastEmpirical        = 50
)

// newRule makes the rule of one of a policy's certificates. whole is the policy's delta.
func newRule(m Mutant, key *candorv1.CertificateKey, whole float64, nowUS int64) (rule, error) {
	switch m {
	case WholeDelta:
		key = proto.CloneOf(key)
		key.Delta = whole
	case RowsAsIfAlone:
		key = proto.CloneOf(key)
		key.MaxRows = 1
	}
	p, err := newProduct(key, nowUS)
	if err != nil {
		return nil, err
	}
	switch m {
	case Unweighted:
		return &unweighted{p}, nil
	case BestEmpirical:
		return &bestEmpirical{product: p}, nil
	case FailOpen:
		return &failOpen{p}, nil
	case SilentDrops:
		return &reordered{product: p, drops: true}, nil
	case ArrivalOrder:
		return &reordered{product: p, arrival: true}, nil
	case OwnPropensity:
		return &ownPropensity{p}, nil
	case RowsAsIfAlone:
		return &alone{p}, nil
	}
	return p, nil
}

// unweighted counts every label alike, however seldom rows of its kind are looked at.
type unweighted struct{ *product }

func (u *unweighted) draw(least float64, rows []certificate.Row, out []ticket, nowUS int64) ([]ticket, error) {
	for i := range rows {
		rows[i].Propensity = 1
	}
	return u.product.draw(least, rows, out, nowUS)
}

// ownPropensity scales a bet by the propensity that the row itself got. Calls have one row.
type ownPropensity struct{ *product }

func (o *ownPropensity) draw(_ float64, rows []certificate.Row, out []ticket, nowUS int64) ([]ticket, error) {
	return o.product.draw(rows[0].Propensity, rows, out, nowUS)
}

// failOpen accepts at the strictest level when none is certified.
type failOpen struct{ *product }

func (f *failOpen) threshold() (float64, bool) {
	tau, ok := f.product.threshold()
	if grid := f.s.State.GetGrid(); !ok && len(grid) > 0 {
		return grid[0], true
	}
	return tau, ok
}

// alone takes each row of a call as a unit.
type alone struct{ *product }

func (a *alone) draw(least float64, rows []certificate.Row, out []ticket, nowUS int64) (_ []ticket, err error) {
	for i := range rows {
		if out, err = a.product.draw(least, rows[i:i+1], out, nowUS); err != nil {
			return out, err
		}
	}
	return out, nil
}

// reordered gives a row its place when its verdict is there, and not when it is drawn: as it arrives, or in order but without
// those that ended without a verdict. Calls have one row.
type reordered struct {
	*product
	arrival, drops bool
	waiting        []waiting
	// gone is how many of the waiting were taken off the front.
	gone int
}

type waiting struct {
	least          float64
	row            certificate.Row
	loss           float64
	missing, ready bool
}

func (r *reordered) draw(least float64, rows []certificate.Row, out []ticket, nowUS int64) ([]ticket, error) {
	if r.s.State.GetStatus() == candorv1.CertificateStatus_CERTIFICATE_STATUS_BURN_IN {
		return r.product.draw(least, rows, out, nowUS)
	}
	r.waiting = append(r.waiting, waiting{least: least, row: rows[0]})
	return append(out, ticket{own: r.gone + len(r.waiting)}), nil
}

func (r *reordered) settle(t ticket, loss float64, missing bool, nowUS int64) error {
	w := &r.waiting[t.own-1-r.gone]
	w.loss, w.missing, w.ready = loss, missing, true
	if r.arrival {
		if err := r.take(*w, nowUS); err != nil {
			return err
		}
		w.missing = true // taken: what is left is to drop it
	}
	for len(r.waiting) > 0 && r.waiting[0].ready {
		first := r.waiting[0]
		r.waiting, r.gone = r.waiting[1:], r.gone+1
		if first.missing && (r.drops || r.arrival) {
			continue
		}
		if err := r.take(first, nowUS); err != nil {
			return err
		}
	}
	return nil
}

// take draws and settles at once.
func (r *reordered) take(w waiting, nowUS int64) error {
	tickets, err := r.s.Draw(w.least, []certificate.Row{w.row}, nowUS)
	if err != nil {
		return err
	}
	_, err = r.s.Settle(tickets[0], w.loss, w.missing, nowUS)
	return err
}

// bestEmpirical licenses the lowest level at which the weighted share of errors so far is no more than alpha.
type bestEmpirical struct {
	*product
	drawn  []certificate.Row
	labels []int
	// weights of all labels and of the errors, at or above each level.
	all, wrong []float64
}

func (b *bestEmpirical) draw(least float64, rows []certificate.Row, out []ticket, nowUS int64) ([]ticket, error) {
	from := len(out)
	out, err := b.product.draw(least, rows, out, nowUS)
	for i, r := range rows {
		if out[from+i] != (ticket{}) {
			b.drawn = append(b.drawn, r)
			out[from+i].own = len(b.drawn)
		}
	}
	return out, err
}

func (b *bestEmpirical) settle(t ticket, loss float64, _ bool, _ int64) error {
	grid := b.s.State.GetGrid()
	if b.all == nil {
		b.labels, b.all, b.wrong = make([]int, len(grid)), make([]float64, len(grid)), make([]float64, len(grid))
	}
	row := b.drawn[t.own-1]
	for j, level := range grid {
		if row.Confidence >= level {
			b.labels[j]++
			b.all[j] += 1 / row.Propensity
			b.wrong[j] += loss / row.Propensity
		}
	}
	return nil
}

func (b *bestEmpirical) threshold() (float64, bool) {
	for j := len(b.all) - 1; j >= 0; j-- {
		if b.labels[j] >= leastEmpirical && b.wrong[j] <= b.s.State.GetKey().GetAlpha()*b.all[j] {
			return b.s.State.GetGrid()[j], true
		}
	}
	return math.Inf(1), false
}
