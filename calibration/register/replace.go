package register

import (
	"github.com/candor-gateway/candor/calibration/certificate"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// replace ends the version in force, unless certificate.Consume has done so already, and begins the next one under k's upstream and
// the threshold that that one licenses. status is REVOKED or SUPERSEDED.
func replace(tx Tx, k Kept, status candorv1.CertificateStatus, word Word, upstream *float64, nowUS int64) (next Kept, err error) {
	certificate.End(k.CertificateState, status, word.By, word.Reason, nowUS)
	event := candorv1.CertificateEvent_CERTIFICATE_EVENT_REVOKED
	if k.GetStatus() == candorv1.CertificateStatus_CERTIFICATE_STATUS_SUPERSEDED {
		event = candorv1.CertificateEvent_CERTIFICATE_EVENT_SUPERSEDED
	}
	if err := store(tx, k); err != nil {
		return Kept{}, err
	}
	if err := tell(tx, k, event, Word{k.GetEndedBy(), k.GetEndedReason(), word.Remote}, nowUS); err != nil {
		return Kept{}, err
	}
	s, err := certificate.Next(k.CertificateState, upstream, nowUS)
	if err != nil {
		return Kept{}, err
	}
	next = Kept{s, k.Digest, k.Upstream}
	return next, begin(tx, next)
}

// Revoke replaces a certificate that somebody revokes, and begins anew those behind it if something was licensed before.
func Revoke(tx Tx, k Kept, word Word, nowUS int64) error {
	return revoke(tx, k, word, k.Threshold(), nowUS)
}

// revoke replaces a certificate that is, or has been, revoked, and begins anew those behind it if something was licensed before: by
// it, or, as only a first version is, by a held-out file that starts it, of which the store knows nothing.
func revoke(tx Tx, k Kept, word Word, before *float64, nowUS int64) error {
	if _, err := replace(tx, k, candorv1.CertificateStatus_CERTIFICATE_STATUS_REVOKED, word, k.UpstreamThreshold, nowUS); err != nil {
		return err
	}
	if before == nil && k.GetVersion() > 1 {
		return nil
	}
	return restartBehind(tx, k.Digest, nil, nowUS)
}

// tier is a certificate and what it licenses now; nil: nothing.
type tier struct {
	digest    string
	threshold *float64
}

// restartBehind begins every certificate anew whose rows come from the one of that digest, which licenses threshold from now on,
// and those behind them: other rows reach them.
func restartBehind(tx Tx, digest string, threshold *float64, nowUS int64) error {
	const reason = "the tier before it licenses another threshold, so that other rows reach this one"
	// Each once, even if somebody has made them a ring.
	seen := map[string]bool{digest: true}
	for todo := []tier{{digest, threshold}}; len(todo) > 0; todo = todo[1:] {
		behind, err := tx.Behind(todo[0].digest)
		if err != nil {
			return err
		}
		for _, k := range behind {
			if seen[k.Digest] {
				continue
			}
			seen[k.Digest] = true
			next, err := replace(tx, k, candorv1.CertificateStatus_CERTIFICATE_STATUS_SUPERSEDED, Word{By: byPolicy, Reason: reason}, todo[0].threshold, nowUS)
			if err != nil {
				return err
			}
			// Whatever it licensed before: the rows that it lets pass have changed.
			todo = append(todo, tier{next.Digest, next.Threshold()})
		}
	}
	return nil
}
