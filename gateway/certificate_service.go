package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/candor-gateway/candor/calibration/certificate"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

type certificateService struct {
	candorv1.UnimplementedCertificateServiceServer
	g *Gateway
}

func (s *certificateService) ListCertificates(ctx context.Context, in *candorv1.ListCertificatesRequest) (*candorv1.ListCertificatesResponse, error) {
	if _, err := allowed(ctx, in, candorv1.Role_ROLE_OPERATOR, candorv1.Role_ROLE_AUDITOR, candorv1.Role_ROLE_REVIEWER); err != nil {
		return nil, err
	}
	out := &candorv1.ListCertificatesResponse{}
	if s.g.certificates == nil {
		if in.GetPageToken() != "" {
			return nil, foreignPage()
		}
		return out, nil
	}
	states, err := s.g.certificates.Certificates(ctx, in.GetModel(), in.GetIncludeEnded())
	if err != nil {
		return nil, storeUnavailable()
	}
	size := int(in.GetPageSize())
	if size == 0 {
		size = pageSize
	}
	// The token is the last id of the page before; the order is the store's, and nothing is put in between.
	past := in.GetPageToken() == ""
	for _, st := range states {
		id := certificate.ID(st)
		switch {
		case !past:
			past = id == in.GetPageToken()
		case len(out.Certificates) == size:
			out.NextPageToken = strings.TrimPrefix(out.Certificates[size-1].GetName(), "certificates/")
			return out, nil
		default:
			out.Certificates = append(out.Certificates, s.g.certificateProto(st))
		}
	}
	if !past {
		return nil, foreignPage()
	}
	return out, nil
}

func (s *certificateService) GetCertificate(ctx context.Context, in *candorv1.GetCertificateRequest) (*candorv1.GetCertificateResponse, error) {
	if _, err := allowed(ctx, in, candorv1.Role_ROLE_OPERATOR, candorv1.Role_ROLE_AUDITOR, candorv1.Role_ROLE_REVIEWER); err != nil {
		return nil, err
	}
	if s.g.certificates == nil {
		return nil, certificateRefused(certificate.ErrNotFound, in.GetName())
	}
	st, err := s.g.certificates.Certificate(ctx, strings.TrimPrefix(in.GetName(), "certificates/"))
	if err != nil {
		return nil, certificateRefused(err, in.GetName())
	}
	return &candorv1.GetCertificateResponse{Certificate: s.g.certificateProto(st)}, nil
}

func (s *certificateService) RevokeCertificate(ctx context.Context, in *candorv1.RevokeCertificateRequest) (*candorv1.RevokeCertificateResponse, error) {
	p, err := allowed(ctx, in, candorv1.Role_ROLE_OPERATOR)
	if err != nil {
		return nil, err
	}
	// Blanks pass the rules on length, and say nothing to who reads the record.
	if strings.TrimSpace(in.GetReason()) == "" {
		return nil, invalid("reason", "it is blank; say why nothing may be accepted on this certificate any more")
	}
	if s.g.certificates == nil {
		return nil, certificateRefused(certificate.ErrNotFound, in.GetName())
	}
	who := by(ctx, p)
	who.Reason = in.GetReason()
	st, err := s.g.certificates.RevokeCertificate(ctx, strings.TrimPrefix(in.GetName(), "certificates/"), who, in.GetRequestId())
	if err != nil {
		return nil, certificateRefused(err, in.GetName())
	}
	// Who revokes wants it in force when the answer comes, not at the next look.
	if err := s.g.lookAtCertificates(ctx); err != nil {
		return nil, storeUnavailable()
	}
	return &candorv1.RevokeCertificateResponse{Certificate: s.g.certificateProto(st)}, nil
}

// certificateRefused is the status of a store's error.
func certificateRefused(err error, name string) error {
	switch {
	case errors.Is(err, certificate.ErrNotFound):
		return errf(codes.NotFound, candorv1.ErrorReason_ERROR_REASON_CERTIFICATE_NOT_FOUND, "there is no %s; `candor certificate list --ended` shows all", name).
			with("certificate", name)
	case errors.Is(err, certificate.ErrEnded):
		return errf(codes.FailedPrecondition, candorv1.ErrorReason_ERROR_REASON_CERTIFICATE_ENDED, "%s has ended before; `candor certificate list` shows what is in force", name).
			with("certificate", name)
	}
	return storeUnavailable()
}

// certificateProto is a state as people are shown it.
func (g *Gateway) certificateProto(st *candorv1.CertificateState) *candorv1.Certificate {
	promise := g.plan().promiseOf(st.GetKey().GetModel())
	if promise == nil {
		return g.liveProto(st, 24*time.Hour)
	}
	c := g.liveProto(st, promise.staleAfter)
	for _, at := range promise.places {
		for _, sl := range at.slots {
			if sl == nil || sl.digest != certificate.Digest(st.GetKey()) || !sl.startsFrom(st) {
				continue
			}
			l := shownHeldOut(sl.heldOut, &candorv1.License{})
			c.Threshold = sl.heldOut.Threshold
			c.Promise = append([]string{fmt.Sprintf("Until the stream's own evidence licenses more, a held-out file does (%s): with probability at least "+
				"1 - %.4g %%, at most %.4g %% of the answers at or above %.4g are wrong, on the evidence of %d rows, %d of them wrong. The alarm "+
				"ends it with the live certificate.", promise.cfg.GetHeldOut(), 100*l.GetDelta(), 100*l.GetAlpha(),
				sl.heldOut.GetThreshold(), l.GetLabels(), l.GetErrors())}, c.Promise...)
		}
	}
	return c
}

// liveProto is what the stream's own evidence says.
func (g *Gateway) liveProto(st *candorv1.CertificateState, staleAfter time.Duration) *candorv1.Certificate {
	open := st.GetNextNumber() - st.GetNextConsumed()
	if st.GetStatus() == candorv1.CertificateStatus_CERTIFICATE_STATUS_BURN_IN || certificate.Ended(st) {
		// Nothing waits: those verdicts won't count.
		open = 0
	}
	return certificate.Resource(st, g.ledger.Now().UnixMicro(), staleAfter.Microseconds(), open)
}
