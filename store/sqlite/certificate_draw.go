package sqlite

import (
	"errors"
	"fmt"
	"log/slog"
	"math"

	"github.com/candor-gateway/candor/calibration/certificate"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// member is an item's part in a unit.
type member struct {
	item *newItem
	review.Sequence
}

// draw gives the call's rows their places in the evidence of their certificates. What can't count gets the number 0, and is no
// error: the answer must not be withheld for it.
func (t *tx) draw(items []newItem, nowUS int64) error {
	var ids []string
	units := map[string][]member{}
	for i := range items {
		for _, sq := range items[i].Sequences {
			if units[sq.Certificate] == nil {
				ids = append(ids, sq.Certificate)
			}
			units[sq.Certificate] = append(units[sq.Certificate], member{&items[i], sq})
		}
	}
	for _, id := range ids {
		unit := units[id]
		k, ok, err := t.inForceID(id)
		if err != nil {
			return err
		}
		if ok {
			if err := t.drawUnit(k, unit, nowUS); err != nil {
				return err
			}
		}
		position := 0
		for i := range unit {
			if err := t.insertRow(&unit[i], position); err != nil {
				return err
			}
			if unit[i].Number > 0 {
				position++
			}
		}
	}
	return nil
}

// drawUnit draws those of a call's rows that are new to the certificate, and numbers them if they count.
func (t *tx) drawUnit(k kept, unit []member, nowUS int64) error {
	entering, err := t.entering(k.digest, unit)
	if err != nil || len(entering) == 0 {
		return err
	}
	rows := make([]certificate.Row, len(entering))
	least := entering[0].Least
	for i, m := range entering {
		if m.Least != least {
			err = errors.New("the rows of one call have different least propensities: they are decided together")
		}
		rows[i] = certificate.Row{Confidence: m.Confidence, Propensity: m.Probability, Foreign: m.Foreign}
	}
	frozen := k.GetFrozenUs()
	var number uint64
	var counts bool
	if err == nil {
		number, counts, err = certificate.Draw(k.CertificateState, least, rows, nowUS)
	}
	if err != nil {
		t.w.store.log.Error("sqlite: rows that were drawn for a certificate don't count", slog.String("certificate", k.id()),
			slog.String("prediction_id", unit[0].item.PredictionID), slog.Any("error", err))
		return nil
	}
	if err := t.enter(k.digest, entering); err != nil {
		return err
	}
	if err := t.store(k); err != nil {
		return err
	}
	if k.GetFrozenUs() != frozen {
		if err := t.tell(k, candorv1.CertificateEvent_CERTIFICATE_EVENT_FROZEN, byGateway, "", nowUS); err != nil {
			return err
		}
	}
	if !counts {
		return nil
	}
	if _, err := t.exec(`INSERT INTO certificate_units (certificate, number, least, drawn_us, open) VALUES (?, ?, ?, ?, ?)`,
		k.id(), int64(number), least, nowUS, len(entering)); err != nil {
		return fmt.Errorf("store unit %d of certificate %s: %w", number, k.id(), err)
	}
	for _, m := range entering {
		m.Number = number
	}
	return nil
}

// entering answers those of a call's rows whose input, and what it shares its fate with, have not entered the key's evidence
// before. Of rows with one input the first enters.
func (t *tx) entering(digest string, unit []member) ([]*member, error) {
	var out []*member
	here := map[string]bool{}
	for i := range unit {
		m := &unit[i]
		m.Number = 0
		known := m.item.Input != nil && here[string(m.item.Input)]
		for cluster, what := range [...][]byte{m.item.Input, m.item.Cluster} {
			if what == nil || known {
				continue
			}
			if err := t.queryRow(`SELECT EXISTS (SELECT 1 FROM certificate_inputs WHERE digest = ? AND cluster = ? AND input = ?)`,
				[]any{digest, cluster, what}, &known); err != nil {
				return nil, fmt.Errorf("look for an input of certificate %s: %w", digest, err)
			}
		}
		if known {
			continue
		}
		here[string(m.item.Input)] = true
		out = append(out, m)
	}
	return out, nil
}

// enter notes what has entered.
func (t *tx) enter(digest string, entering []*member) error {
	for _, m := range entering {
		for cluster, what := range [...][]byte{m.item.Input, m.item.Cluster} {
			if what == nil {
				continue
			}
			if _, err := t.exec(`INSERT INTO certificate_inputs (digest, cluster, input) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`,
				digest, cluster, what); err != nil {
				return fmt.Errorf("note an input of certificate %s: %w", digest, err)
			}
		}
	}
	return nil
}

// insertRow keeps an item's part. One with numbers that aren't any never counts, and can't be kept.
func (t *tx) insertRow(m *member, position int) error {
	for _, v := range [...]float64{m.Probability, m.Least, m.Confidence} {
		if math.IsNaN(v) {
			t.w.store.log.Error("sqlite: a row's part in a certificate isn't kept: it has numbers that aren't any",
				slog.String("certificate", m.Certificate), slog.String("review_item", m.item.ID))
			return nil
		}
	}
	// SQLite keeps NaN as NULL, which here means that there is no value: nor is there.
	if _, err := t.exec(`INSERT INTO certificate_rows (item_id, certificate, number, position, probability, least, confidence, label,
			value, accepted, other_model) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		m.item.ID, m.Certificate, int64(m.Number), position, m.Probability, m.Least, m.Confidence, m.Label, m.Value, m.Accepted,
		m.Foreign); err != nil {
		return fmt.Errorf("store the part of review item %s in certificate %s: %w", m.item.ID, m.Certificate, err)
	}
	return nil
}
