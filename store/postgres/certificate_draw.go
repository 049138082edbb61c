package postgres

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"

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
func (b *batch) draw(items []newItem, nowUS int64) error {
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
		k, ok, err := b.inForceID(id)
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
func (b *batch) drawUnit(k kept, unit []member, nowUS int64) error {
	entering, err := b.entering(k.digest, unit)
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
		b.w.store.log.Error("postgres: rows that were drawn for a certificate don't count", slog.String("certificate", k.id()),
			slog.String("prediction_id", unit[0].item.PredictionID), slog.Any("error", err))
		return nil
	}
	b.enter(k.digest, entering)
	if err := b.store(k); err != nil {
		return err
	}
	if k.GetFrozenUs() != frozen {
		if err := b.tell(k, candorv1.CertificateEvent_CERTIFICATE_EVENT_FROZEN, byGateway, "", nowUS); err != nil {
			return err
		}
	}
	if !counts {
		return nil
	}
	b.later(`INSERT INTO certificate_units (certificate, number, least, drawn_us, open) VALUES ($1, $2, $3, $4, $5)`,
		k.id(), int64(number), least, nowUS, len(entering))
	for _, m := range entering {
		m.Number = number
	}
	return nil
}

// entering answers those of a call's rows whose input, and what it shares its fate with, have not entered the key's evidence
// before. Of rows with one input the first enters.
func (b *batch) entering(digest string, unit []member) ([]*member, error) {
	known, err := b.entered(digest, unit)
	if err != nil {
		return nil, err
	}
	var out []*member
	here := map[string]bool{}
	for i := range unit {
		m := &unit[i]
		m.Number = 0
		input, cluster := m.item.Input, m.item.Cluster
		if input != nil && (here[string(input)] || known[0][string(input)]) || cluster != nil && known[1][string(cluster)] {
			continue
		}
		here[string(input)] = true
		out = append(out, m)
	}
	return out, nil
}

// entered answers which inputs (0) and clusters (1) of a call's rows have entered the key's evidence before.
func (b *batch) entered(digest string, unit []member) (known [2]map[string]bool, err error) {
	var asked [2][][]byte
	for i := range unit {
		for cluster, what := range [...][]byte{unit[i].item.Input, unit[i].item.Cluster} {
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
func (b *batch) enter(digest string, entering []*member) {
	for _, m := range entering {
		for cluster, what := range [...][]byte{m.item.Input, m.item.Cluster} {
			if what != nil {
				b.later(`INSERT INTO certificate_inputs (digest, cluster, input) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, digest, cluster, what)
			}
		}
	}
}

// insertRow keeps an item's part. One with numbers that aren't any never counts, and isn't kept.
func (b *batch) insertRow(m *member, position int) {
	for _, v := range [...]float64{m.Probability, m.Least, m.Confidence} {
		if math.IsNaN(v) {
			b.w.store.log.Error("postgres: a row's part in a certificate isn't kept: it has numbers that aren't any",
				slog.String("certificate", m.Certificate), slog.String("review_item", m.item.ID))
			return
		}
	}
	value := m.Value
	if value != nil && math.IsNaN(*value) {
		value = nil // nor is there one
	}
	b.later(`INSERT INTO certificate_rows (item_id, certificate, number, position, probability, least, confidence, label,
			value, accepted, other_model) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		m.item.id, m.Certificate, int64(m.Number), position, m.Probability, m.Least, m.Confidence, text(m.Label), value, m.Accepted,
		m.Foreign)
}

// digestsOf answers the keys of the certificates that items are evidence for.
func digestsOf(items []newItem) []string {
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
