package gateway

import (
	"context"

	"github.com/candor-gateway/candor/calibration/certificate"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/people"
)

// Certificates is what the gateway needs of a store to keep promises. Evidence enters by Ledger.Record, with the items' Sequences,
// and by the verdicts and expiries of review.Store: each in the transaction that makes it durable, so that no verdict is counted
// twice or lost. Several gateways may share one store. Safe for concurrent use.
type Certificates interface {
	// OpenCertificates makes sure that every key has a version in force, and answers their states in order. One that is in
	// force goes on; where the last version has ended, or there is none, the next one begins.
	OpenCertificates(ctx context.Context, openings []certificate.Opening) ([]*candorv1.CertificateState, error)
	// Certificates answers states, newest version first: those in force, and with ended those before them. Empty model: of
	// every model. They are the caller's.
	Certificates(ctx context.Context, model string, ended bool) ([]*candorv1.CertificateState, error)
	// Certificate answers one state by its id. Errors: certificate.ErrNotFound.
	Certificate(ctx context.Context, id string) (*candorv1.CertificateState, error)
	// RevokeCertificate ends a certificate on a person's word, with a reason, and opens its next version; it answers the ended one.
	// Idempotent by requestID.
	// Errors: certificate.ErrNotFound, certificate.ErrEnded.
	RevokeCertificate(ctx context.Context, id string, by people.By, requestID string) (*candorv1.CertificateState, error)
	// CertificatesChanged answers a channel that is closed when what some certificate licenses changes next.
	CertificatesChanged() <-chan struct{}
	// CoinSecret answers the store's secret, at least 32 bytes, the same for every gateway and for ever: coins are made of it,
	// so that a retry can't be tossed again.
	CoinSecret(ctx context.Context) ([]byte, error)
}
