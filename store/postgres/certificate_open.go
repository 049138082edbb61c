package postgres

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/calibration/certificate"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// OpenCertificates makes sure that every key has a version in force; see gateway.Certificates. One whose tier before is another
// now, or licenses another threshold than it began under, is superseded. Openings may come in any order. Errors, with which
// nothing is opened: a key that can't be measured; one key behind two tiers; tiers in a ring.
func (s *Store) OpenCertificates(ctx context.Context, openings []certificate.Opening) ([]*candorv1.CertificateState, error) {
	const doing = "postgres: open certificates"
	wanted := make(map[string]certificate.Opening, len(openings))
	var digests []string
	for _, o := range openings {
		digest := certificate.Digest(o.Key)
		if other, ok := wanted[digest]; ok && other.Upstream != o.Upstream {
			return nil, fmt.Errorf("%s: %s of model %q stands behind two tiers, %q and %q: give each cascade a tier of its own",
				doing, digest, o.Key.GetModel(), other.Upstream, o.Upstream)
		}
		wanted[digest] = o
		digests = append(digests, digest)
	}
	states := make([]*candorv1.CertificateState, len(openings))
	err := s.write(ctx, doing, needs{digests: digests}, func(b *batch) error {
		if err := b.makeKeys(digests); err != nil {
			return err
		}
		o := opener{b, wanted, map[string]kept{}, map[string]bool{}}
		for i := range openings {
			k, err := o.open(certificate.Digest(openings[i].Key))
			if err != nil {
				return err
			}
			states[i] = proto.CloneOf(k.CertificateState)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return states, nil
}

// opener opens tiers after those that they stand behind.
type opener struct {
	b      *batch
	wanted map[string]certificate.Opening
	done   map[string]kept
	begun  map[string]bool
}

func (o *opener) open(digest string) (kept, error) {
	if k, ok := o.done[digest]; ok {
		return k, nil
	}
	if o.begun[digest] {
		return kept{}, errors.New("certificates stand behind one another in a ring: the first tier has none before it")
	}
	o.begun[digest] = true
	want := o.wanted[digest]
	upstream, err := o.upstream(want.Upstream)
	if err != nil {
		return kept{}, err
	}
	k, ok, err := o.b.inForce(digest)
	switch {
	case err != nil:
	case !ok:
		k, err = o.first(digest, want, upstream)
	case k.upstream != want.Upstream || !sameThreshold(k.UpstreamThreshold, upstream):
		k, err = o.moved(k, want, upstream)
	}
	if err != nil {
		return kept{}, err
	}
	o.done[digest] = k
	return k, nil
}

// upstream answers what the tier before licenses.
func (o *opener) upstream(digest string) (*float64, error) {
	if digest == "" {
		return nil, nil
	}
	if _, ok := o.wanted[digest]; ok {
		k, err := o.open(digest)
		if err != nil {
			return nil, err
		}
		return k.threshold(), nil
	}
	k, ok, err := o.b.inForce(digest)
	if err != nil || !ok {
		return nil, err
	}
	return k.threshold(), nil
}

// first opens a certificate that has no version in force.
func (o *opener) first(digest string, want certificate.Opening, upstream *float64) (kept, error) {
	var last int64
	if err := o.b.queryRow(`SELECT coalesce(max(version), 0) FROM certificates WHERE digest = $1`, []any{digest}, &last); err != nil {
		return kept{}, fmt.Errorf("read the versions of certificate %s: %w", digest, err)
	}
	s, err := certificate.Open(proto.CloneOf(want.Key), uint32(last)+1, upstream, o.b.now.UnixMicro())
	if err != nil {
		return kept{}, err
	}
	k := kept{s, digest, want.Upstream}
	return k, o.b.begin(k)
}

// moved supersedes a certificate that other rows reach now, and begins anew those behind it.
func (o *opener) moved(k kept, want certificate.Opening, upstream *float64) (kept, error) {
	const reason = "another tier stands before it now, or that licenses another threshold"
	nowUS := o.b.now.UnixMicro()
	k.upstream = want.Upstream
	next, err := o.b.replace(k, candorv1.CertificateStatus_CERTIFICATE_STATUS_SUPERSEDED, byPolicy, reason, upstream, nowUS)
	if err != nil {
		return kept{}, err
	}
	return next, o.b.restartBehind(next.digest, next.threshold(), nowUS)
}
