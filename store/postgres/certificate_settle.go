package postgres

import (
	"fmt"
	"log/slog"

	"github.com/candor-gateway/candor/calibration/register"
	"github.com/candor-gateway/candor/review"
)

// settle counts an item's final verdict for the certificates that it is evidence for. An item is finished once, and so counted.
func (b *batch) settle(it *review.Item, nowUS int64) error {
	for _, sq := range it.Sequences {
		if sq.Number == 0 {
			continue
		}
		k, ok, err := register.InForceID(b, sq.Certificate)
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
		loss, missing := sq.Judge(k.GetKey(), it)
		b.later(`UPDATE certificate_rows SET settled = true, loss = $1, missing = $2 WHERE item_id = $3 AND certificate = $4`,
			loss, missing, idOf(it.ID), sq.Certificate)
		refused, err := register.Consume(b, k, nowUS)
		if err != nil {
			return err
		}
		if refused != nil {
			b.w.store.log.Error("postgres: evidence can't be counted", slog.String("certificate", k.ID()), slog.Any("error", refused))
		}
	}
	return nil
}
