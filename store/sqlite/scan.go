package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/candor-gateway/candor/audit"
)

// Scan finds the records whose time is at or after since and before until; see audit.NewScan. Between its pages no transaction is
// open: a long scan keeps no writer from moving its WAL into the database.
func (s *Store) Scan(ctx context.Context, since, until time.Time) (*audit.Scan, error) {
	scan, err := audit.NewScan(ctx, logPages{s}, since, until)
	if err != nil {
		return nil, fmt.Errorf("sqlite: scan the decision log: %w", err)
	}
	return scan, nil
}

// logPages implements audit.Pages.
type logPages struct{ s *Store }

// Parts is of audit.Pages.
func (l logPages) Parts(ctx context.Context) ([]audit.Part, error) {
	var out []audit.Part
	err := l.s.reader(ctx)(`SELECT ordinal, seq FROM writers ORDER BY ordinal`, nil, func(row scanner) error {
		var p audit.Part
		err := row.Scan(&p.Writer, &p.Last)
		out = append(out, p)
		return err
	})
	return out, err
}

// errMissing: the log has no record of that number.
var errMissing = errors.New("it is missing")

// Record is of audit.Pages.
func (l logPages) Record(ctx context.Context, writer, seq int64) (data []byte, err error) {
	found, err := entry(l.s.reader(ctx), writer, seq)
	if err == nil && found.data == nil {
		err = errMissing
	}
	return found.data, err
}

// Page is of audit.Pages.
func (l logPages) Page(ctx context.Context, p audit.Part, limit int, each func(seq int64, data []byte) error) error {
	return entries(l.s.reader(ctx), p.Writer, p.After, p.Last, limit, func(s stored) error { return each(s.seq, s.data) })
}
