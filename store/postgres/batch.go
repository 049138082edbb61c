package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/candor-gateway/candor/audit"
)

const (
	// maxTries of a transaction that the server ended for the sake of another one, or whose connection broke before its commit.
	maxTries = 5
	// retryPause grows with every try, by chance, so that two that met don't meet again.
	retryPause = 20 * time.Millisecond
	// batchTimeout bounds a batch on a server that doesn't answer. Each statement has a shorter one of its own at the server.
	batchTimeout = time.Minute
)

// errCompany: a part of a batch failed after it had changed something, so that all of it must go. Each part is run alone then.
var errCompany = errors.New("postgres: another part of the transaction failed")

// try stores plain records and runs jobs in one transaction, again where that may help. On nil every job has been finished; on an
// error none has, and nothing is stored. Plain records that can never be stored are dropped from plain, with a word in the log:
// nobody waits for them.
func (w *writer) try(plain *[]queued, jobs []*job) error {
	var some []queued
	if plain != nil {
		some = *plain
	}
	for attempt := 1; ; attempt++ {
		err := w.transact(some, jobs)
		switch {
		case err == nil:
			return nil
		case violates(err, "log_predictions") && len(some) > 0:
			kept, rerr := w.refuse(some)
			if rerr != nil || len(kept) == len(some) {
				return errors.Join(err, rerr)
			}
			some, *plain = kept, kept
			if len(some)+len(jobs) == 0 {
				return nil
			}
		case attempt >= maxTries || !transient(err):
			return err
		}
		time.Sleep(rand.N(retryPause * time.Duration(attempt)))
	}
}

// refuse leaves out records of predictions that the log has, or that are there twice.
func (w *writer) refuse(some []queued) ([]queued, error) {
	ctx, cancel := context.WithTimeout(context.Background(), batchTimeout)
	defer cancel()
	ids := make([][16]byte, 0, len(some))
	for i := range some {
		if some[i].prediction.Valid {
			ids = append(ids, some[i].prediction.Bytes)
		}
	}
	known := map[[16]byte]bool{}
	err := each(ctx, w.store.pool, `SELECT prediction_id FROM log WHERE prediction_id = ANY($1)`, []any{ids}, func(row scanner) error {
		var id [16]byte
		err := row.Scan(&id)
		known[id] = true
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for records: %w", err)
	}
	kept := make([]queued, 0, len(some))
	for _, r := range some {
		if r.prediction.Valid && known[r.prediction.Bytes] {
			w.refused.Add(1)
			w.queue.settle(1)
			w.store.log.Error("postgres: a queued record is refused",
				slog.Any("error", fmt.Errorf("prediction %s: %w", uuid.UUID(r.prediction.Bytes), errRecorded)))
			continue
		}
		if r.prediction.Valid {
			known[r.prediction.Bytes] = true
		}
		kept = append(kept, r)
	}
	return kept, nil
}

// batch is the transaction under way, as jobs see it. Its methods are for the writer's goroutine only, while run runs.
//
// Statements whose result nobody needs are kept, and sent together with the next that somebody needs: a job costs as many
// questions to the server as it reads, not as many as it writes.
type batch struct {
	ctx  context.Context
	w    *writer
	now  time.Time
	part // what jobs have added so far

	// number of the commit in the writer's row.
	number int64
	// sent is how many of all statements that change something have been.
	sent int
	// locked keys of certificates.
	locked map[string]bool
}

// part is what can be taken back as long as it isn't sent.
type part struct {
	// chain is where the log will end if this is committed; entries come with the commit.
	chain   audit.Chain
	entries []entry
	counts  []decision
	// queued is how many statements that change something there have been; statements are those not sent yet.
	queued     int
	statements []statement
	// finals are the items whose answers are appended to the feed, each with its answer; certified: what some certificate licenses has changed.
	finals    [][16]byte
	answers   [][]byte
	certified bool
	// moved: something in the queue has changed; ofLimits: the history of some limit goes on.
	moved, ofLimits bool
	// predictions counts records of predictions.
	predictions uint64
}

type statement struct {
	query string
	args  []any
}

// dirty: there is something to commit.
func (p *part) dirty() bool { return p.queued > 0 || len(p.entries) > 0 }

// transact is one attempt of try.
func (w *writer) transact(plain []queued, jobs []*job) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), batchTimeout)
	defer cancel()
	if err := w.ready(ctx, plain, jobs); err != nil {
		return err
	}
	b, err := w.begin(ctx, jobs)
	if err != nil {
		return w.rollback(ctx, err)
	}
	for i := range plain {
		if err := b.record(&plain[i].record); err != nil {
			return w.rollback(ctx, err)
		}
	}
	results := make([]error, len(jobs))
	for i, j := range jobs {
		before := b.part
		results[i] = j.run(b)
		if err := b.survives(results[i], before, len(plain)+len(jobs) == 1); err != nil {
			return w.rollback(ctx, err)
		}
	}
	if !b.dirty() {
		if err := w.rollback(ctx, nil); err != nil {
			return err
		}
	} else if err := b.seal(); err != nil {
		return err
	}
	// Before the callers go on: one who has waited for what was queued finds nothing queued.
	w.queue.settle(len(plain))
	for i, j := range jobs {
		j.finish(results[i])
	}
	return nil
}

