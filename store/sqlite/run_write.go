package sqlite

import "fmt"

// appendPlain chains queued records to the log, in runs.
func (t *tx) appendPlain(plain []queued) error {
	r := &t.w.run
	r.clear() // of a transaction that failed
	for i := range plain {
		q := &plain[i]
		if !r.takes(q) {
			if err := t.saveRun(r); err != nil {
				return err
			}
		}
		r.add(q, t.chain.Append(q.data))
	}
	t.predictions += uint64(len(plain))
	if r.first == 0 {
		return nil
	}
	return t.saveRun(r)
}

// saveRun stores a run, and empties it.
func (t *tx) saveRun(r *run) error {
	defer r.clear()
	if _, err := t.exec(`INSERT INTO log_runs (writer, last_seq, first_seq, least_id, most_id, from_us, to_us, records) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		t.w.ordinal, int64(r.last), int64(r.first), blob(r.least), blob(r.most), r.from, r.to, r.records); err != nil {
		return fmt.Errorf("append a run to the decision log: %w", err)
	}
	for i := range r.kinds {
		k := &r.kinds[i]
		id, err := t.kind(k.kind)
		if err != nil {
			return err
		}
		if _, err := t.exec(`
			INSERT INTO run_decisions (kind, to_us, writer, last_seq, from_us, row_count, prediction_count, example) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			id, r.to, t.w.ordinal, int64(r.last), r.from, k.rows, k.predictions, k.example); err != nil {
			return fmt.Errorf("count the decisions of a run: %w", err)
		}
	}
	return nil
}

// blob is bytes that are not NULL.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
