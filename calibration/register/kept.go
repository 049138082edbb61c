package register

import (
	"crypto/sha256"
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

// Tx is a store's transaction, as far as certificates go. What it reads is what the transaction itself would have left. Errors are
// the store's own trouble; they end the transaction.
type Tx interface {
	// InForce reads the version of a certificate that has not ended; ok is false when there is none. Nobody else changes it until the
	// transaction ends.
	InForce(digest string) (k Kept, ok bool, err error)
	// Behind reads the certificates in force whose rows come from the one of that digest, by digest.
	Behind(digest string) ([]Kept, error)
	// LastVersion of a certificate, ended or not; 0: there is none.
	LastVersion(digest string) (uint32, error)
	// Add stores a new version, whose state is encoded in data.
	Add(k Kept, data []byte) error
	// Update stores a state. Of one that has ended the units that are open go, and its place is free for the next version.
	Update(k Kept, data []byte, ended bool) error
	// Append adds a record to the decision log, and tells those who wait for changes of certificates.
	Append(rec *candorv1.Record) error
	// Unit reads a unit without its rows, when it was drawn (microseconds since the epoch), and how many of its rows are open;
	// drawnUS 0: there is none such.
	Unit(id string, number uint64) (u certificate.Unit, drawnUS, open int64, err error)
	// Rows of a unit, in their order.
	Rows(id string, number uint64) ([]certificate.Row, error)
	// DropUnit deletes a unit that was taken in.
	DropUnit(id string, number uint64) error
}

// Kept is a certificate as it is stored.
type Kept struct {
	*candorv1.CertificateState
	// Digest of the key; Upstream is that of the tier before, empty: there is none.
	Digest, Upstream string
}

// ID is digest and version, as certificate.ID makes it of the key.
func (k Kept) ID() string { return k.Digest + "." + strconv.FormatUint(uint64(k.GetVersion()), 10) }

// Threshold is the lowest confidence that is licensed; nil: none is.
func (k Kept) Threshold() *float64 {
	if tau, ok := certificate.Threshold(k.CertificateState); ok {
		return &tau
	}
	return nil
}

// sameThreshold compares what is licensed.
func sameThreshold(a, b *float64) bool {
	return (a == nil) == (b == nil) && (a == nil || *a == *b)
}

// Decode is the inverse of what Tx is given as data.
func Decode(data []byte) (*candorv1.CertificateState, error) {
	s := &candorv1.CertificateState{}
	if err := proto.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("decode the state of a certificate: %w", err)
	}
	return s, nil
}

func encode(s *candorv1.CertificateState) ([]byte, error) {
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode the state of certificate %s: %w", certificate.ID(s), err)
	}
	return data, nil
}

// InForceID reads the certificate of an id; ok is false when it isn't one, or has ended.
func InForceID(tx Tx, id string) (k Kept, ok bool, err error) {
	digest, version, err := certificate.SplitID(id)
	if err != nil {
		return k, false, nil
	}
	k, ok, err = tx.InForce(digest)
	return k, ok && k.GetVersion() == version, err
}

// store writes a state back.
func store(tx Tx, k Kept) error {
	data, err := encode(k.CertificateState)
	if err != nil {
		return err
	}
	return tx.Update(k, data, certificate.Ended(k.CertificateState))
}

// begin stores a new version and its record.
func begin(tx Tx, k Kept) error {
	data, err := encode(k.CertificateState)
	if err != nil {
		return err
	}
	if err := tx.Add(k, data); err != nil {
		return err
	}
	return tell(tx, k, candorv1.CertificateEvent_CERTIFICATE_EVENT_OPENED, Word{By: byGateway}, k.GetOpenedUs())
}

// Word is whose word changes a certificate.
type Word struct {
	// By is a person's name, or "alarm", "policy", "gateway".
	By     string
	Reason string
	// Remote is the IP address that a person's call came from; empty: from inside.
	Remote string
}

// tell appends what became of a certificate to the decision log.
func tell(tx Tx, k Kept, event candorv1.CertificateEvent, word Word, nowUS int64) error {
	data, err := encode(k.CertificateState)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	return tx.Append(&candorv1.Record{TimeUs: nowUS, Entry: &candorv1.Record_Certificate{Certificate: &candorv1.CertificateRecord{
		Certificate: k.ID(), Event: event, By: word.By, Reason: word.Reason, Remote: word.Remote, Threshold: k.Threshold(), Units: k.GetUnitsConsumed(),
		StateSha256: sum[:],
	}}})
}
