package register

import (
	"github.com/candor-gateway/candor/calibration/certificate"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Draw gives the rows of one call that are new to a certificate their place in its order; see certificate.Draw. refused: they can't
// count, and nothing is changed. enter is called once it is known that they enter, before anything is stored; the caller keeps the
// unit when counts is true.
func Draw(tx Tx, k Kept, least float64, rows []certificate.Row, nowUS int64, enter func() error) (number uint64, counts bool, refused, err error) {
	frozen := k.GetFrozenUs()
	number, counts, refused = certificate.Draw(k.CertificateState, least, rows, nowUS)
	if refused != nil {
		return 0, false, refused, nil
	}
	if err := enter(); err != nil {
		return 0, false, nil, err
	}
	if err := store(tx, k); err != nil {
		return 0, false, nil, err
	}
	if k.GetFrozenUs() != frozen {
		err = tell(tx, k, candorv1.CertificateEvent_CERTIFICATE_EVENT_FROZEN, Word{By: byGateway}, nowUS)
	}
	return number, counts, nil, err
}

// Consume takes in units as far as they are complete, strictly in order, and does what follows from them. refused: the evidence of
// one can't be counted. What the verdict was is stored all the same; the certificate grows stale.
func Consume(tx Tx, k Kept, nowUS int64) (refused, err error) {
	before, oldest, consumed := k.Threshold(), k.GetOldestOpenUs(), k.GetNextConsumed()
	for {
		u, drawnUS, open, err := tx.Unit(k.ID(), k.GetNextConsumed())
		if err != nil {
			return nil, err
		}
		if drawnUS == 0 {
			break
		}
		if open > 0 {
			k.OldestOpenUs = drawnUS
			break
		}
		if u.Rows, err = tx.Rows(k.ID(), u.Number); err != nil {
			return nil, err
		}
		var change certificate.Change
		if change, refused = certificate.Consume(k.CertificateState, u, nowUS); refused != nil {
			break
		}
		if change.Fired {
			return nil, revoke(tx, k, Word{}, before, nowUS)
		}
		if err := tx.DropUnit(k.ID(), u.Number); err != nil {
			return nil, err
		}
		if change.Certified {
			if err := tell(tx, k, candorv1.CertificateEvent_CERTIFICATE_EVENT_CERTIFIED, Word{By: byGateway}, nowUS); err != nil {
				return nil, err
			}
		}
	}
	if k.GetNextConsumed() == consumed && k.GetOldestOpenUs() == oldest {
		return refused, nil
	}
	if err := store(tx, k); err != nil {
		return refused, err
	}
	if after := k.Threshold(); !sameThreshold(before, after) {
		return refused, restartBehind(tx, k.Digest, after, nowUS)
	}
	return refused, nil
}
