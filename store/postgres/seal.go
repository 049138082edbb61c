package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	insertLog = `INSERT INTO log (writer, seq, prediction_id, data, hash)
		SELECT $1, u.* FROM unnest($2::bigint[], $3::uuid[], $4::bytea[], $5::bytea[]) AS u`
	insertDecisions = `INSERT INTO decisions (kind, time_us, prediction_id, row_count)
		SELECT * FROM unnest($1::integer[], $2::bigint[], $3::uuid[], $4::bigint[])`
	moveHead = `UPDATE writers SET seq = $2, head = $3, batch = $4, clock_us = greatest(clock_us, $5) WHERE ordinal = $1`

	// A feed's row is locked from here to the end of the commit, and all that append to the feed wait for it: so positions become
	// visible in their order. Nothing is locked after it, and hardly any time passes.
	appendFinals = `
		WITH last AS (UPDATE feeds SET position = position + $1 WHERE name = 'finals' RETURNING position),
			added AS (INSERT INTO finals (position, item_id, answer)
				SELECT last.position - $1 + u.n, u.item, u.answer FROM last, unnest($2::uuid[], $3::bytea[]) WITH ORDINALITY AS u (item, answer, n))
		SELECT position, pg_notify('` + channel + `', 'finals ' || position)::text FROM last`
	appendCertificates = `
		WITH last AS (UPDATE feeds SET position = position + 1 WHERE name = 'certificates' RETURNING position)
		SELECT position, pg_notify('` + channel + `', 'certificates ' || position)::text FROM last`
	// That a stop or a trip was stored, or what was done about it. In the transaction: these are rare, and a stop should not wait.
	tellLimits = `SELECT pg_notify('` + channel + `', '` + limitsFeed + `')`
)

// seal sends all that is left, moves the chain's head, appends to the feeds, and commits: in one question to the server. On an
// error nothing is stored.
func (b *batch) seal() error {
	w := b.w
	p := &pgx.Batch{}
	n := b.pack(p)
	n += b.packLog(p)
	// A time that this store gave before the commit; the mark is durable with it.
	mark := w.store.Now().UnixMicro()
	p.Queue(moveHead, w.ordinal, int64(b.chain.Seq), b.chain.Head[:], b.number, mark)
	n++
	if b.ofLimits {
		p.Queue(tellLimits)
		n++
	}
	var finals, certified int64
	if len(b.finals) > 0 {
		p.Queue(appendFinals, int64(len(b.finals)), b.finals, b.answers)
	}
	if b.certified {
		p.Queue(appendCertificates)
	}
	p.Queue(`COMMIT`)
	results := w.conn.SendBatch(b.ctx, p)
	err := func() error {
		if err := drain(results, n); err != nil {
			return err
		}
		var nothing string
		if len(b.finals) > 0 {
			if err := results.QueryRow().Scan(&finals, &nothing); err != nil {
				return fmt.Errorf("append to the feed of final answers: %w", err)
			}
		}
		if b.certified {
			if err := results.QueryRow().Scan(&certified, &nothing); err != nil {
				return fmt.Errorf("append to the feed of certificates: %w", err)
			}
		}
		_, err := results.Exec()
		return err
	}()
	if cerr := results.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		if err = w.rollback(b.ctx, w.checked(err)); !lost(err) {
			return err
		}
		// The commit may have been on its way.
		happened, uerr := w.happened(b.number)
		if uerr != nil {
			return uerr
		}
		if !happened {
			return err
		}
	}
	w.committed.Add(b.predictions)
	w.batches.Add(1)
	// Before the callers go on: one who has stored a final answer finds it announced. Where the answer to the commit got lost the
	// positions did, too; then the listener hears of them.
	w.store.finals.reached(finals)
	w.store.certified.reached(certified)
	if b.moved {
		w.store.move()
	}
	if b.ofLimits {
		w.store.latches.wake()
	}
	return nil
}

// packLog adds the inserts of the log and of its index, and answers how many they are.
func (b *batch) packLog(p *pgx.Batch) (n int) {
	if len(b.entries) > 0 {
		seqs, ids := make([]int64, len(b.entries)), make([]nullUUID, len(b.entries))
		data, hashes := make([][]byte, len(b.entries)), make([][]byte, len(b.entries))
		for i := range b.entries {
			e := &b.entries[i]
			seqs[i], ids[i], data[i], hashes[i] = int64(e.Seq), e.prediction, e.Data, e.Hash[:]
		}
		p.Queue(insertLog, b.w.ordinal, seqs, ids, data, hashes)
		n++
	}
	if len(b.counts) > 0 {
		kinds, times := make([]int32, len(b.counts)), make([]int64, len(b.counts))
		ids, rows := make([]nullUUID, len(b.counts)), make([]int64, len(b.counts))
		for i, c := range b.counts {
			kinds[i], times[i], ids[i], rows[i] = c.kind, c.timeUS, c.prediction, c.rows
		}
		p.Queue(insertDecisions, kinds, times, ids, rows)
		n++
	}
	return n
}

const (
	// While the server can't be asked what became of a commit it is asked again after this.
	askEvery = 200 * time.Millisecond
	// closingPatience is how long a store that is being closed goes on asking.
	closingPatience = 10 * time.Second
)

// happened finds out whether a commit was, whose answer got lost. The writer's row tells: the transaction had it locked, so that to
// lock it again waits until the transaction has ended, if the server still works on it, and shows how. It asks until there is an
// answer, since no answer to the callers would be true before; when the store is closed, a little longer. A store that has gone on with the
// chain since then may have made the commit of that number. Errors: ErrUnknown.
func (w *writer) happened(number int64) (bool, error) {
	var give <-chan time.Time
	stopping := w.stopping
	for said := false; ; said = true {
		last, err := w.lastBatch()
		switch {
		case err == nil:
			return last >= number, nil
		case errors.Is(err, errShutOut) && last < number:
			return false, nil
		case errors.Is(err, errShutOut):
			return false, fmt.Errorf("%w: %w", ErrUnknown, err)
		}
		if !said {
			w.store.log.Warn("postgres: the connection broke during a commit; asking the server whether it happened", slog.Any("error", err))
		}
		select {
		case <-time.After(askEvery):
		case <-stopping:
			stopping, give = nil, time.After(closingPatience)
		case <-give:
			return false, fmt.Errorf("%w: %w", ErrUnknown, err)
		}
	}
}

// lastBatch is the number of the chain's last commit. Errors: errShutOut, with the number.
func (w *writer) lastBatch() (number int64, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), batchTimeout)
	defer cancel()
	if err := w.ready(ctx, nil, nil); err != nil {
		return 0, err
	}
	var seq int64
	var head []byte
	var owner [16]byte
	if err := w.conn.QueryRow(ctx, lockWriter, w.ordinal).Scan(&seq, &head, &number, &owner); err != nil {
		return 0, w.checked(err)
	}
	if owner != w.owner {
		err = errShutOut
	}
	return number, err
}
