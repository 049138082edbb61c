package postgres

import (
	"context"
	"fmt"

	"github.com/candor-gateway/candor/calibration/certificate"
	"github.com/candor-gateway/candor/calibration/register"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/people"
)

// Certificates answers states, newest first: those in force, and with ended those before them; see gateway.Certificates. It works
// on a store that was opened read-only, too.
func (s *Store) Certificates(ctx context.Context, model string, ended bool) ([]*candorv1.CertificateState, error) {
	query, args := listCertificates, []any{ended}
	if model != "" {
		query, args = listCertificatesOfModel, append(args, model)
	}
	var out []*candorv1.CertificateState
	err := s.reader(ctx)(query, args, func(row scanner) error {
		var data []byte
		if err := row.Scan(&data); err != nil {
			return err
		}
		state, err := register.Decode(data)
		out = append(out, state)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("postgres: list certificates: %w", err)
	}
	return out, nil
}

// $1: also those that have ended; $2 the model.
const (
	listCertificates        = `SELECT state FROM certificates WHERE ended <= $1 ORDER BY ended, position DESC`
	listCertificatesOfModel = `SELECT state FROM certificates WHERE model = $2 AND ended <= $1 ORDER BY ended, position DESC`
)

// Certificate answers one state. Errors: certificate.ErrNotFound.
func (s *Store) Certificate(ctx context.Context, id string) (*candorv1.CertificateState, error) {
	state, err := readCertificate(s.reader(ctx), id)
	if err != nil {
		return nil, fmt.Errorf("postgres: read certificate %q: %w", id, err)
	}
	return state, nil
}

// readCertificate reads a version, whether it has ended or not. Errors: certificate.ErrNotFound.
func readCertificate(query queryFunc, id string) (*candorv1.CertificateState, error) {
	digest, version, err := certificate.SplitID(id)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", certificate.ErrNotFound, err)
	}
	var data []byte
	err = query(`SELECT state FROM certificates WHERE digest = $1 AND version = $2`, []any{digest, int64(version)}, func(row scanner) error {
		return row.Scan(&data)
	})
	if err == nil && data == nil {
		err = certificate.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return register.Decode(data)
}

// RevokeCertificate ends a certificate on a person's word; see gateway.Certificates. Errors: certificate.ErrNotFound,
// certificate.ErrEnded.
func (s *Store) RevokeCertificate(ctx context.Context, id string, by people.By, requestID string) (*candorv1.CertificateState, error) {
	const doing = "postgres: revoke a certificate"
	if by.Name == "" || by.Reason == "" || requestID == "" {
		return nil, fmt.Errorf("%s: a revocation has an author, a reason and a request id", doing)
	}
	digest, _, err := certificate.SplitID(id)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", doing, certificate.ErrNotFound, err)
	}
	var state *candorv1.CertificateState
	err = s.write(ctx, doing, needs{digests: []string{digest}}, func(b *batch) (err error) {
		if err := b.lock(digest); err != nil {
			return err
		}
		if state, err = readCertificate(b.query, id); err != nil {
			return err
		}
		id := certificate.ID(state)
		var known bool
		if err := b.queryRow(`SELECT EXISTS (SELECT FROM certificate_revocations WHERE certificate = $1 AND request_id = $2)`,
			[]any{id, requestID}, &known); err != nil || known {
			return err
		}
		if certificate.Ended(state) {
			return fmt.Errorf("%s: %w", id, certificate.ErrEnded)
		}
		b.later(`INSERT INTO certificate_revocations (certificate, request_id) VALUES ($1, $2)`, id, requestID)
		k, _, err := register.InForceID(b, id)
		if err != nil {
			return err
		}
		if err := register.Revoke(b, k, register.Word{By: by.Name, Reason: by.Reason, Remote: by.Remote}, b.now.UnixMicro()); err != nil {
			return err
		}
		state = k.CertificateState
		return nil
	})
	if err != nil {
		return nil, err
	}
	return state, nil
}
