package sqlite

import (
	"context"
	"fmt"
)

// begin readies the connection: the clock, and the writer's chain.
func (w *writer) begin(ctx context.Context, opts Options) error {
	if _, err := w.exec(`INSERT INTO clock (one, high_water_us) VALUES (1, 0) ON CONFLICT DO NOTHING`); err != nil {
		return fmt.Errorf("start the clock: %w", err)
	}
	c, err := readClock(ctx, w.store.readDB, opts.wall)
	if err != nil {
		return err
	}
	w.store.clock = c
	w.mark = c.base.UnixMicro()
	return w.join(opts.Writer)
}

// join takes up the writer's chain, or starts one at the end of the newest.
func (w *writer) join(name string) error {
	w.chain.Writer = name
	if _, err := w.exec(`
		INSERT INTO writers (name, opened_us, after_writer, after_seq, origin, seq, head)
		SELECT ?1, ?2, coalesce(max(ordinal), 0), coalesce(seq, 0), coalesce(head, zeroblob(32)), 0, coalesce(head, zeroblob(32))
		FROM writers WHERE true -- the row of max(ordinal), or NULLs
		ON CONFLICT (name) DO NOTHING`, name, w.mark); err != nil {
		return fmt.Errorf("start the hash chain of writer %s: %w", name, err)
	}
	st, err := w.statement(`SELECT ordinal, seq, head FROM writers WHERE name = ?`)
	if err != nil {
		return err
	}
	var seq int64
	var head []byte
	if err := st.QueryRowContext(background, name).Scan(&w.ordinal, &seq, &head); err != nil {
		return fmt.Errorf("read the hash chain of writer %s: %w", name, err)
	}
	if copy(w.chain.Head[:], head) != len(w.chain.Head) {
		return fmt.Errorf("the head of writer %s has %d bytes: run candor audit verify", name, len(head))
	}
	w.chain.Seq = uint64(seq)
	return nil
}

// end keeps the time of a clean stop, and counts what could not be stored.
func (w *writer) end() error {
	if lost := w.queue.giveUp(); lost > 0 {
		w.lost.Add(uint64(lost))
		return fmt.Errorf("%d records of accepted rows could not be stored and are lost; see the log for the cause", lost)
	}
	if _, err := w.exec(`UPDATE clock SET high_water_us = max(high_water_us, ?)`, w.store.Now().UnixMicro()); err != nil {
		return fmt.Errorf("keep the clock: %w", err)
	}
	return nil
}

func (w *writer) release() {
	for _, st := range w.statements {
		st.Close()
	}
	w.conn.Close()
}
