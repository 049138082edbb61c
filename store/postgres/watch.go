package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// channel carries "FEED POSITION" from the transaction that appends to a feed to every open store, and "moved WRITER" after
// changes of the queue, and "limits" from the transaction in which a limit is latched, or something is done about it.
const channel = "candor"

// Names of feeds, as in their table.
const (
	finalsFeed       = "finals"
	certificatesFeed = "certificates"
	movedFeed        = "moved"
	limitsFeed       = "limits"
)

const (
	// pollEvery is how late a change is seen at worst: a notification is lost with the connection that it should have come by,
	// and a pooler between us and the server may swallow all of them.
	pollEvery = 2 * time.Second
	// tellEvery is how often other gateways are told that the queue has changed.
	tellEvery = 50 * time.Millisecond
	// measureEvery keeps the estimate of the server's clock fresh.
	measureEvery = 30 * time.Second
	// A connection that breaks is made again after this, doubling up to the maximum.
	minReconnect = 100 * time.Millisecond
	maxReconnect = 5 * time.Second
	// tokenAge is how long a commit's token is kept: far longer than anybody asks for it. So many are removed by one statement: all that gathered
	// while no gateway ran would take longer than a statement may.
	tokenAge   = "1 day"
	tokenBatch = 5000
	// sweepFor bounds one turn of removing tokens: notifications wait meanwhile.
	sweepFor = time.Second
)

// watch is the goroutine that hears of other gateways' commits, and does what has to be done from time to time.
type watch struct {
	store  *Store
	cancel context.CancelFunc
	wait   sync.WaitGroup
	last   time.Time   // clock last measured
	seen   historyEnds // the last time
}

// startWatch knows what was there before: whoever waits from now on is woken by what comes after.
func startWatch(ctx context.Context, s *Store) (*watch, error) {
	w := &watch{store: s, last: time.Now()}
	var err error
	if w.seen, _, err = readEnds(ctx, s.pool, historyEnds{}); err != nil {
		return nil, err
	}
	for _, f := range [...]struct {
		name string
		feed *feed
	}{{finalsFeed, &s.finals}, {certificatesFeed, &s.certified}} {
		if err := s.pool.QueryRow(ctx, `SELECT position FROM feeds WHERE name = $1`, f.name).Scan(&f.feed.position); err != nil {
			return nil, fmt.Errorf("read the feed of %s: %w", f.name, err)
		}
	}
	ctx, w.cancel = context.WithCancel(context.WithoutCancel(ctx))
	w.wait.Go(func() { s.guard.Lasting(ctx, "postgres: listening to other gateways", func() { w.loop(ctx) }) })
	w.wait.Go(func() { s.guard.Lasting(ctx, "postgres: telling other gateways", func() { w.tell(ctx) }) })
	return w, nil
}

func (w *watch) stop() {
	w.cancel()
	w.wait.Wait()
}

// tell passes on that this store has changed the queue. Not in the transactions that do: one that notifies holds a lock of the
// whole server's until it is on disk, and claims would wait for one another. What gets lost is found by polling.
func (w *watch) tell(ctx context.Context) {
	for {
		select {
		case <-w.store.queue.tell:
		case <-ctx.Done():
			return
		}
		_, _ = w.store.pool.Exec(ctx, `SELECT pg_notify($1, $2)`, channel, movedFeed+" "+w.store.writer.name)
		select {
		case <-time.After(tellEvery):
		case <-ctx.Done():
			return
		}
	}
}

func (w *watch) loop(ctx context.Context) {
	wait := minReconnect
	for ctx.Err() == nil {
		began := time.Now()
		err := w.listen(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > maxReconnect {
			wait = minReconnect
		}
		w.store.log.Warn("postgres: the connection that listens broke; connecting again", slog.Any("error", err))
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
		wait = min(2*wait, maxReconnect)
	}
}

// listen hears notifications on one connection until it breaks.
func (w *watch) listen(ctx context.Context) error {
	conn, err := w.store.db.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it is broken, or we are done
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return err
	}
	for {
		if err := w.poll(ctx, conn); err != nil {
			return err
		}
		if err := w.hear(ctx, conn); err != nil {
			return err
		}
	}
}

