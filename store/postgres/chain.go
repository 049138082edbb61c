package postgres

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/candor-gateway/candor/audit"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// joinLock keeps gateways that begin a chain at the same time in a row.
const joinLock = 0x434e4454

// join takes up the writer's chain, or starts one at the end of the newest.
func (w *writer) join(ctx context.Context) error {
	w.owner = uuid.New()
	err := pgx.BeginFunc(ctx, w.conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, joinLock); err != nil {
			return err
		}
		return tx.QueryRow(ctx, `
			INSERT INTO writers (ordinal, name, opened_us, after_writer, after_seq, origin, seq, head, owner, clock_us)
			SELECT coalesce(max(ordinal), 0) + 1, $1, $2, coalesce(max(ordinal), 0),
				coalesce((array_agg(seq ORDER BY ordinal DESC))[1], 0),
				coalesce((array_agg(head ORDER BY ordinal DESC))[1], decode(repeat('00', 32), 'hex')), 0,
				coalesce((array_agg(head ORDER BY ordinal DESC))[1], decode(repeat('00', 32), 'hex')), $3, $2
			FROM writers
			ON CONFLICT (name) DO UPDATE SET owner = excluded.owner
			RETURNING ordinal`, w.name, w.store.Now().UnixMicro(), w.owner).Scan(&w.ordinal)
	})
	if err != nil {
		return fmt.Errorf("start the hash chain of writer %s: %w", w.name, err)
	}
	return nil
}

// end keeps the time of a clean stop, and counts what could not be stored.
func (w *writer) end() error {
	if lost := w.queue.giveUp(); lost > 0 {
		w.lost.Add(uint64(lost))
		return fmt.Errorf("%d records of accepted rows could not be stored and are lost; see the log for the cause", lost)
	}
	err := w.keepClock()
	if lost(err) {
		// The connection may have broken long ago, when nobody used it.
		err = w.keepClock()
	}
	if err != nil {
		return fmt.Errorf("keep the clock: %w", err)
	}
	return nil
}

func (w *writer) keepClock() error {
	ctx, cancel := context.WithTimeout(context.Background(), batchTimeout)
	defer cancel()
	err := w.ready(ctx, nil, nil)
	if err == nil {
		_, err = w.conn.Exec(ctx, `UPDATE writers SET clock_us = greatest(clock_us, $2) WHERE ordinal = $1`, w.ordinal, w.store.Now().UnixMicro())
	}
	return w.checked(err)
}

// append chains an encoded record to the log. prediction is set for predictions only.
func (b *batch) append(data []byte, prediction nullUUID) (seq uint64) {
	e := b.chain.Append(data)
	b.entries = append(b.entries, entry{e, prediction})
	return e.Seq
}

// appendRecord encodes a record of ours and chains it to the log.
func (b *batch) appendRecord(rec *candorv1.Record) (seq uint64, err error) {
	data, err := audit.Encode(rec)
	if err != nil {
		return 0, err
	}
	return b.append(data, nullUUID{}), nil
}
