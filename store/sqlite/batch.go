package sqlite

import (
	"errors"
	"fmt"
)

// transact stores plain records and runs jobs in one transaction. On nil every job has been finished; on an error none has,
// and nothing is stored.
func (w *writer) transact(plain []queued, jobs []*job) error {
	if _, err := w.exec(`BEGIN IMMEDIATE`); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	t := &tx{w: w, now: w.store.Now(), chain: w.chain}
	results := make([]error, len(jobs))
	err := t.appendPlain(plain)
	for i := 0; i < len(jobs) && err == nil; i++ {
		results[i], err = t.runJob(jobs[i])
	}
	if err == nil && t.dirty {
		err = w.seal(t)
	} else {
		w.rollback()
	}
	if err != nil {
		return err
	}
	w.committed.Add(t.predictions)
	if t.dirty {
		w.batches.Add(1)
	}
	// Before the callers go on: one who has stored a final answer finds it announced, and one who waited for what was queued finds none.
	if t.final {
		w.store.announce(&w.store.changed)
	}
	if t.certified {
		w.store.announce(&w.store.certified)
	}
	if t.moved {
		w.store.announce(&w.store.moved)
	}
	if t.ofLimits {
		w.store.announce(&w.store.latches)
	}
	w.queue.settle(len(plain))
	for i, j := range jobs {
		j.finish(results[i])
	}
	return nil
}

// runJob runs one job so that what it did can be undone alone. broken means that the whole transaction is.
func (t *tx) runJob(j *job) (result, broken error) {
	if _, err := t.w.exec(`SAVEPOINT job`); err != nil {
		return nil, fmt.Errorf("begin a part: %w", err)
	}
	before := *t
	if result = j.run(t); result != nil {
		*t = before
		// The rows that its numbers of decision kinds stand for are gone.
		clear(t.w.kinds)
		if _, err := t.w.exec(`ROLLBACK TO job`); err != nil {
			// SQLite has rolled back all of it: the disk is full, or the like.
			return nil, errors.Join(result, err)
		}
	}
	if _, err := t.w.exec(`RELEASE job`); err != nil {
		return nil, fmt.Errorf("end a part: %w", err)
	}
	return result, nil
}

// seal moves the chain's head and the clock's mark, and commits.
func (w *writer) seal(t *tx) error {
	mark := max(w.store.Now().UnixMicro(), w.mark+1)
	err := func() error {
		if t.chain.Seq != w.chain.Seq {
			if _, err := w.exec(`UPDATE writers SET seq = ?, head = ? WHERE ordinal = ?`,
				int64(t.chain.Seq), t.chain.Head[:], w.ordinal); err != nil {
				return fmt.Errorf("move the head of the decision log: %w", err)
			}
		}
		if _, err := w.exec(`UPDATE clock SET high_water_us = ?`, mark); err != nil {
			return fmt.Errorf("move the clock: %w", err)
		}
		if _, err := w.exec(`COMMIT`); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
		return nil
	}()
	if err != nil {
		w.rollback()
		// A commit whose answer is an error may have happened all the same; the mark tells.
		var stored int64
		st, e := w.statement(`SELECT high_water_us FROM clock`)
		if e == nil {
			e = st.QueryRowContext(background).Scan(&stored)
		}
		if e != nil || stored != mark {
			return err
		}
	}
	w.chain, w.mark = t.chain, mark
	return nil
}

// rollback ends a transaction that is still open and forgets what was learned in it.
func (w *writer) rollback() {
	clear(w.kinds)
	// An error says that SQLite has rolled back by itself.
	_, _ = w.exec(`ROLLBACK`)
}
