package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/candor-gateway/candor/audit"
)

// ready connects where the connection broke, and learns the numbers of kinds that the batch will need: outside of the
// transaction, since whoever adds one would wait for another gateway's batch that adds the same.
func (w *writer) ready(ctx context.Context, plain []queued, jobs []*job) error {
	if w.conn == nil {
		conn, err := w.store.db.connect(ctx)
		if err != nil {
			return fmt.Errorf("%w: %w", errLost, err)
		}
		w.conn = conn
	}
	w.store.kinds.tidy()
	for i := range plain {
		if err := w.store.kinds.learn(ctx, w.conn, plain[i].kinds); err != nil {
			return w.checked(err)
		}
	}
	for _, j := range jobs {
		if err := w.store.kinds.learn(ctx, w.conn, j.needs.kinds); err != nil {
			return w.checked(err)
		}
	}
	return nil
}

// errShutOut: Options.Writer was used again.
var errShutOut = errors.New("postgres: another store goes on with this one's hash chain: give every gateway a writer of its own")

const lockWriter = `SELECT seq, head, batch, owner FROM writers WHERE ordinal = $1 FOR UPDATE`

// begin starts a transaction that has the writer's row, and the locks that its jobs need, each kind in one order for all
// gateways. One question to the server.
func (w *writer) begin(ctx context.Context, jobs []*job) (*batch, error) {
	var items [][16]byte
	var digests []string
	for _, j := range jobs {
		items = append(items, j.needs.items...)
		digests = append(digests, j.needs.digests...)
	}
	b := &batch{ctx: ctx, w: w, now: w.store.Now(), locked: map[string]bool{}}
	b.chain.Writer = w.name
	p := &pgx.Batch{}
	p.Queue(`BEGIN`)
	p.Queue(lockWriter, w.ordinal)
	if len(items) > 0 {
		p.Queue(`SELECT id FROM review_items WHERE id = ANY($1) ORDER BY id FOR UPDATE`, items)
	}
	if len(items)+len(digests) > 0 {
		p.Queue(lockKeys, digests, items)
	}
	results := w.conn.SendBatch(ctx, p)
	err := func() error {
		if _, err := results.Exec(); err != nil {
			return err
		}
		var head []byte
		var owner [16]byte
		if err := results.QueryRow().Scan(&b.chain.Seq, &head, &b.number, &owner); err != nil {
			return fmt.Errorf("read the hash chain of writer %s: %w", w.name, err)
		}
		if copy(b.chain.Head[:], head) != len(b.chain.Head) {
			return fmt.Errorf("the head of writer %s has %d bytes: run candor audit verify", w.name, len(head))
		}
		if owner != w.owner {
			return errShutOut
		}
		b.number++
		if len(items) > 0 {
			if _, err := results.Exec(); err != nil {
				return fmt.Errorf("lock review items: %w", err)
			}
		}
		if len(items)+len(digests) > 0 {
			rows, err := results.Query()
			if err == nil {
				err = scanAll(rows, b.noteLocked)
			}
			if err != nil {
				return fmt.Errorf("lock certificates: %w", err)
			}
		}
		return nil
	}()
	if cerr := results.Close(); err == nil {
		err = cerr
	}
	return b, w.checked(err)
}

// checked drops the connection when the error says that it broke, and marks the error so.
func (w *writer) checked(err error) error {
	if err == nil || w.conn == nil {
		return err
	}
	if lost(err) || w.conn.IsClosed() || pgconn.Timeout(err) {
		w.drop()
		if !lost(err) {
			err = fmt.Errorf("%w: %w", errLost, err)
		}
	}
	return err
}

// rollback ends the transaction without a trace and answers why.
func (w *writer) rollback(ctx context.Context, why error) error {
	if w.conn == nil {
		return why
	}
	if _, err := w.conn.Exec(ctx, `ROLLBACK`); err != nil {
		w.drop()
		if why == nil {
			why = fmt.Errorf("%w: %w", errLost, err)
		}
	}
	return why
}

// drop gives the connection up: what was under way on it is rolled back by the server when it notices.
func (w *writer) drop() {
	if w.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	defer cancel()
	_ = w.conn.Close(ctx)
	w.conn = nil
}

// entry is a record on its way into the log.
type entry struct {
	audit.Entry
	prediction nullUUID
}
