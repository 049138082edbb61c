package postgres

import (
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/candor-gateway/candor/audit"
)

// VerifyReport says what VerifyLog found.
type VerifyReport struct {
	// Writers in the order in which they first appeared.
	Writers []WriterReport
}

// Fault answers the first fault; nil: the log is what was written.
func (r VerifyReport) Fault() *audit.Fault {
	for _, w := range r.Writers {
		if w.Fault != nil {
			return w.Fault
		}
	}
	return nil
}

// WriterReport is one writer's part.
type WriterReport struct {
	Writer string
	// Entries that were verified, up to the fault.
	Entries uint64
	// Head of the chain as far as it was verified. Kept elsewhere, it shows later that nobody rewrote the whole log.
	Head [sha256.Size]byte
	// Payloads that are stored and have the recorded digest; PayloadsRemoved by retention.
	Payloads, PayloadsRemoved uint64
	// Fault is the first one; nil: none.
	Fault *audit.Fault
}

// verifyPage is how many entries are read at a time.
const verifyPage = 512

// VerifyLog checks every writer's hash chain from the first record to the head, how the chains hang together, and that stored
// payloads are those whose digests were recorded. It reads one snapshot and keeps nobody from writing. Tampering is in the
// report; the error is for a store that can't be read.
func (s *Store) VerifyLog(ctx context.Context) (VerifyReport, error) {
	const doing = "postgres: verify the decision log"
	var report VerifyReport
	err := s.snapshot(ctx, func(query queryFunc) error {
		report = VerifyReport{}
		v := verification{query}
		chains, err := v.chains()
		if err != nil {
			return err
		}
		for i, c := range chains {
			r, err := v.chain(c, int64(i+1))
			if err != nil {
				return fmt.Errorf("writer %s: %w", c.name, err)
			}
			report.Writers = append(report.Writers, r)
		}
		return v.strays(&report)
	})
	if err != nil {
		return VerifyReport{}, fmt.Errorf("%s: %w", doing, err)
	}
	return report, nil
}
