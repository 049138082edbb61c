package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/candor-gateway/candor/audit"
)

// VerifyReport says what VerifyLog found, WriterReport of one writer.
type (
	VerifyReport = audit.VerifyReport
	WriterReport = audit.WriterReport
)

// verifyPage is how many entries are read at a time.
const verifyPage = 512

// VerifyLog checks every writer's hash chain from the first record to the head, how the chains hang together, and that stored
// payloads are those whose digests were recorded. It reads one snapshot and keeps nobody from writing. Tampering is in the
// report; the error is for a store that can't be read.
func (s *Store) VerifyLog(ctx context.Context) (VerifyReport, error) {
	const doing = "sqlite: verify the decision log"
	snapshot, err := s.readDB.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return VerifyReport{}, fmt.Errorf("%s: %w", doing, err)
	}
	defer func() { _ = snapshot.Rollback() }()
	v := verification{query: func(query string, args []any, each func(scanner) error) error {
		rows, err := snapshot.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		return scanAll(rows, each)
	}}
	chains, err := v.chains()
	if err != nil {
		return VerifyReport{}, fmt.Errorf("%s: %w", doing, err)
	}
	var report VerifyReport
	for i, c := range chains {
		r, err := v.chain(c, int64(i+1))
		if err != nil {
			return VerifyReport{}, fmt.Errorf("%s: writer %s: %w", doing, c.name, err)
		}
		report.Writers = append(report.Writers, r)
	}
	if err := v.strays(&report); err != nil {
		return VerifyReport{}, fmt.Errorf("%s: %w", doing, err)
	}
	return report, nil
}
