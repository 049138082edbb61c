package sqlite

import (
	"fmt"
	"log/slog"

	"github.com/candor-gateway/candor/calibration/register"
	"github.com/candor-gateway/candor/review"
)

// draw gives the call's rows their places in the evidence of their certificates. What can't count gets the number 0, and is no
// error: the answer must not be withheld for it.
func (t *tx) draw(items []review.Fresh, nowUS int64) error {
	for _, u := range review.UnitsOf(items) {
		unit := u.Parts
		k, ok, err := register.InForceID(t, u.Certificate)
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
func (t *tx) drawUnit(k register.Kept, unit []review.Part, nowUS int64) error {
	entering, err := t.entering(k.Digest, unit)
	if err != nil || len(entering) == 0 {
		return err
	}
	var number uint64
	var counts bool
	least, rows, refused := review.Draws(entering)
	if refused == nil {
		number, counts, refused, err = register.Draw(t, k, least, rows, nowUS, func() error { return t.enter(k.Digest, entering) })
	}
	if err != nil {
		return err
	}
	if refused != nil {
		t.w.store.log.Error("sqlite: rows that were drawn for a certificate don't count", slog.String("certificate", k.ID()),
			slog.String("prediction_id", unit[0].Item.PredictionID), slog.Any("error", refused))
		return nil
	}
	if !counts {
		return nil
	}
	if _, err := t.exec(`INSERT INTO certificate_units (certificate, number, least, drawn_us, open) VALUES (?, ?, ?, ?, ?)`,
		k.ID(), int64(number), least, nowUS, len(entering)); err != nil {
		return fmt.Errorf("store unit %d of certificate %s: %w", number, k.ID(), err)
	}
	for _, m := range entering {
		m.Number = number
	}
	return nil
}

// entering answers those of a call's rows whose input, and what it shares its fate with, have not entered the key's evidence
// before. Of rows with one input the first enters.
func (t *tx) entering(digest string, unit []review.Part) ([]*review.Part, error) {
	var out []*review.Part
	here := map[string]bool{}
	for i := range unit {
		m := &unit[i]
		m.Number = 0
		known := m.Item.Input != nil && here[string(m.Item.Input)]
		for cluster, what := range [...][]byte{m.Item.Input, m.Item.Cluster} {
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
		here[string(m.Item.Input)] = true
		out = append(out, m)
	}
	return out, nil
}

// enter notes what has entered.
func (t *tx) enter(digest string, entering []*review.Part) error {
	for _, m := range entering {
		for cluster, what := range [...][]byte{m.Item.Input, m.Item.Cluster} {
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
func (t *tx) insertRow(m *review.Part, position int) error {
	if !m.Keepable() {
		t.w.store.log.Error("sqlite: a row's part in a certificate isn't kept: it has numbers that aren't any",
			slog.String("certificate", m.Certificate), slog.String("review_item", m.Item.ID))
		return nil
	}
	// SQLite keeps NaN as NULL, which here means that there is no value: nor is there.
	if _, err := t.exec(`INSERT INTO certificate_rows (item_id, certificate, number, position, probability, least, confidence, label,
			value, accepted, other_model) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		m.Item.ID, m.Certificate, int64(m.Number), position, m.Probability, m.Least, m.Confidence, m.Label, m.Value, m.Accepted,
		m.Foreign); err != nil {
		return fmt.Errorf("store the part of review item %s in certificate %s: %w", m.Item.ID, m.Certificate, err)
	}
	return nil
}
