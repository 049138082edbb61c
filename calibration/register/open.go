package register

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/calibration/certificate"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Opener makes sure that every key has a version in force.
type Opener struct {
	openings []certificate.Opening
	wanted   map[string]certificate.Opening
}

// NewOpener checks openings, which may come in any order. Errors: one key behind two tiers.
func NewOpener(openings []certificate.Opening) (*Opener, error) {
	wanted := make(map[string]certificate.Opening, len(openings))
	for _, o := range openings {
		digest := certificate.Digest(o.Key)
		if other, ok := wanted[digest]; ok && other.Upstream != o.Upstream {
			return nil, fmt.Errorf("%s of model %q stands behind two tiers, %q and %q: give each cascade a tier of its own",
				digest, o.Key.GetModel(), other.Upstream, o.Upstream)
		}
		wanted[digest] = o
	}
	return &Opener{openings, wanted}, nil
}

// Digests of the keys, in the order of the openings; a key that is there twice is there twice.
func (o *Opener) Digests() []string {
	out := make([]string, len(o.openings))
	for i := range o.openings {
		out[i] = certificate.Digest(o.openings[i].Key)
	}
	return out
}

// Open answers the versions in force, in the order of the openings. One whose tier before is another now, or licenses another
// threshold than it began under, is superseded. It may be called again, in another transaction. Errors: a key that can't be
// measured; tiers in a ring.
func (o *Opener) Open(tx Tx, nowUS int64) ([]*candorv1.CertificateState, error) {
	run := opening{tx: tx, wanted: o.wanted, nowUS: nowUS, done: map[string]Kept{}, begun: map[string]bool{}}
	states := make([]*candorv1.CertificateState, len(o.openings))
	for i, digest := range o.Digests() {
		k, err := run.open(digest)
		if err != nil {
			return nil, err
		}
		states[i] = proto.CloneOf(k.CertificateState)
	}
	return states, nil
}

// opening opens tiers after those that they stand behind.
type opening struct {
	tx     Tx
	wanted map[string]certificate.Opening
	nowUS  int64
	done   map[string]Kept
	begun  map[string]bool
}

func (o *opening) open(digest string) (Kept, error) {
	if k, ok := o.done[digest]; ok {
		return k, nil
	}
	if o.begun[digest] {
		return Kept{}, errors.New("certificates stand behind one another in a ring: the first tier has none before it")
	}
	o.begun[digest] = true
	want := o.wanted[digest]
	upstream, err := o.upstream(want.Upstream)
	if err != nil {
		return Kept{}, err
	}
	k, ok, err := o.tx.InForce(digest)
	switch {
	case err != nil:
	case !ok:
		k, err = o.first(digest, want, upstream)
	case k.Upstream != want.Upstream || !sameThreshold(k.UpstreamThreshold, upstream):
		k, err = o.moved(k, want, upstream)
	}
	if err != nil {
		return Kept{}, err
	}
	o.done[digest] = k
	return k, nil
}

// upstream answers what the tier before licenses.
func (o *opening) upstream(digest string) (*float64, error) {
	if digest == "" {
		return nil, nil
	}
	if _, ok := o.wanted[digest]; ok {
		k, err := o.open(digest)
		if err != nil {
			return nil, err
		}
		return k.Threshold(), nil
	}
	k, ok, err := o.tx.InForce(digest)
	if err != nil || !ok {
		return nil, err
	}
	return k.Threshold(), nil
}

// first opens a certificate that has no version in force.
func (o *opening) first(digest string, want certificate.Opening, upstream *float64) (Kept, error) {
	last, err := o.tx.LastVersion(digest)
	if err != nil {
		return Kept{}, fmt.Errorf("read the versions of certificate %s: %w", digest, err)
	}
	s, err := certificate.Open(proto.CloneOf(want.Key), last+1, upstream, o.nowUS)
	if err != nil {
		return Kept{}, err
	}
	k := Kept{s, digest, want.Upstream}
	return k, begin(o.tx, k)
}

// moved supersedes a certificate that other rows reach now, and begins anew those behind it.
func (o *opening) moved(k Kept, want certificate.Opening, upstream *float64) (Kept, error) {
	const reason = "another tier stands before it now, or that licenses another threshold"
	k.Upstream = want.Upstream
	next, err := replace(o.tx, k, candorv1.CertificateStatus_CERTIFICATE_STATUS_SUPERSEDED, Word{By: byPolicy, Reason: reason}, upstream, o.nowUS)
	if err != nil {
		return Kept{}, err
	}
	return next, restartBehind(o.tx, next.Digest, next.Threshold(), o.nowUS)
}
