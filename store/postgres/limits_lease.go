package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/candor-gateway/candor/limits"
)

// Shared is true: gateways share the database.
func (s *Store) Shared() bool { return true }

// Load answers every limit's leases, latch and last reset; see limits.Store.
func (s *Store) Load(ctx context.Context) (map[string]limits.State, error) {
	return s.limitStates(ctx, true)
}

// Latched answers every limit's latch, last reset and used permits; see limits.Store.
func (s *Store) Latched(ctx context.Context) (map[string]limits.State, error) {
	return s.limitStates(ctx, false)
}

// limitUse counts the permits in the window of each limit that has no key. Of the leases in it only those that have left it are looked at.
const limitUse = `SELECT a.limit_name, a.permits - coalesce((SELECT sum(l.permits) FROM limit_leases l WHERE l.limit_name = a.limit_name
	AND l.until_us <= (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + a.shift_us - a.window_ns / 1000), 0)::bigint
	FROM limit_accounts a WHERE strpos(a.limit_name, '/') = 0`

func (s *Store) limitStates(ctx context.Context, leases bool) (map[string]limits.State, error) {
	const doing = "postgres: load the action limits"
	out := map[string]limits.State{}
	// One snapshot, or a latch could be seen without its leases.
	err := s.snapshot(ctx, func(read queryFunc) error {
		clear(out)
		var err error
		if leases {
			err = errors.Join(read(`SELECT limit_name, clock_us FROM limit_accounts WHERE strpos(limit_name, '/') > 0`, nil, func(row scanner) error {
				var name string
				var clock int64
				err := row.Scan(&name, &clock)
				out[name] = limits.State{Asked: instant(clock)}
				return err
			}), read(`SELECT limit_name, id, permits, from_us, until_us FROM limit_leases ORDER BY limit_name, id`, nil, func(row scanner) error {
				l, err := scanLease(row)
				st := out[l.Limit]
				st.Leases = append(st.Leases, l)
				out[l.Limit] = st
				return err
			}))
		}
		return errors.Join(
			err,
			read(limitUse, nil, func(row scanner) error {
				var name string
				var used int64
				err := row.Scan(&name, &used)
				st := out[name]
				st.Used = used
				out[name] = st
				return err
			}),
			readLatches(read, out),
		)
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return out, nil
}

func scanLease(row scanner) (limits.Lease, error) {
	var l limits.Lease
	var from, until int64
	err := row.Scan(&l.Limit, &l.ID, &l.Count, &from, &until)
	l.From, l.Until = instant(from), instant(until)
	return l, err
}

// Lease settles and grants, of all gateways one after the other; see limits.Store and limits.Account.
func (s *Store) Lease(ctx context.Context, r limits.LeaseRequest) (limits.Grant, error) {
	const doing = "postgres: lease permits"
	if err := r.Check(); err != nil {
		return limits.Grant{}, fmt.Errorf("%s: %w", doing, err)
	}
	var g limits.Grant
	err := s.directly(ctx, doing, func(d *direct) error {
		g = limits.Grant{} // there may have been an attempt before
		d.later(`SET LOCAL idle_in_transaction_session_timeout = '` + grantIdleTimeout + `'`)
		a, at, latched, err := lockAccount(d, &r)
		switch {
		case r.Retire && errors.Is(err, pgx.ErrNoRows):
			return nil
		case err != nil:
			return fmt.Errorf("lock the account of %s: %w", r.Limit, err)
		}
		born := a.Born
		now, rows, weighed := a.Tick(at, r.Seen), leaseRows{d, r.Limit}, r
		others, err := a.Weigh(rows, &weighed, now, at.After)
		if err != nil {
			return err
		}
		if g, err = a.Decide(rows, weighed, now, latched); err != nil {
			return err
		}
		g.Max, g.Others, g.Seen, g.Voided = weighed.Max, others, a.Sight(at, now), !a.Born.Equal(born)
		if g.Stays = r.Retire && !a.Over(r, latched, others); r.Retire && !g.Stays {
			for _, table := range []string{"limit_accounts", "limit_tallies", "limit_reporters"} {
				d.later(`DELETE FROM `+table+` WHERE limit_name = $1`, r.Limit)
			}
			return nil
		}
		d.later(`UPDATE limit_accounts SET clock_us = $2, shift_us = $3, permits = $4, last_id = $5, window_ns = $6, window_us = $7, lost_us = $8,
			born_us = $9, wall_us = $10, wall_by_us = $10, wall_by = $11 WHERE limit_name = $1`, r.Limit, micros(a.Clock), a.Shift.Microseconds(), a.Permits, a.LastID,
			int64(a.Window), micros(a.WindowAt), a.Lost.Microseconds(), micros(a.Born), micros(a.Wall), a.By)
		if !latched {
			return nil
		}
		g.Tripped = true
		return d.query(`SELECT `+tripColumns+` FROM limit_trips WHERE id = (SELECT trip_id FROM limit_latches WHERE limit_name = $1)`,
			[]any{r.Limit}, func(row scanner) error {
				g.Trip, err = scanTrip(row)
				return err
			})
	})
	if err != nil {
		return limits.Grant{}, err
	}
	return g, nil
}

// account reads and locks a limit's account. A gateway of before wall_by writes wall_us alone.
const account = `SELECT born_us, clock_us, shift_us, wall_us, CASE WHEN wall_by_us = wall_us THEN wall_by ELSE '' END, lost_us, permits, last_id,
	window_ns, window_us FROM limit_accounts WHERE limit_name = $1 FOR UPDATE`

// underLock reads the clock, and whether the limit is latched, in a statement of its own: that of the lock sees what was committed before it
// waited, and a trip may have come since.
const underLock = `SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
	EXISTS (SELECT FROM limit_latches h JOIN limit_trips t ON t.id = h.trip_id WHERE h.limit_name = $1 AND NOT t.dry_run)`

// firstAccount is that of a limit whose leases, if there are any, come from before there were accounts. Whoever holds a lease of an
// account that was deleted settles it by its id: those of this one are above, because they begin with the time.
const firstAccount = `INSERT INTO limit_accounts (limit_name, born_us, clock_us, shift_us, lost_us, permits, last_id, window_ns, window_us)
	SELECT $1, now_us, coalesce(max(from_us), 0), 0, 0, coalesce(sum(permits), 0), greatest(max(id), now_us), 0, 0
	FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us) AS moment LEFT JOIN limit_leases ON limit_name = $1
	GROUP BY now_us ON CONFLICT (limit_name) DO NOTHING`

// lockAccount makes the account where there is none, or answers pgx.ErrNoRows to a gateway that retires. It asks for the clock again
// where that took long: it has waited for the lock, perhaps.
func lockAccount(d *direct, r *limits.LeaseRequest) (a limits.Account, at limits.Readings, latched bool, err error) {
	process := r.Clock
	if process == nil {
		process = time.Now
	}
	var born, clock, shift, wall, lost, window, windowAt, now int64
	var before time.Time
	moment := question{underLock, []any{r.Limit}, func(row scanner) error { return row.Scan(&now, &latched) }}
	read := func() error {
		before = process()
		found := false
		err := d.ask(question{account, []any{r.Limit}, func(row scanner) error {
			found = true
			return row.Scan(&born, &clock, &shift, &wall, &a.By, &lost, &a.Permits, &a.LastID, &window, &windowAt)
		}}, moment)
		if err == nil && !found {
			return pgx.ErrNoRows
		}
		return err
	}
	if err = read(); !r.Retire && errors.Is(err, pgx.ErrNoRows) {
		if _, err = d.exec(firstAccount, r.Limit); err == nil {
			err = read()
		}
	}
	at = r.Read(instant(now), before, process())
	if err == nil && at.Slow() {
		before = process()
		err = d.ask(moment)
		at = r.Read(instant(now), before, process())
	}
	a.Born = instant(born)
	a.Clock, a.Shift = instant(clock), time.Duration(shift)*time.Microsecond
	a.Wall = instant(wall)
	a.Lost = time.Duration(lost) * time.Microsecond
	a.Window, a.WindowAt = time.Duration(window), instant(windowAt)
	return a, at, latched, err
}

// leaseRows are a limit's leases, whose account the transaction has locked.
type leaseRows struct {
	d     *direct
	limit string
}

func (r leaseRows) Settle(l limits.Lease) (before int64, err error) {
	err = r.d.queryRow(`SELECT permits FROM limit_leases WHERE limit_name = $1 AND id = $2`, []any{r.limit, l.ID}, &before)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return 0, nil
	case err != nil:
		return 0, err
	case l.Count == 0:
		r.d.later(`DELETE FROM limit_leases WHERE limit_name = $1 AND id = $2`, r.limit, l.ID)
	default:
		r.d.later(`UPDATE limit_leases SET permits = $3, until_us = $4, settled = true WHERE limit_name = $1 AND id = $2`,
			r.limit, l.ID, l.Count, micros(l.Until))
	}
	return before, nil
}

func (r leaseRows) Forget(t time.Time) (permits int64, err error) {
	err = r.d.queryRow(`WITH gone AS (DELETE FROM limit_leases WHERE limit_name = $1 AND until_us <= $2 RETURNING permits)
		SELECT coalesce(sum(permits), 0)::bigint FROM gone`, []any{r.limit, micros(t)}, &permits)
	return permits, err
}

func (r leaseRows) After(t time.Time) (permits int64, err error) {
	err = r.d.queryRow(`SELECT coalesce(sum(permits), 0)::bigint FROM limit_leases WHERE limit_name = $1 AND until_us > $2`,
		[]any{r.limit, micros(t)}, &permits)
	return permits, err
}

func (r leaseRows) Pending(now time.Time) (permits int64, first time.Time, err error) {
	var us int64
	err = r.d.queryRow(`SELECT coalesce(sum(permits), 0)::bigint, coalesce(min(2 * until_us - from_us), 0) FROM limit_leases
		WHERE limit_name = $1 AND NOT settled AND until_us + (until_us - from_us) > $2`, []any{r.limit, micros(now)}, &permits, &us)
	return permits, instant(us), err
}

func (r leaseRows) Add(l limits.Lease) error {
	r.d.later(`INSERT INTO limit_leases (limit_name, id, permits, from_us, until_us) VALUES ($1, $2, $3, $4, $5)`,
		r.limit, l.ID, l.Count, micros(l.From), micros(l.Until))
	return nil
}
