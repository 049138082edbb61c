package review

import (
	"errors"
	"math"

	"github.com/candor-gateway/candor/calibration/certificate"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Judge holds a stage's answer against the final verdict: a loss of 1 is an error, whatever the route was. missing: nobody has judged it,
// or the verdict is of another kind than the answer.
func (sq Sequence) Judge(key *candorv1.CertificateKey, it *Item) (loss float64, missing bool) {
	if it.FinalReason != candorv1.Reason_REASON_VERDICT {
		return 0, true
	}
	var right bool
	switch v := it.Verdict.GetAnswer().(type) {
	case *candorv1.Verdict_Label:
		if key.Tolerance != nil {
			return 0, true
		}
		right = v.Label == sq.Label
	case *candorv1.Verdict_Value:
		if key.Tolerance == nil || sq.Value == nil {
			return 0, true
		}
		right = math.Abs(*sq.Value-v.Value) <= key.GetTolerance()
	default:
		return 0, true
	}
	if right {
		return 0, false
	}
	return 1, false
}

// Part is an item's part in the evidence of one certificate.
type Part struct {
	Item *Fresh
	Sequence
}

// Unit is the part that one call has in the evidence of one certificate.
type Unit struct {
	Certificate string
	Parts       []Part
}

// UnitsOf sorts the parts of one call's items by certificate, in the order in which they first appear.
func UnitsOf(items []Fresh) []Unit {
	var units []Unit
	at := map[string]int{}
	for i := range items {
		for _, sq := range items[i].Sequences {
			n, ok := at[sq.Certificate]
			if !ok {
				n = len(units)
				at[sq.Certificate] = n
				units = append(units, Unit{Certificate: sq.Certificate})
			}
			units[n].Parts = append(units[n].Parts, Part{&items[i], sq})
		}
	}
	return units
}

// Draws is what the parts that enter a certificate's evidence are drawn as, at least one. Errors: they have not the same least
// propensity.
func Draws(entering []*Part) (least float64, rows []certificate.Row, err error) {
	rows = make([]certificate.Row, len(entering))
	least = entering[0].Least
	for i, m := range entering {
		if m.Least != least {
			err = errors.New("the rows of one call have different least propensities: they are decided together")
		}
		rows[i] = certificate.Row{Confidence: m.Confidence, Propensity: m.Probability, Foreign: m.Foreign}
	}
	return least, rows, err
}

// Keepable says that a part has no number that isn't any.
func (sq Sequence) Keepable() bool {
	return !math.IsNaN(sq.Probability) && !math.IsNaN(sq.Least) && !math.IsNaN(sq.Confidence)
}
