package postgres

import (
	"context"
	"fmt"
	"iter"
	"math"
	"sort"
	"time"

	"github.com/candor-gateway/candor/audit"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// LogScan is a part of the decision log: the records of a span of time that were committed when it was made. It stays the same
// while a gateway goes on writing.
type LogScan struct {
	store *Store
	parts []logPart
	// from and to bound the records' times, microseconds since the epoch.
	from, to int64
	// Records is how many are read, which may be some more than there are in the span.
	Records uint64
}

// logPart is one writer's records after one number up to another.
type logPart struct{ writer, after, last int64 }

// scanPage is how many records are read at a time. Between pages no transaction is open: a long scan keeps no dead row alive.
const scanPage = 512

// scanSlack: a record's time is that of its decision, and those of plain accepts wait for company before they get their number. So
// a writer's records are in the order of time but for the wait, which is far shorter than this unless the store fails.
const scanSlack = time.Minute

// Scan finds the records whose time is at or after since and before until; the zero since is the log's beginning, the zero until
// its end. A binary search finds where they begin.
func (s *Store) Scan(ctx context.Context, since, until time.Time) (*LogScan, error) {
	const doing = "postgres: scan the decision log"
	scan := &LogScan{store: s, from: math.MinInt64, to: math.MaxInt64}
	if !since.IsZero() {
		scan.from = since.UnixMicro()
	}
	if !until.IsZero() {
		scan.to = until.UnixMicro()
	}
	err := s.reader(ctx)(`SELECT ordinal, seq FROM writers ORDER BY ordinal`, nil, func(row scanner) error {
		var p logPart
		err := row.Scan(&p.writer, &p.last)
		scan.parts = append(scan.parts, p)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	for i := range scan.parts {
		p := &scan.parts[i]
		if !until.IsZero() {
			if p.last, err = s.before(ctx, *p, until.Add(scanSlack)); err != nil {
				return nil, fmt.Errorf("%s: %w", doing, err)
			}
		}
		if !since.IsZero() {
			if p.after, err = s.before(ctx, *p, since.Add(-scanSlack)); err != nil {
				return nil, fmt.Errorf("%s: %w", doing, err)
			}
		}
		scan.Records += uint64(max(0, p.last-p.after))
	}
	return scan, nil
}

// before answers how many of a writer's records, up to the part's last, were written before a moment.
func (s *Store) before(ctx context.Context, p logPart, moment time.Time) (int64, error) {
	var err error
	n := sort.Search(int(p.last), func(i int) bool {
		if err != nil {
			return true
		}
		var rec *candorv1.Record
		var data []byte
		if err = s.pool.QueryRow(ctx, `SELECT data FROM log WHERE writer = $1 AND seq = $2`, p.writer, i+1).Scan(&data); err == nil {
			rec, err = audit.Decode(data)
		}
		if err != nil {
			err = fmt.Errorf("record %d of writer number %d: %w; run candor audit verify", i+1, p.writer, err)
		}
		return rec.GetTimeUs() >= moment.UnixMicro()
	})
	return int64(n), err
}

// All hands out the records, each writer's in order, writer after writer. It ends after the first error. It may be used again.
func (l *LogScan) All(ctx context.Context) iter.Seq2[*candorv1.Record, error] {
	return func(yield func(*candorv1.Record, error) bool) {
		for _, p := range l.parts {
			for p.after < p.last {
				page, err := l.page(ctx, p)
				if err == nil && len(page) == 0 {
					err = fmt.Errorf("record %d of writer number %d is missing; run candor audit verify", p.after+1, p.writer)
				}
				if err != nil {
					yield(nil, fmt.Errorf("postgres: scan the decision log: %w", err))
					return
				}
				for _, rec := range page {
					if at := rec.GetTimeUs(); at >= l.from && at < l.to && !yield(rec, nil) {
						return
					}
				}
				p.after += int64(len(page))
			}
		}
	}
}

func (l *LogScan) page(ctx context.Context, p logPart) ([]*candorv1.Record, error) {
	out := make([]*candorv1.Record, 0, min(scanPage, p.last-p.after))
	err := l.store.reader(ctx)(`SELECT seq, data FROM log WHERE writer = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $4`,
		[]any{p.writer, p.after, p.last, scanPage}, func(row scanner) error {
			var seq int64
			var data []byte
			if err := row.Scan(&seq, &data); err != nil {
				return err
			}
			rec, err := audit.Decode(data)
			if err != nil || seq != p.after+int64(len(out))+1 {
				return fmt.Errorf("record %d of writer number %d is damaged, or the one before it missing (%w); run candor audit verify", seq, p.writer, err)
			}
			out = append(out, rec)
			return nil
		})
	return out, err
}