// hear passes on notifications until pollEvery is over.
func (w *watch) hear(ctx context.Context, conn *pgx.Conn) error {
	until, cancel := context.WithTimeout(ctx, pollEvery)
	defer cancel()
	for {
		n, err := conn.WaitForNotification(until)
		if err != nil {
			if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
				return nil
			}
			return err
		}
		name, position, _ := strings.Cut(n.Payload, " ")
		if name == movedFeed {
			if position != w.store.writer.name {
				w.store.queue.wake()
			}
			continue
		}
		if name == limitsFeed {
			w.store.latches.wake()
			continue
		}
		if at, err := strconv.ParseInt(position, 10, 64); err == nil {
			w.store.reached(name, at)
		}
	}
}

// poll asks for what a notification would have said.
func (w *watch) poll(ctx context.Context, conn *pgx.Conn) error {
	err := each(ctx, conn, `SELECT name, position FROM feeds`, nil, func(row scanner) error {
		var name string
		var position int64
		if err := row.Scan(&name, &position); err != nil {
			return err
		}
		w.store.reached(name, position)
		return nil
	})
	if err == nil {
		err = w.pollEnds(ctx, conn)
	}
	if err != nil || time.Since(w.last) < measureEvery {
		return err
	}
	w.last = time.Now()
	if err := w.store.clock.measure(ctx, conn); err != nil {
		return err
	}
	return sweepTokens(ctx, conn)
}

// sweepTokens removes tokens that nobody asks for any more; what it has no time for comes next time.
func sweepTokens(ctx context.Context, conn *pgx.Conn) error {
	for began := time.Now(); time.Since(began) < sweepFor; {
		tag, err := conn.Exec(ctx, `DELETE FROM commit_tokens WHERE token IN (
			SELECT token FROM commit_tokens WHERE created_at < clock_timestamp() - $1::text::interval LIMIT $2 FOR UPDATE SKIP LOCKED)`, tokenAge, tokenBatch)
		if err != nil || tag.RowsAffected() < tokenBatch {
			return err
		}
	}
	return nil
}

// historyEnds are where histories end: nearly every change of the queue leaves an entry in its own, and every one of a latch in that of limits.
type historyEnds struct{ queue, limits historyEnd }

// historyEnd is a history's last position, and how many of the lateness positions up to it have an entry. Positions are given before their
// commits, so that entries below the last may still appear.
type historyEnd struct{ last, entries int64 }

// lateness is how far below the last position of a history an entry may still appear: that many entries are made while one commit is on its way.
const lateness = 1000

func (w *watch) pollEnds(ctx context.Context, conn *pgx.Conn) error {
	now, then, err := readEnds(ctx, conn, w.seen)
	if err != nil {
		return err
	}
	if now.queue.last != w.seen.queue.last || then.queue != w.seen.queue {
		w.store.queue.wake()
	}
	if now.limits.last != w.seen.limits.last || then.limits != w.seen.limits {
		w.store.latches.wake()
	}
	w.seen = now
	return nil
}

// endOf answers the last position of a history, how many entries the lateness positions up to it have, and those up to an earlier one, $1 or $2.
func endOf(history, earlier string) string {
	entries := func(last string) string {
		return fmt.Sprintf(`(SELECT count(*) FROM %s WHERE position > %s - %d AND position <= %[2]s)`, history, last, lateness)
	}
	return fmt.Sprintf(`SELECT last, %s, %s FROM (SELECT coalesce(max(position), 0) AS last FROM %s) AS ends`,
		entries("last"), entries(earlier+"::bigint"), history)
}

var historiesEnd = `SELECT * FROM (` + endOf("review_events", "$1") + `) AS queue, (` + endOf("limit_events", "$2") + `) AS limits`

// readEnds answers the ends of now, and what there is by now up to the earlier ones.
func readEnds(ctx context.Context, on querier, earlier historyEnds) (now, then historyEnds, err error) {
	then.queue.last, then.limits.last = earlier.queue.last, earlier.limits.last
	err = on.QueryRow(ctx, historiesEnd, then.queue.last, then.limits.last).
		Scan(&now.queue.last, &now.queue.entries, &then.queue.entries, &now.limits.last, &now.limits.entries, &then.limits.entries)
	if err != nil {
		err = fmt.Errorf("read the ends of the histories of the queue and of limits: %w", err)
	}
	return now, then, err
}

// reached passes on that a feed has a position.
func (s *Store) reached(feed string, position int64) {
	switch feed {
	case finalsFeed:
		s.finals.reached(position)
	case certificatesFeed:
		s.certified.reached(position)
	}
}
