package postgres

import (
	"context"
	"fmt"

	"github.com/candor-gateway/candor/audit"
)

// verifyPage is how many entries are read at a time.
const verifyPage = 512

// VerifyLog checks every writer's hash chain from the first record to the head, how the chains hang together, and that stored
// payloads are those whose digests were recorded. It reads one snapshot and keeps nobody from writing. Tampering is in the
// report; the error is for a store that can't be read.
func (s *Store) VerifyLog(ctx context.Context) (audit.VerifyReport, error) {
	const doing = "postgres: verify the decision log"
	var report audit.VerifyReport
	err := s.snapshot(ctx, func(query queryFunc) (err error) {
		report, err = verifyAll(query)
		return err
	})
	if err != nil {
		return audit.VerifyReport{}, fmt.Errorf("%s: %w", doing, err)
	}
	return report, nil
}

// verifyAll is VerifyLog on whatever query reads.
func verifyAll(query queryFunc) (report audit.VerifyReport, err error) {
	v := verification{query}
	chains, err := v.chains()
	if err != nil {
		return report, err
	}
	for i, c := range chains {
		r, err := v.chain(c, int64(i+1))
		if err != nil {
			return report, fmt.Errorf("writer %s: %w", c.name, err)
		}
		report.Writers = append(report.Writers, r)
	}
	return report, v.strays(&report)
}
