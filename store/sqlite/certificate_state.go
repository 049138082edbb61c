package sqlite

import (
	"database/sql"
	"errors"
	"fmt"

	"github.com/candor-gateway/candor/calibration/certificate"
	"github.com/candor-gateway/candor/calibration/register"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

const certificateInForce = `SELECT upstream, state FROM certificates WHERE digest = ? AND ended = 0`

// InForce is of register.Tx.
func (t *tx) InForce(digest string) (k register.Kept, ok bool, err error) {
	var data []byte
	k.Digest = digest
	err = t.queryRow(certificateInForce, []any{digest}, &k.Upstream, &data)
	if errors.Is(err, sql.ErrNoRows) {
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

const certificatesBehind = `SELECT digest, upstream, state FROM certificates WHERE upstream = ? AND ended = 0 ORDER BY digest`

// Behind is of register.Tx.
func (t *tx) Behind(digest string) ([]register.Kept, error) {
	var out []register.Kept
	err := t.query(certificatesBehind, []any{digest}, func(row scanner) error {
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
func (t *tx) LastVersion(digest string) (uint32, error) {
	var last int64
	err := t.queryRow(`SELECT coalesce(max(version), 0) FROM certificates WHERE digest = ?`, []any{digest}, &last)
	return uint32(last), err
}

// Add is of register.Tx.
func (t *tx) Add(k register.Kept, data []byte) error {
	key := k.GetKey()
	if _, err := t.exec(`INSERT INTO certificates (digest, version, model, stage, segment, upstream, state) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		k.Digest, int64(k.GetVersion()), key.GetModel(), key.GetStage(), key.GetSegment(), k.Upstream, data); err != nil {
		return fmt.Errorf("store certificate %s: %w", k.ID(), err)
	}
	return nil
}

// Update is of register.Tx.
func (t *tx) Update(k register.Kept, data []byte, ended bool) error {
	if _, err := t.exec(`UPDATE certificates SET state = ?, ended = ? WHERE digest = ? AND version = ?`,
		data, ended, k.Digest, int64(k.GetVersion())); err != nil {
		return fmt.Errorf("store certificate %s: %w", k.ID(), err)
	}
	if !ended {
		return nil
	}
	if _, err := t.exec(`DELETE FROM certificate_units WHERE certificate = ?`, k.ID()); err != nil {
		return fmt.Errorf("drop the open units of certificate %s: %w", k.ID(), err)
	}
	return nil
}

// Append is of register.Tx.
func (t *tx) Append(rec *candorv1.Record) error {
	_, err := t.appendRecord(rec)
	t.certified = true
	return err
}

// Unit is of register.Tx.
func (t *tx) Unit(id string, number uint64) (u certificate.Unit, drawnUS, open int64, err error) {
	u.Number = number
	err = t.queryRow(`SELECT least, drawn_us, open FROM certificate_units WHERE certificate = ? AND number = ?`,
		[]any{id, int64(number)}, &u.Least, &drawnUS, &open)
	if errors.Is(err, sql.ErrNoRows) {
		return u, 0, 0, nil
	}
	if err != nil {
		err = fmt.Errorf("read unit %d of certificate %s: %w", number, id, err)
	}
	return u, drawnUS, open, err
}

const rowsOfUnit = `SELECT confidence, probability, accepted, other_model, loss, missing FROM certificate_rows
	WHERE certificate = ? AND number = ? AND number > 0 ORDER BY position`

// Rows is of register.Tx.
func (t *tx) Rows(id string, number uint64) ([]certificate.Row, error) {
	var out []certificate.Row
	err := t.query(rowsOfUnit, []any{id, int64(number)}, func(row scanner) error {
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
func (t *tx) DropUnit(id string, number uint64) error {
	if _, err := t.exec(`DELETE FROM certificate_units WHERE certificate = ? AND number = ?`, id, int64(number)); err != nil {
		return fmt.Errorf("drop unit %d of certificate %s: %w", number, id, err)
	}
	return nil
}
