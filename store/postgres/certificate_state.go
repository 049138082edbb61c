package postgres

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/calibration/certificate"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Who a certificate's record names when no person did it.
const (
	byGateway = "gateway"
	byPolicy  = "policy"
)

// kept is a certificate as a transaction works on it.
type kept struct {
	*candorv1.CertificateState
	digest, upstream string
}

// id is digest and version, as certificate.ID makes it of the key.
func (k kept) id() string { return k.digest + "." + strconv.FormatUint(uint64(k.GetVersion()), 10) }

// threshold is the lowest confidence that is licensed; nil: none is.
func (k kept) threshold() *float64 {
	if tau, ok := certificate.Threshold(k.CertificateState); ok {
		return &tau
	}
	return nil
}

// sameThreshold compares what is licensed.
func sameThreshold(a, b *float64) bool {
	return (a == nil) == (b == nil) && (a == nil || *a == *b)
}

func decodeState(data []byte) (*candorv1.CertificateState, error) {
	s := &candorv1.CertificateState{}
	if err := proto.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("decode the state of a certificate: %w", err)
	}
	return s, nil
}

func encodeState(s *candorv1.CertificateState) ([]byte, error) {
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode the state of certificate %s: %w", certificate.ID(s), err)
	}
	return data, nil
}

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

// inForce reads the version of a certificate that has not ended; ok is false when there is none. It is ours until the commit.
func (b *batch) inForce(digest string) (k kept, ok bool, err error) {
	var data []byte
	k.digest = digest
	if err := b.lock(digest); err != nil {
		return k, false, err
	}
	err = b.queryRow(certificateInForce, []any{digest}, &k.upstream, &data)
	if errors.Is(err, pgx.ErrNoRows) {
		return k, false, nil
	}
	if err == nil {
		k.CertificateState, err = decodeState(data)
	}
	if err != nil {
		return k, false, fmt.Errorf("read certificate %s: %w", digest, err)
	}
	return k, true, nil
}

// inForceID reads the certificate of that id; ok is false when it isn't one, or has ended.
func (b *batch) inForceID(id string) (k kept, ok bool, err error) {
	digest, version, err := certificate.SplitID(id)
	if err != nil {
		return k, false, nil
	}
	k, ok, err = b.inForce(digest)
	return k, ok && k.GetVersion() == version, err
}

// store writes a state back. One that has ended frees its place for the next version, and what was drawn for it is dropped.
func (b *batch) store(k kept) error {
	data, err := encodeState(k.CertificateState)
	if err != nil {
		return err
	}
	ended := certificate.Ended(k.CertificateState)
	b.later(`UPDATE certificates SET state = $1, ended = $2 WHERE digest = $3 AND version = $4`, data, ended, k.digest, int64(k.GetVersion()))
	if ended {
		b.later(`DELETE FROM certificate_units WHERE certificate = $1`, k.id())
	}
	return nil
}

// begin stores a new version and its record.
func (b *batch) begin(k kept) error {
	data, err := encodeState(k.CertificateState)
	if err != nil {
		return err
	}
	key := k.GetKey()
	b.later(`INSERT INTO certificates (digest, version, model, stage, segment, upstream, state) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		k.digest, int64(k.GetVersion()), key.GetModel(), key.GetStage(), key.GetSegment(), k.upstream, data)
	return b.tell(k, candorv1.CertificateEvent_CERTIFICATE_EVENT_OPENED, byGateway, "", k.GetOpenedUs())
}

// tell appends what became of a certificate to the decision log, and to those who wait for changes.
func (b *batch) tell(k kept, event candorv1.CertificateEvent, by, reason string, nowUS int64) error {
	data, err := encodeState(k.CertificateState)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	_, err = b.appendRecord(&candorv1.Record{TimeUs: nowUS, Entry: &candorv1.Record_Certificate{Certificate: &candorv1.CertificateRecord{
		Certificate: k.id(), Event: event, By: by, Reason: reason, Threshold: k.threshold(), Units: k.GetUnitsConsumed(), StateSha256: sum[:],
	}}})
	b.certified = true
	return err
}

// replace ends the version in force, unless Consume has done so already, and begins the next one under k's upstream and the
// threshold that that one licenses. status is REVOKED or SUPERSEDED.
func (b *batch) replace(k kept, status candorv1.CertificateStatus, by, reason string, upstream *float64, nowUS int64) (next kept, err error) {
	certificate.End(k.CertificateState, status, by, reason, nowUS)
	event := candorv1.CertificateEvent_CERTIFICATE_EVENT_REVOKED
	if k.GetStatus() == candorv1.CertificateStatus_CERTIFICATE_STATUS_SUPERSEDED {
		event = candorv1.CertificateEvent_CERTIFICATE_EVENT_SUPERSEDED
	}
	if err := b.store(k); err != nil {
		return kept{}, err
	}
	if err := b.tell(k, event, k.GetEndedBy(), k.GetEndedReason(), nowUS); err != nil {
		return kept{}, err
	}
	s, err := certificate.Next(k.CertificateState, upstream, nowUS)
	if err != nil {
		return kept{}, err
	}
	next = kept{s, k.digest, k.upstream}
	return next, b.begin(next)
}

// revoke replaces a certificate that is, or has been, revoked, and begins anew those behind it if something was licensed before: by
// it, or, as only a first version is, by a held-out file that starts it, of which the store knows nothing.
func (b *batch) revoke(k kept, by, reason string, before *float64, nowUS int64) error {
	if _, err := b.replace(k, candorv1.CertificateStatus_CERTIFICATE_STATUS_REVOKED, by, reason, k.UpstreamThreshold, nowUS); err != nil {
		return err
	}
	if before == nil && k.GetVersion() > 1 {
		return nil
	}
	return b.restartBehind(k.digest, nil, nowUS)
}
