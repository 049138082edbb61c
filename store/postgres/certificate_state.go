package postgres

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/candor-gateway/candor/calibration/certificate"
	"github.com/candor-gateway/candor/calibration/register"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// lockKeys locks the keys $1, those that the items $2 are evidence for, and all behind them, in one order for all gateways.
const lockKeys = `
	WITH RECURSIVE wanted (digest) AS (
		(SELECT unnest($1::text[]) COLLATE "C"
		UNION SELECT split_part(certificate, '.', 1) COLLATE "C" FROM certificate_rows WHERE item_id = ANY($2::uuid[]) AND number > 0)
		UNION
		SELECT c.digest FROM wanted JOIN certificates c ON c.upstream = wanted.digest AND NOT c.ended
	)
	SELECT digest FROM certificate_keys WHERE digest IN (SELECT digest FROM wanted) ORDER BY digest FOR UPDATE`

// lock makes a key ours until the commit, if there is such a key.
func (b *batch) lock(digest string) error {
	if b.locked[digest] {
		return nil
	}
	if err := b.query(`SELECT digest FROM certificate_keys WHERE digest = $1 FOR UPDATE`, []any{digest}, b.noteLocked); err != nil {
		return fmt.Errorf("lock certificate %s: %w", digest, err)
	}
	return nil
}

// makeKeys adds those that aren't there yet, and locks them.
func (b *batch) makeKeys(digests []string) error {
	var missing []string
	for _, digest := range digests {
		if !b.locked[digest] {
			missing = append(missing, digest)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	// Waits for a gateway that adds the same.
	err := b.change(`INSERT INTO certificate_keys (digest) SELECT DISTINCT d FROM unnest($1::text[]) AS d ORDER BY d ON CONFLICT DO NOTHING`,
		[]any{missing}, func(scanner) error { return nil })
	if err == nil {
		err = b.query(`SELECT digest FROM certificate_keys WHERE digest = ANY($1) ORDER BY digest FOR UPDATE`, []any{missing}, b.noteLocked)
	}
	if err != nil {
		return fmt.Errorf("lock certificates: %w", err)
	}
	return nil
}

func (b *batch) noteLocked(row scanner) error {
	var digest string
	err := row.Scan(&digest)
	b.locked[digest] = true
	return err
}

const certificateInForce = `SELECT upstream, state FROM certificates WHERE digest = $1 AND NOT ended`

// InForce is of register.Tx. The key is ours until the commit.
func (b *batch) InForce(digest string) (k register.Kept, ok bool, err error) {
	var data []byte
	k.Digest = digest
	if err := b.lock(digest); err != nil {
		return k, false, err
	}
	err = b.queryRow(certificateInForce, []any{digest}, &k.Upstream, &data)
	if errors.Is(err, pgx.ErrNoRows) {
		return k, false, nil
	}
	if err == nil {
		k.CertificateState, err = register.Decode(data)
	}
	if err != nil {
		return k, false, fmt.Errorf("read certificate %s: %w", digest, err)
	}
	return k, true, nil
}

const certificatesBehind = `SELECT digest, upstream, state FROM certificates WHERE upstream = $1 AND NOT ended ORDER BY digest`

// Behind is of register.Tx.
func (b *batch) Behind(digest string) ([]register.Kept, error) {
	var out []register.Kept
	err := b.query(certificatesBehind, []any{digest}, func(row scanner) error {
		var k register.Kept
		var data []byte
		if err := row.Scan(&k.Digest, &k.Upstream, &data); err != nil {
			return err
		}
		var err error
		k.CertificateState, err = register.Decode(data)
		out = append(out, k)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the tiers behind certificate %s: %w", digest, err)
	}
	return out, nil
}

// LastVersion is of register.Tx.
func (b *batch) LastVersion(digest string) (uint32, error) {
	var last int64
	err := b.queryRow(`SELECT coalesce(max(version), 0) FROM certificates WHERE digest = $1`, []any{digest}, &last)
	return uint32(last), err
}

// Add is of register.Tx.
func (b *batch) Add(k register.Kept, data []byte) error {
	key := k.GetKey()
	b.later(`INSERT INTO certificates (digest, version, model, stage, segment, upstream, state) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		k.Digest, int64(k.GetVersion()), key.GetModel(), key.GetStage(), key.GetSegment(), k.Upstream, data)
	return nil
}

// Update is of register.Tx.
func (b *batch) Update(k register.Kept, data []byte, ended bool) error {
	b.later(`UPDATE certificates SET state = $1, ended = $2 WHERE digest = $3 AND version = $4`, data, ended, k.Digest, int64(k.GetVersion()))
	if ended {
		b.later(`DELETE FROM certificate_units WHERE certificate = $1`, k.ID())
	}
	return nil
}

// Append is of register.Tx.
func (b *batch) Append(rec *candorv1.Record) error {
	_, err := b.appendRecord(rec)
	b.certified = true
	return err
}

// Unit is of register.Tx.
func (b *batch) Unit(id string, number uint64) (u certificate.Unit, drawnUS, open int64, err error) {
	u.Number = number
	err = b.queryRow(`SELECT least, drawn_us, open FROM certificate_units WHERE certificate = $1 AND number = $2`,
		[]any{id, int64(number)}, &u.Least, &drawnUS, &open)
	if errors.Is(err, pgx.ErrNoRows) {
		return u, 0, 0, nil
	}
	if err != nil {
		err = fmt.Errorf("read unit %d of certificate %s: %w", number, id, err)
	}
	return u, drawnUS, open, err
}

const rowsOfUnit = `SELECT confidence, probability, accepted, other_model, loss, missing FROM certificate_rows
	WHERE certificate = $1 AND number = $2 AND number > 0 ORDER BY position`

// Rows is of register.Tx.
func (b *batch) Rows(id string, number uint64) ([]certificate.Row, error) {
	var out []certificate.Row
	err := b.query(rowsOfUnit, []any{id, int64(number)}, func(row scanner) error {
		var r certificate.Row
		err := row.Scan(&r.Confidence, &r.Propensity, &r.Accepted, &r.Foreign, &r.Loss, &r.Missing)
		out = append(out, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the rows of unit %d of certificate %s: %w", number, id, err)
	}
	return out, nil
}

// DropUnit is of register.Tx.
func (b *batch) DropUnit(id string, number uint64) error {
	b.later(`DELETE FROM certificate_units WHERE certificate = $1 AND number = $2`, id, int64(number))
	return nil
}
