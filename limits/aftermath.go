package limits

import (
	"fmt"
	"time"
)

// whole is a share of all, in parts per million.
const whole = 1_000_000

// Aftermath says what it takes to release a limit's latch, and what holds then. The zero Aftermath is a reset by one person, after
// which all of the limit holds.
type Aftermath struct {
	// People that a reset takes: 2, or one for all other values.
	People int
	// Expires is how long a reset that one of two has asked for can be confirmed. Above 0 where People is 2.
	Expires time.Duration
	// SharePPM of the limit holds for For after a reset, parts per million; 0 and 1,000,000: all of it does.
	SharePPM uint32
	For      time.Duration
}

func (a Aftermath) validate(limit string) error {
	switch {
	case a.People == 2 && a.Expires <= 0:
		return fmt.Errorf("limits: %s: a reset by two people expires after %v: choose a span above 0", limit, a.Expires)
	case a.SharePPM > whole:
		return fmt.Errorf("limits: %s: %d millionths of the limit are more than all of it", limit, a.SharePPM)
	case a.SharePPM > 0 && a.SharePPM < whole && a.For <= 0:
		return fmt.Errorf("limits: %s: probation for %v: choose a span above 0", limit, a.For)
	}
	return nil
}

// probation that begins with a reset at a moment.
func (a Aftermath) probation(at time.Time) Probation {
	if a.SharePPM == 0 || a.SharePPM == whole {
		return Probation{}
	}
	return Probation{SharePPM: a.SharePPM, Until: ceilTime(at.Add(a.For).UnixNano())}
}

// holds says whether it is still on at t.
func (p *Probation) holds(t int64) bool { return p.SharePPM > 0 && t < p.Until.UnixNano() }

// bound is what holds at t: all of the limit, or in probation its share, and no less than 1. l.mu is held.
func (l *limit) bound(t int64) int64 {
	if l.def.Ratio != nil {
		return l.ratioBound(t)
	}
	p := &l.latch.lastReset.Probation
	if !p.holds(t) {
		return l.def.MaxCount
	}
	return max(1, shareOf(l.def.MaxCount, int64(p.SharePPM)))
}

// shareOf answers ppm millionths of n, rounded down, for n up to 1e15.
func shareOf(n, ppm int64) int64 { return n/whole*ppm + n%whole*ppm/whole }

// room is when the window has room for another release under the bound; zero: at t. l.mu is held.
func (l *limit) room(t int64) time.Time {
	bound := l.bound(t)
	if l.shared {
		if l.leases.used < bound {
			return time.Time{}
		}
		return ceilTime(t + int64(l.def.Window)) // at the latest; the store knows the rest
	}
	edge := t - int64(l.def.Window)
	used := l.released.after(edge)
	if used < bound {
		return time.Time{}
	}
	return ceilTime(l.released.last(edge, used-bound+1) + int64(l.def.Window))
}

// aftermath of a limit that is configured, or of a stop: as the strictest of the limits that it covers asks. What isn't configured
// any more is reset by one person.
func (g *Gate) aftermath(name string) Aftermath {
	limits := g.roster.Load()
	l := limits.configured(name)
	if l == nil {
		l = limits.keyed(name)
	}
	if l != nil {
		return l.def.After
	}
	var a Aftermath
	for _, l := range g.coveredBy(name) {
		after := l.def.After
		if after.People == 2 && (a.People != 2 || after.Expires < a.Expires) {
			a.People, a.Expires = 2, after.Expires
		}
	}
	return a
}

// People is how many a reset of the limit or the stop takes, 1 or 2.
func (g *Gate) People(name string) int { return max(1, min(2, g.aftermath(name).People)) }