// survives takes back what a failed job did, if it can, and answers the error that ends the transaction otherwise.
func (b *batch) survives(result error, before part, alone bool) error {
	switch {
	case result == nil:
		return nil
	case code(result) != "", lost(result), b.w.conn == nil:
		return result
	case b.sent <= before.queued:
		// Of what is kept now, statements before it may have been sent meanwhile.
		unsent := before.queued - b.sent
		kept := b.statements[:unsent:unsent]
		b.part = before
		b.statements = kept
		return nil
	case alone:
		return result
	}
	return fmt.Errorf("%w: %w", errCompany, result)
}

// later runs a statement that changes something, at the latest with the commit. An error of it ends the transaction.
func (b *batch) later(query string, args ...any) {
	b.statements = append(b.statements, statement{query, args})
	b.queued++
}

// change runs a statement that changes something, now, and calls each for every row that it answers.
func (b *batch) change(query string, args []any, each func(scanner) error) error {
	b.queued++
	err := b.query(query, args, each)
	b.sent++
	return err
}

// count is change of a statement that answers a row for each that it has changed, and answers how many.
func (b *batch) count(query string, args ...any) (n int64, err error) {
	err = b.change(query, args, func(scanner) error {
		n++
		return nil
	})
	return n, err
}

// query calls each for every row, and sees all that the transaction has changed before.
func (b *batch) query(query string, args []any, each func(scanner) error) error {
	return b.ask(question{query, args, each})
}

// ask asks several questions together, which see all that the transaction has changed before.
func (b *batch) ask(questions ...question) error {
	p := &pgx.Batch{}
	n := b.pack(p)
	queue(p, questions)
	results := b.w.conn.SendBatch(b.ctx, p)
	err := answer(results, n, questions)
	if cerr := results.Close(); err == nil {
		err = cerr
	}
	return b.w.checked(err)
}

// queryRow scans the one row of a query; pgx.ErrNoRows: there is none.
func (b *batch) queryRow(query string, args []any, into ...any) error {
	found := false
	err := b.query(query, args, func(row scanner) error {
		found = true
		return row.Scan(into...)
	})
	if err == nil && !found {
		return pgx.ErrNoRows
	}
	return err
}

// pack moves what is kept into p, and answers how many statements that is.
func (b *batch) pack(p *pgx.Batch) int {
	for _, st := range b.statements {
		p.Queue(st.query, acceptable(st.args)...)
	}
	n := len(b.statements)
	b.sent += n
	b.statements = nil
	return n
}

// drain reads the answers to n statements that nobody needs but for their errors.
func drain(results pgx.BatchResults, n int) error {
	for range n {
		if _, err := results.Exec(); err != nil {
			return err
		}
	}
	return nil
}

// complete says whether every record that was queued before is in the batch. Errors: errBehind.
func (b *batch) complete() error { return b.w.behind }
