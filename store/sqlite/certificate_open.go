package sqlite

import (
	"context"
	"fmt"

	"github.com/candor-gateway/candor/calibration/certificate"
	"github.com/candor-gateway/candor/calibration/register"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// OpenCertificates makes sure that every key has a version in force; see gateway.Certificates. One whose tier before is another
// now, or licenses another threshold than it began under, is superseded. Openings may come in any order. Errors, with which
// nothing is opened: a key that can't be measured; one key behind two tiers; tiers in a ring.
func (s *Store) OpenCertificates(ctx context.Context, openings []certificate.Opening) ([]*candorv1.CertificateState, error) {
	const doing = "sqlite: open certificates"
	o, err := register.NewOpener(openings)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	var states []*candorv1.CertificateState
	err = s.write(ctx, doing, func(t *tx) (err error) {
		states, err = o.Open(t, t.now.UnixMicro())
		return err
	})
	if err != nil {
		return nil, err
	}
	return states, nil
}
