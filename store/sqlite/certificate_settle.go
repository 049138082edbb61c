package sqlite

import (
	"fmt"
	"log/slog"

	"github.com/candor-gateway/candor/calibration/register"
	"github.com/candor-gateway/candor/review"
)

// settle counts an item's final verdict for the certificates that it is evidence for. An item is finished once, and so counted.
func (t *tx) settle(it *review.Item, nowUS int64) error {
	for _, sq := range it.Sequences {
		if sq.Number == 0 {
			continue
		}
		k, ok, err := register.InForceID(t, sq.Certificate)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		n, err := t.exec(`UPDATE certificate_units SET open = open - 1 WHERE certificate = ? AND number = ?`, sq.Certificate, int64(sq.Number))
		if err != nil {
			return fmt.Errorf("settle unit %d of certificate %s: %w", sq.Number, sq.Certificate, err)
		}
		if n == 0 {
			continue
		}
		loss, missing := sq.Judge(k.GetKey(), it)
		if _, err := t.exec(`UPDATE certificate_rows SET settled = 1, loss = ?, missing = ? WHERE item_id = ? AND certificate = ?`,
			loss, missing, it.ID, sq.Certificate); err != nil {
			return fmt.Errorf("settle a row of certificate %s: %w", sq.Certificate, err)
		}
		refused, err := register.Consume(t, k, nowUS)
		if err != nil {
			return err
		}
		if refused != nil {
			t.w.store.log.Error("sqlite: evidence can't be counted", slog.String("certificate", k.ID()), slog.Any("error", refused))
		}
	}
	return nil
}
