package postgres

import (
	"errors"
	"fmt"
	"log/slog"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/candor-gateway/candor/calibration/certificate"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// settle counts an item's final verdict for the certificates that it is evidence for. An item is finished once, and so counted.
func (b *batch) settle(it *review.Item, nowUS int64) error {
	for _, sq := range it.Sequences {
		if sq.Number == 0 {
			continue
		}
		k, ok, err := b.inForceID(sq.Certificate)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		open := false
		err = b.change(`UPDATE certificate_units SET open = open - 1 WHERE certificate = $1 AND number = $2 RETURNING true`,
			[]any{sq.Certificate, int64(sq.Number)}, func(row scanner) error { return row.Scan(&open) })
		if err != nil {
			return fmt.Errorf("settle unit %d of certificate %s: %w", sq.Number, sq.Certificate, err)
		}
		if !open {
			continue
		}
		loss, missing := judge(k.GetKey(), sq, it)
		b.later(`UPDATE certificate_rows SET settled = true, loss = $1, missing = $2 WHERE item_id = $3 AND certificate = $4`,
			loss, missing, idOf(it.ID), sq.Certificate)
		if err := b.consume(k, nowUS); err != nil {
			return err
		}
	}
	return nil
}

// judge holds a stage's answer against a person's verdict: 1 is an error, whatever the route was. missing: nobody has judged it,
// or the verdict is of another kind than the answer.
func judge(key *candorv1.CertificateKey, sq review.Sequence, it *review.Item) (loss float64, missing bool) {
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

// consume takes in units as far as they are complete, strictly in order, and does what follows from them.
func (b *batch) consume(k kept, nowUS int64) error {
	before, oldest, consumed := k.threshold(), k.GetOldestOpenUs(), k.GetNextConsumed()
	for {
		u, drawnUS, open, err := b.unit(k)
		if err != nil {
			return err
		}
		if drawnUS == 0 {
			break
		}
		if open > 0 {
			k.OldestOpenUs = drawnUS
			break
		}
		if u.Rows, err = b.rows(k, u.Number); err != nil {
			return err
		}
		change, err := certificate.Consume(k.CertificateState, u, nowUS)
		if err != nil {
			// The verdict is stored all the same; the certificate grows stale.
			b.w.store.log.Error("postgres: evidence can't be counted", slog.String("certificate", k.id()), slog.Any("error", err))
			break
		}
		if change.Fired {
			return b.revoke(k, "", "", before, nowUS)
		}
		b.later(`DELETE FROM certificate_units WHERE certificate = $1 AND number = $2`, k.id(), int64(u.Number))
		if change.Certified {
			if err := b.tell(k, candorv1.CertificateEvent_CERTIFICATE_EVENT_CERTIFIED, byGateway, "", nowUS); err != nil {
				return err
			}
		}
	}
	if k.GetNextConsumed() == consumed && k.GetOldestOpenUs() == oldest {
		return nil
	}
	if err := b.store(k); err != nil {
		return err
	}
	if after := k.threshold(); !sameThreshold(before, after) {
		return b.restartBehind(k.digest, after, nowUS)
	}
	return nil
}

// unit reads the one that is next in a certificate's order, without its rows; drawnUS 0: nothing is drawn.
func (b *batch) unit(k kept) (u certificate.Unit, drawnUS, open int64, err error) {
	u.Number = k.GetNextConsumed()
	err = b.queryRow(`SELECT least, drawn_us, open FROM certificate_units WHERE certificate = $1 AND number = $2`,
		[]any{k.id(), int64(u.Number)}, &u.Least, &drawnUS, &open)
	if errors.Is(err, pgx.ErrNoRows) {
		return u, 0, 0, nil
	}
	if err != nil {
		err = fmt.Errorf("read unit %d of certificate %s: %w", u.Number, k.id(), err)
	}
	return u, drawnUS, open, err
}

const rowsOfUnit = `SELECT confidence, probability, accepted, other_model, loss, missing FROM certificate_rows
	WHERE certificate = $1 AND number = $2 AND number > 0 ORDER BY position`

// rows of a unit, in their order.
func (b *batch) rows(k kept, number uint64) ([]certificate.Row, error) {
	var out []certificate.Row
	err := b.query(rowsOfUnit, []any{k.id(), int64(number)}, func(row scanner) error {
		var r certificate.Row
		err := row.Scan(&r.Confidence, &r.Propensity, &r.Accepted, &r.Foreign, &r.Loss, &r.Missing)
		out = append(out, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the rows of unit %d of certificate %s: %w", number, k.id(), err)
	}
	return out, nil
}
