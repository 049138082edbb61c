package sqlite

import (
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"strconv"

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

const certificateInForce = `SELECT upstream, state FROM certificates WHERE digest = ? AND ended = 0`

// inForce reads the version of a certificate that has not ended; ok is false when there is none.
func (t *tx) inForce(digest string) (k kept, ok bool, err error) {
	var data []byte
	k.digest = digest
	err = t.queryRow(certificateInForce, []any{digest}, &k.upstream, &data)
	if errors.Is(err, sql.ErrNoRows) {
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
func (t *tx) inForceID(id string) (k kept, ok bool, err error) {
	digest, version, err := certificate.SplitID(id)
	if err != nil {
		return k, false, nil
	}
	k, ok, err = t.inForce(digest)
	return k, ok && k.GetVersion() == version, err
}

// store writes a state back. One that has ended frees its place for the next version, and what was drawn for it is dropped.
func (t *tx) store(k kept) error {
	data, err := encodeState(k.CertificateState)
	if err != nil {
		return err
	}
	ended := certificate.Ended(k.CertificateState)
	if _, err := t.exec(`UPDATE certificates SET state = ?, ended = ? WHERE digest = ? AND version = ?`,
		data, ended, k.digest, int64(k.GetVersion())); err != nil {
		return fmt.Errorf("store certificate %s: %w", k.id(), err)
	}
	if !ended {
		return nil
	}
	if _, err := t.exec(`DELETE FROM certificate_units WHERE certificate = ?`, k.id()); err != nil {
		return fmt.Errorf("drop the open units of certificate %s: %w", k.id(), err)
	}
	return nil
}

// begin stores a new version and its record.
func (t *tx) begin(k kept) error {
	data, err := encodeState(k.CertificateState)
	if err != nil {
		return err
	}
	key := k.GetKey()
	if _, err := t.exec(`INSERT INTO certificates (digest, version, model, stage, segment, upstream, state) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		k.digest, int64(k.GetVersion()), key.GetModel(), key.GetStage(), key.GetSegment(), k.upstream, data); err != nil {
		return fmt.Errorf("store certificate %s: %w", k.id(), err)
	}
	return t.tell(k, candorv1.CertificateEvent_CERTIFICATE_EVENT_OPENED, byGateway, "", k.GetOpenedUs())
}

// tell appends what became of a certificate to the decision log, and to those who wait for changes.
func (t *tx) tell(k kept, event candorv1.CertificateEvent, by, reason string, nowUS int64) error {
	data, err := encodeState(k.CertificateState)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	_, err = t.appendRecord(&candorv1.Record{TimeUs: nowUS, Entry: &candorv1.Record_Certificate{Certificate: &candorv1.CertificateRecord{
		Certificate: k.id(), Event: event, By: by, Reason: reason, Threshold: k.threshold(), Units: k.GetUnitsConsumed(), StateSha256: sum[:],
	}}})
	t.certified = true
	return err
}

// replace ends the version in force, unless Consume has done so already, and begins the next one under k's upstream and the
// threshold that that one licenses. status is REVOKED or SUPERSEDED.
func (t *tx) replace(k kept, status candorv1.CertificateStatus, by, reason string, upstream *float64, nowUS int64) (next kept, err error) {
	certificate.End(k.CertificateState, status, by, reason, nowUS)
	event := candorv1.CertificateEvent_CERTIFICATE_EVENT_REVOKED
	if k.GetStatus() == candorv1.CertificateStatus_CERTIFICATE_STATUS_SUPERSEDED {
		event = candorv1.CertificateEvent_CERTIFICATE_EVENT_SUPERSEDED
	}
	if err := t.store(k); err != nil {
		return kept{}, err
	}
	if err := t.tell(k, event, k.GetEndedBy(), k.GetEndedReason(), nowUS); err != nil {
		return kept{}, err
	}
	s, err := certificate.Next(k.CertificateState, upstream, nowUS)
	if err != nil {
		return kept{}, err
	}
	next = kept{s, k.digest, k.upstream}
	return next, t.begin(next)
}

// revoke replaces a certificate that is, or has been, revoked, and begins anew those behind it if something was licensed before: by
// it, or, as only a first version is, by a held-out file that starts it, of which the store knows nothing.
func (t *tx) revoke(k kept, by, reason string, before *float64, nowUS int64) error {
	if _, err := t.replace(k, candorv1.CertificateStatus_CERTIFICATE_STATUS_REVOKED, by, reason, k.UpstreamThreshold, nowUS); err != nil {
		return err
	}
	if before == nil && k.GetVersion() > 1 {
		return nil
	}
	return t.restartBehind(k.digest, nil, nowUS)
}
