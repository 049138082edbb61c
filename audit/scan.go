package audit

import (
	"context"
	"fmt"
	"iter"
	"math"
	"sort"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Scan is a part of the decision log: the records of a span of time that were committed when it was made. It stays the same
// while a gateway goes on writing. Safe for concurrent use where its Pages is.
type Scan struct {
	pages Pages
	parts []Part
	// from and to bound the records' times, microseconds since the epoch.
	from, to int64
	// Records is how many are read, which may be some more than there are in the span.
	Records uint64
}

// Part is one writer's records after one number up to another.
type Part struct{ Writer, After, Last int64 }

// Pages reads a stored log. No transaction need be open between its calls.
type Pages interface {
	// Parts answers all records of every writer, in the order of the writers.
	Parts(ctx context.Context) ([]Part, error)
	// Record answers the bytes of one record.
	Record(ctx context.Context, writer, seq int64) ([]byte, error)
	// Page calls each for a part's records in order, at most limit of them.
	Page(ctx context.Context, p Part, limit int, each func(seq int64, data []byte) error) error
}

// scanPage is how many records are read at a time.
const scanPage = 512

// scanSlack: a record's time is that of its decision, and those of plain accepts wait for company before they get their number. So
// a writer's records are in the order of time but for the wait, which is far shorter than this unless the store fails.
const scanSlack = time.Minute

// NewScan finds the records whose time is at or after since and before until; the zero since is the log's beginning, the zero until
// its end. A binary search finds where they begin.
func NewScan(ctx context.Context, pages Pages, since, until time.Time) (*Scan, error) {
	scan := &Scan{pages: pages, from: math.MinInt64, to: math.MaxInt64}
	if !since.IsZero() {
		scan.from = since.UnixMicro()
	}
	if !until.IsZero() {
		scan.to = until.UnixMicro()
	}
	var err error
	if scan.parts, err = pages.Parts(ctx); err != nil {
		return nil, err
	}
	for i := range scan.parts {
		p := &scan.parts[i]
		if !until.IsZero() {
			if p.Last, err = before(ctx, pages, *p, until.Add(scanSlack)); err != nil {
				return nil, err
			}
		}
		if !since.IsZero() {
			if p.After, err = before(ctx, pages, *p, since.Add(-scanSlack)); err != nil {
				return nil, err
			}
		}
		scan.Records += uint64(max(0, p.Last-p.After))
	}
	return scan, nil
}

// before answers how many of a writer's records, up to the part's last, were written before a moment.
func before(ctx context.Context, pages Pages, p Part, moment time.Time) (int64, error) {
	var err error
	n := sort.Search(int(p.Last), func(i int) bool {
		if err != nil {
			return true
		}
		var rec *candorv1.Record
		var data []byte
		if data, err = pages.Record(ctx, p.Writer, int64(i)+1); err == nil {
			rec, err = Decode(data)
		}
		if err != nil {
			err = fmt.Errorf("record %d of writer number %d: %w; run candor audit verify", i+1, p.Writer, err)
		}
		return rec.GetTimeUs() >= moment.UnixMicro()
	})
	return int64(n), err
}

// All hands out the records, each writer's in order, writer after writer. It ends after the first error. It may be used again.
func (s *Scan) All(ctx context.Context) iter.Seq2[*candorv1.Record, error] {
	return func(yield func(*candorv1.Record, error) bool) {
		for _, p := range s.parts {
			for p.After < p.Last {
				page, err := s.page(ctx, p)
				if err == nil && len(page) == 0 {
					err = fmt.Errorf("record %d of writer number %d is missing; run candor audit verify", p.After+1, p.Writer)
				}
				if err != nil {
					yield(nil, fmt.Errorf("scan the decision log: %w", err))
					return
				}
				for _, rec := range page {
					if at := rec.GetTimeUs(); at >= s.from && at < s.to && !yield(rec, nil) {
						return
					}
				}
				p.After += int64(len(page))
			}
		}
	}
}

func (s *Scan) page(ctx context.Context, p Part) ([]*candorv1.Record, error) {
	out := make([]*candorv1.Record, 0, min(scanPage, p.Last-p.After))
	err := s.pages.Page(ctx, p, scanPage, func(seq int64, data []byte) error {
		rec, err := Decode(data)
		if due := p.After + int64(len(out)) + 1; err == nil && seq != due {
			err = fmt.Errorf("record %d is missing", due)
		}
		if err != nil {
			return fmt.Errorf("record %d of writer number %d can't be read: %w; run candor audit verify", seq, p.Writer, err)
		}
		out = append(out, rec)
		return nil
	})
	return out, err
}
