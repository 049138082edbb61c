package sqlite

import (
	"bytes"
	"math"

	"github.com/google/uuid"

	"github.com/candor-gateway/candor/audit"
)

// stored is a record of the log, wherever it lies.
type stored struct {
	writer, seq int64
	data, hash  []byte
	// prediction is the id that a row is filed under; empty: none. run is the one that it lies in; nil: it has a row of its own.
	prediction []byte
	run        *storedRun
}

// filed is the id that the record is found by; empty: none. A run is found by the ids that it spans.
func (s *stored) filed() []byte {
	if s.run == nil {
		return s.prediction
	}
	rec, err := audit.Decode(s.data)
	id := rec.GetPrediction().GetPredictionId()
	if err != nil || !s.run.spans(id) {
		return nil
	}
	return id
}

const (
	rowOf = `SELECT writer, seq, data FROM log WHERE prediction_id = ?`
	// runsOf are all that can have a prediction: the greatest of their ids is no less than its own, and less than a minute later.
	runsOf = `SELECT writer, first_seq, least_id, most_id, records FROM log_runs WHERE most_id >= ?1 AND most_id <= ?2 AND least_id <= ?1`
	// rowsAfter and runsAfter are a writer's, in order.
	rowsAfter = `SELECT seq, prediction_id, data, hash FROM log WHERE writer = ? AND seq > ? ORDER BY seq LIMIT ?`
	runsAfter = `SELECT first_seq, last_seq, least_id, most_id, records FROM log_runs WHERE writer = ? AND last_seq > ? ORDER BY last_seq LIMIT ?`
)

// recordOf finds a prediction's record. Errors: audit.ErrNotFound.
func recordOf(query queryFunc, id uuid.UUID) (found stored, err error) {
	err = query(rowOf, []any{id[:]}, func(row scanner) error { return row.Scan(&found.writer, &found.seq, &found.data) })
	if err != nil || found.data != nil {
		return found, err
	}
	most := latestBeside(id)
	err = query(runsOf, []any{id[:], most[:]}, func(row scanner) error {
		var r storedRun
		if err := row.Scan(&r.writer, &r.first, &r.least, &r.most, &r.records); err != nil {
			return err
		}
		if !bytes.Contains(r.records, id[:]) {
			return nil
		}
		r.each(func(s stored) {
			if found.data == nil && bytes.Contains(s.data, id[:]) && bytes.Equal(s.filed(), id[:]) {
				found = s
			}
		})
		return nil
	})
	if err == nil && found.data == nil {
		err = audit.ErrNotFound
	}
	return found, err
}

// storedRun is a row of log_runs.
type storedRun struct {
	writer, first, last  int64
	least, most, records []byte
}

// spans says whether somebody who looks for a prediction looks at the run.
func (r *storedRun) spans(id []byte) bool {
	return bytes.Compare(id, r.least) >= 0 && bytes.Compare(id, r.most) <= 0 && idMillis(r.most)-idMillis(id) <= maxRunSpan.Milliseconds()
}

// each calls do for the run's records in order.
func (r *storedRun) each(do func(stored)) {
	seq := r.first
	unpack(r.records, func(data, hash []byte) {
		do(stored{writer: r.writer, seq: seq, data: data, hash: hash, run: r})
		seq++
	})
}

// entries calls each for a writer's records after a number, and up to last, in order, at most limit of them.
func entries(query queryFunc, writer, after, last int64, limit int, each func(stored) error) error {
	var rows, packed []stored
	err := query(rowsAfter, []any{writer, after, limit}, func(row scanner) error {
		s := stored{writer: writer}
		err := row.Scan(&s.seq, &s.prediction, &s.data, &s.hash)
		rows = append(rows, s)
		return err
	})
	// As many as hold what is wanted if they are full, and twice as many each time that they don't.
	page := limit/maxRun + 1
	for past, more := after, true; err == nil && more && len(packed) < limit; {
		n := 0
		err = query(runsAfter, []any{writer, past, page}, func(row scanner) error {
			r := storedRun{writer: writer}
			if err := row.Scan(&r.first, &r.last, &r.least, &r.most, &r.records); err != nil {
				return err
			}
			r.each(func(s stored) {
				if s.seq > after {
					packed = append(packed, s)
				}
			})
			n, past = n+1, r.last
			return nil
		})
		more = n == page && past < last
		page *= 2
	}
	for n := 0; err == nil && n < limit && len(rows)+len(packed) > 0; n++ {
		from := &rows
		if len(rows) == 0 || len(packed) > 0 && packed[0].seq < rows[0].seq {
			from = &packed
		}
		next := (*from)[0]
		if next.seq > last {
			return nil
		}
		*from = (*from)[1:]
		err = each(next)
	}
	return err
}

// entry is one record of a writer's; its data is nil where there is none.
func entry(query queryFunc, writer, seq int64) (found stored, err error) {
	err = entries(query, writer, seq-1, seq, 1, func(s stored) error {
		found = s
		return nil
	})
	return found, err
}

// noLast is for entries that go on to the end.
const noLast = math.MaxInt64
