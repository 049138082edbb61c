package postgres

import (
	"fmt"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// tier is a certificate and what it licenses now; nil: nothing.
type tier struct {
	digest    string
	threshold *float64
}

// restartBehind begins every certificate anew whose rows come from the one of that digest, which licenses threshold from now on,
// and those behind them: other rows reach them.
func (b *batch) restartBehind(digest string, threshold *float64, nowUS int64) error {
	const reason = "the tier before it licenses another threshold, so that other rows reach this one"
	// Each once, even if somebody has made them a ring.
	seen := map[string]bool{digest: true}
	for todo := []tier{{digest, threshold}}; len(todo) > 0; todo = todo[1:] {
		behind, err := b.behind(todo[0].digest)
		if err != nil {
			return err
		}
		for _, k := range behind {
			if seen[k.digest] {
				continue
			}
			seen[k.digest] = true
			next, err := b.replace(k, candorv1.CertificateStatus_CERTIFICATE_STATUS_SUPERSEDED, byPolicy, reason, todo[0].threshold, nowUS)
			if err != nil {
				return err
			}
			// Whatever it licensed before: the rows that it lets pass have changed.
			todo = append(todo, tier{next.digest, next.threshold()})
		}
	}
	return nil
}

const certificatesBehind = `SELECT digest, upstream, state FROM certificates WHERE upstream = $1 AND NOT ended ORDER BY digest`

// behind answers the certificates in force whose rows come from the one of that digest.
func (b *batch) behind(digest string) ([]kept, error) {
	var out []kept
	err := b.query(certificatesBehind, []any{digest},
		func(row scanner) error {
			var k kept
			var data []byte
			if err := row.Scan(&k.digest, &k.upstream, &data); err != nil {
				return err
			}
			var err error
			k.CertificateState, err = decodeState(data)
			out = append(out, k)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("read the tiers behind certificate %s: %w", digest, err)
	}
	return out, nil
}
