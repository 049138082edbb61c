package gateway

import (
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/candor-gateway/candor/limits"
)

// onTrip is told of every trip and stop once it is durable. The log and the metric are told here; receivers by the work on alerts,
// which the stored alert makes sure of over a restart.
func (g *Gateway) onTrip(t limits.Trip) {
	if t.By != "" {
		g.log.Error("stopped by a person", slog.String("limit", t.Limit), slog.String("by", t.By), slog.String("reason", t.Reason), slog.String("alert_id", t.ID))
	} else {
		g.metrics.limitTrips.WithLabelValues(limitOf(t.Limit)).Inc()
		g.log.Error("action limit tripped", g.tripAttributes(t)...)
	}
	g.wakeAlerts()
}

// wakeAlerts makes the work on alerts look at once.
func (g *Gateway) wakeAlerts() {
	select {
	case g.tripped <- struct{}{}:
	default:
		// It is awake or about to be.
	}
}

// onLimitOverflow is told that keys of a limit share one, because there are as many as it may have.
func (g *Gateway) onLimitOverflow(limit string, answers int64) {
	g.log.Warn("a limit has as many keys as it may have; further ones share one limit", slog.String("limit", limit), slog.Int64("answers", answers),
		slog.String("remedy", "raise limits."+limit+".key.max_keys, or take a key that has fewer values"))
}

// onWalls is told how far the wall clock of another gateway is behind this one's.
func (g *Gateway) onWalls(behind time.Duration) {
	if behind.Abs() <= limits.WallsAgree {
		g.log.Info("the wall clock of another gateway agrees with this one's again")
		return
	}
	g.log.Warn("the wall clock of another gateway is apart from this one's; a start of either may make releases of limits count longer",
		slog.Duration("behind", behind), slog.String("remedy", "keep the clocks of both machines right (NTP)"))
}

// onVoided is told that what gateways knew of a limit's time was void, so often since it was told last.
func (g *Gateway) onVoided(limit string, times int64) {
	g.log.Warn("clocks don't agree: what gateways knew of a limit's time is void, and its releases may count longer", slog.String("limit", limit),
		slog.Int64("times", times), slog.String("remedy", "keep the clocks of the database's machine and of the gateways' right (NTP), and don't set them by hand"))
}

// onLimitStoreError is told of answers that a limit could not ask its store about.
func (g *Gateway) onLimitStoreError(limit string, err error) {
	g.metrics.limitStoreErrors.WithLabelValues(limitOf(limit)).Inc()
	g.log.Warn("a limit's store did not answer; its answers are withheld", slog.String("limit", limit), slog.Any("error", err))
}

const (
	// alertTimeout bounds one delivery where the configuration says nothing else.
	alertTimeout = 5 * time.Second
	// alertMargin beyond an attempt's timeout is for storing what came of it.
	alertMargin = 10 * time.Second
	// An attempt that fails is made again after this, doubling up to the maximum, without end: an alert isn't given up.
	minAlertWait = 5 * time.Second
	maxAlertWait = 5 * time.Minute
	// alertJitter spreads what failed together, as a share of the wait.
	alertJitter = 0.1
)

// alertWait is how long to wait after the nth attempt (from 1) has failed. A receiver may ask for more.
func alertWait(attempt int, retryAfter time.Duration) time.Duration {
	d := maxAlertWait
	if doublings := attempt - 1; doublings < 6 {
		d = minAlertWait << max(doublings, 0)
	}
	d += time.Duration(alertJitter * rand.Float64() * float64(d))
	return max(d, min(retryAfter, time.Hour))
}

// errand is a message that is due.
type errand struct {
	receiver receiver
	resolved bool
}

// errands of an alert at now, when the next becomes due (zero: none is to be expected), and whether all has been told.
//
// A receiver is told of the trip when its time comes and nobody has acknowledged it by then; the first always, even if the trip was
// reset before. Who was told of the trip is told of the reset, in this order.
func errands(a limits.Alert, receivers []receiver, now time.Time) (due []errand, next time.Time, done bool) {
	sooner := func(at time.Time) {
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	done = !a.Latched
	for _, r := range receivers {
		from := a.Trip.At.Add(r.after)
		over := !a.Ack.At.IsZero() && a.Ack.At.Before(from) || !a.Latched && a.Reset.At.Before(from)
		tripped, told := messageOf(a, r.name, false)
		switch {
		case r.after > 0 && over && !told:
			continue
		case now.Before(from) && !told:
			sooner(from)
			continue
		case !told || !tripped.Due.IsZero() && (tripped.Delivered.IsZero() || a.Latched):
			if tripped.Delivered.IsZero() {
				done = false
			}
			if now.Before(tripped.Due) {
				sooner(tripped.Due)
			} else {
				due = append(due, errand{r, false})
			}
		}
		if a.Latched || tripped.Delivered.IsZero() {
			continue
		}
		reset, _ := messageOf(a, r.name, true)
		if !reset.Delivered.IsZero() {
			continue
		}
		done = false
		from = reset.Due
		if r.alertmanager > 0 && tripped.Due.After(from) && tripped.Due.Sub(now) <= r.target.Timeout+alertMargin {
			// It may be told at this moment that the trip holds, and would go by that if it heard it last.
			from = tripped.Due
		}
		if now.Before(from) {
			sooner(from)
		} else {
			due = append(due, errand{r, true})
		}
	}
	return due, next, done
}

// messageOf answers what became of a message; told is false when no attempt was made.
func messageOf(a limits.Alert, receiver string, resolved bool) (m limits.AlertMessage, told bool) {
	i := slices.IndexFunc(a.Messages, func(m limits.AlertMessage) bool { return m.Receiver == receiver && m.Resolved == resolved })
	if i < 0 {
		return limits.AlertMessage{}, false
	}
	return a.Messages[i], true
}
