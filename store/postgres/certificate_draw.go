package postgres

import (
	"fmt"
	"log/slog"
	"math"
	"slices"

	"github.com/candor-gateway/candor/calibration/certificate"
	"github.com/candor-gateway/candor/calibration/register"
	"github.com/candor-gateway/candor/review"
)

// draw gives the call's rows their places in the evidence of their certificates. What can't count gets the number 0, and is no
// error: the answer must not be withheld for it.
func (b *batch) draw(items []review.Fresh, nowUS int64) error {
	for _, u := range review.UnitsOf(items) {
		unit := u.Parts
		k, ok, err := register.InForceID(b, u.Certificate)
		if err != nil {
			return err
		}
		if ok {
			if err := b.drawUnit(k, unit, nowUS); err != nil {
				return err
			}
		}
		position := 0
		for i := range unit {
			b.insertRow(&unit[i], position)
			if unit[i].Number > 0 {
				position++
			}
		}
	}
	return nil
}

// drawUnit draws those of a call's rows that are new to the certificate, and numbers them if they count.
func (b *batch) drawUnit(k register.Kept, unit []review.Part, nowUS int64) error {
	entering, err := b.entering(k.Digest, unit)
	if err != nil || len(entering) == 0 {
		return err
	}
	var number uint64
	var counts bool
	least, rows, refused := review.Draws(entering)
	if refused == nil {
		number, counts, refused, err = register.Draw(b, k, least, rows, nowUS, func() error {
			b.enter(k.Digest, entering)
			return nil
		})
	}
	if err != nil {
		return err
	}
	if refused != nil {
		b.w.store.log.Error("postgres: rows that were drawn for a certificate don't count", slog.String("certificate", k.ID()),
			slog.String("prediction_id", unit[0].Item.PredictionID), slog.Any("error", refused))
		return nil
	}
	if !counts {
		return nil
	}
	b.later(`INSERT INTO certificate_units (certificate, number, least, drawn_us, open) VALUES ($1, $2, $3, $4, $5)`,
		k.ID(), int64(number), least, nowUS, len(entering))
	for _, m := range entering {
		m.Number = number
	}
	return nil
}

// entering answers those of a call's rows whose input, and what it shares its fate with, have not entered the key's evidence
// before. Of rows with one input the first enters.
func (b *batch) entering(digest string, unit []review.Part) ([]*review.Part, error) {
	known, err := b.entered(digest, unit)
	if err != nil {
		return nil, err
	}
	var out []*review.Part
	here := map[string]bool{}
	for i := range unit {
		m := &unit[i]
		m.Number = 0
		input, cluster := m.Item.Input, m.Item.Cluster
		if input != nil && (here[string(input)] || known[0][string(input)]) || cluster != nil && known[1][string(cluster)] {
			continue
		}
		here[string(input)] = true
		out = append(out, m)
	}
	return out, nil
}

// entered answers which inputs (0) and clusters (1) of a call's rows have entered the key's evidence before.
func (b *batch) entered(digest string, unit []review.Part) (known [2]map[string]bool, err error) {
	var asked [2][][]byte
	for i := range unit {
		for cluster, what := range [...][]byte{unit[i].Item.Input, unit[i].Item.Cluster} {
			if what != nil {
				asked[cluster] = append(asked[cluster], what)
			}
		}
	}
	known = [2]map[string]bool{{}, {}}
	if len(asked[0])+len(asked[1]) == 0 {
		return known, nil
	}
	err = b.query(`SELECT cluster, input FROM certificate_inputs
		WHERE digest = $1 AND (cluster = 0 AND input = ANY($2::bytea[]) OR cluster = 1 AND input = ANY($3::bytea[]))`,
		[]any{digest, asked[0], asked[1]}, func(row scanner) error {
			var cluster int
			var input []byte
			err := row.Scan(&cluster, &input)
			if err == nil {
				known[cluster&1][string(input)] = true
			}
			return err
		})
	if err != nil {
		return known, fmt.Errorf("look for inputs of certificate %s: %w", digest, err)
	}
	return known, nil
}

// enter notes what has entered.
func (b *batch) enter(digest string, entering []*review.Part) {
	for _, m := range entering {
		for cluster, what := range [...][]byte{m.Item.Input, m.Item.Cluster} {
			if what != nil {
				b.later(`INSERT INTO certificate_inputs (digest, cluster, input) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, digest, cluster, what)
			}
		}
	}
}

// insertRow keeps an item's part. One with numbers that aren't any never counts, and isn't kept.
func (b *batch) insertRow(m *review.Part, position int) {
	if !m.Keepable() {
		b.w.store.log.Error("postgres: a row's part in a certificate isn't kept: it has numbers that aren't any",
			slog.String("certificate", m.Certificate), slog.String("review_item", m.Item.ID))
		return
	}
	value := m.Value
	if value != nil && math.IsNaN(*value) {
		value = nil // nor is there one
	}
	b.later(`INSERT INTO certificate_rows (item_id, certificate, number, position, probability, least, confidence, label,
			value, accepted, other_model) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		idOf(m.Item.ID), m.Certificate, int64(m.Number), position, m.Probability, m.Least, m.Confidence, text(m.Label), value, m.Accepted,
		m.Foreign)
}

// digestsOf answers the keys of the certificates that items are evidence for.
func digestsOf(items []review.Fresh) []string {
	var out []string
	for i := range items {
		for _, sq := range items[i].Sequences {
			if digest, _, err := certificate.SplitID(sq.Certificate); err == nil && !slices.Contains(out, digest) {
				out = append(out, digest)
			}
		}
	}
	return out
}
