package sqlite

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/candor-gateway/candor/audit"
)

// VerifyLog checks every writer's hash chain from the first record to the head, how the chains hang together, and that stored
// payloads are those whose digests were recorded. It reads one snapshot and keeps nobody from writing. Tampering is in the
// report; the error is for a store that can't be read.
func (s *Store) VerifyLog(ctx context.Context) (audit.VerifyReport, error) {
	const doing = "sqlite: verify the decision log"
	var report audit.VerifyReport
	err := s.snapshot(ctx, func(query queryFunc) (err error) {
		report, err = audit.VerifyStored(keptLog{query})
		return err
	})
	if err != nil {
		return audit.VerifyReport{}, fmt.Errorf("%s: %w", doing, err)
	}
	return report, nil
}

// keptLog is the log as one snapshot has it.
type keptLog struct{ query queryFunc }

// Chains is of audit.Kept.
func (l keptLog) Chains() ([]audit.StoredChain, error) {
	var out []audit.StoredChain
	err := l.query(`SELECT name, ordinal, after_writer, after_seq, origin, seq, head FROM writers ORDER BY ordinal`, nil, func(row scanner) error {
		var c audit.StoredChain
		err := row.Scan(&c.Name, &c.Ordinal, &c.AfterWriter, &c.AfterSeq, &c.Origin, &c.Seq, &c.Head)
		out = append(out, c)
		return err
	})
	return out, err
}

// Origin is of audit.Kept.
func (l keptLog) Origin(writer int64) (origin []byte, err error) {
	err = l.query(`SELECT origin FROM writers WHERE ordinal = ?`, []any{writer}, func(row scanner) error { return row.Scan(&origin) })
	return origin, err
}

// Hash is of audit.Kept.
func (l keptLog) Hash(writer, seq int64) (hash []byte, err error) {
	found, err := entry(l.query, writer, seq)
	return found.hash, err
}

// Entries is of audit.Kept.
func (l keptLog) Entries(writer, after int64, limit int, each func(audit.StoredEntry)) error {
	return entries(l.query, writer, after, noLast, limit, func(s stored) error {
		each(audit.StoredEntry{Seq: s.seq, Prediction: s.filed(), Data: s.data, Hash: s.hash})
		return nil
	})
}

// Payload is of audit.Kept.
func (l keptLog) Payload(item uuid.UUID) (audit.StoredPayload, error) {
	p, err := loadPayload(l.query, item.String())
	return audit.StoredPayload{There: p.owner != "", Data: p.data, Sum: p.sum}, err
}

// Strays is of audit.Kept.
func (l keptLog) Strays() ([]audit.Stray, error) {
	var out []audit.Stray
	err := l.query(`
		SELECT writer, min(seq) FROM (SELECT writer, seq FROM log UNION ALL SELECT writer, first_seq FROM log_runs)
		WHERE seq < 1 OR writer NOT IN (SELECT ordinal FROM writers) GROUP BY writer`, nil,
		func(row scanner) error {
			var s audit.Stray
			err := row.Scan(&s.Writer, &s.Seq)
			out = append(out, s)
			return err
		})
	return out, err
}
