package limits

import (
	"slices"
	"time"
)

// driftShare bounds how much two clocks differ in their rates: by one part in so many. Clocks of machines keep 1 in 10,000,
// and what sets them right by slewing another 1 in 2,000.
const driftShare = 1024

// stretched is the most that another clock may show of a span.
func stretched(d time.Duration) time.Duration { return d + d/driftShare }

// agreed is how much the clocks of the server and of gateways may differ in what has passed, without one of them having been set.
const agreed = WallsAgree

// WallsAgree is how far the wall clocks of gateways that share a store may be apart without any effect.
const WallsAgree = 100 * time.Millisecond

// Readings are the clocks at a decision: Server's, read with the lock, between two readings of the process's clock with its monotonic part,
// Before it was asked for and After it was answered; and the Wall clock alone as it was then, in whole microseconds. Walls is what the
// process knows of those of others, and Limit whose account it is.
type Readings struct {
	Server, Before, After, Wall time.Time
	Walls                       *Walls
	Limit                       string
}

// Read is the server's clock between two readings of the clock of the process that asks.
func (r *LeaseRequest) Read(server, before, after time.Time) Readings {
	return Readings{Server: server, Before: before, After: after, Wall: after.Round(0).Truncate(time.Microsecond), Walls: r.Walls, Limit: r.Limit}
}

// Slow says whether they are so far apart that a store reads its clock again, now that it has the lock: perhaps it waited for that.
func (r Readings) Slow() bool { return r.After.Sub(r.Before) > agreed }

// Tick answers the limit's time: the server's clock, corrected so that it neither goes back nor jumps. What has passed since the gateway
// asked last, it knows by its monotonic clock: if the server's says less, it was set back, and if more, forward. A gateway that asks for
// the first time, or has had slow answers only, or asked long ago, goes by what several clocks say; see meet.
func (a *Account) Tick(at Readings, seen Sighting) time.Time {
	raw := at.Server.Add(a.Shift)
	now, behind := raw, raw.Before(a.Clock)
	since := span{limit: at.Limit, other: a.By, wall: a.Wall, passed: raw.Sub(a.Clock)}
	name := at.Walls.name(at)
	var latest time.Time
	// then is what the limit's time was when the server's clock was read, which Shift goes by: a process that was stopped before it read its
	// own would have the server's set back otherwise, and the limit's time go on too fast for who asks next.
	then := now
	by, told := seen.bounds(a, at)
	switch {
	case told && (by.drift <= steady || a.Wall.IsZero()):
		latest = by.latest
		switch {
		case now.Before(by.earliest):
			// What the answer took on its way back isn't a step.
			if then.Before(by.sure) {
				then, behind = by.sure, true
			}
			now = by.earliest
		case now.After(latest.Add(by.drift)):
			// It was set forward. latest may be ahead of what has passed, by as long as the answer took then, and leases would leave the
			// window that much too early.
			now, then, behind = by.earliest, by.sure, true
		case now.After(latest):
			now, then = latest, latest
		}
		since.passed, since.sighted = now.Sub(a.Clock), true
	case !a.Wall.IsZero():
		clocks := []time.Duration{now.Sub(a.Clock), at.Wall.Add(-at.Walls.behind(a.By, at)).Sub(a.Wall)}
		if told {
			clocks = append(clocks, by.within(now).Sub(a.Clock))
		}
		now = a.meet(now, clocks...)
		then = now
	}
	at.Walls.learn(since, at)
	if now.Before(a.Clock) {
		now = a.Clock
	}
	if then.Before(a.Clock) {
		then = a.Clock
	}
	if behind && now.Before(latest) {
		a.Lost += latest.Sub(now)
	}
	a.Clock, a.Shift, a.Wall, a.By = now, then.Sub(at.Server), at.Wall, name
	return now
}

// Sight is what the gateway knows afterwards that asked at now, which Tick has answered to the readings.
func (a *Account) Sight(at Readings, now time.Time) Sighting {
	return Sighting{Now: now, Lost: a.Lost, Born: a.Born, Asked: at.Before, Answered: at.After, Wall: at.Wall}
}

// bounds are what a sighting says of the limit's time when the process's clock was read: earliest and latest after, and sure, the earliest before.
// drift is how far the rates of clocks may make it wrong.
type bounds struct {
	earliest, sure, latest time.Time
	drift                  time.Duration
}

// within answers now where it is inside of the bounds, and the least that is sure where it isn't.
func (b *bounds) within(now time.Time) time.Time {
	if now.Before(b.earliest) || now.After(b.latest.Add(b.drift)) {
		return b.earliest
	}
	return now
}

// bounds answers nothing where nothing is known by the sighting of an account. What an answer was about that took long lies so long back that a
// clock may have been set meanwhile; but where nothing else is known, it is still that. A monotonic clock stands still while its machine
// is suspended, and its wall clock says so.
func (s Sighting) bounds(a *Account, at Readings) (b bounds, told bool) {
	if s.Now.IsZero() || !s.Born.Equal(a.Born) {
		return b, false
	}
	ago := at.After.Sub(s.Answered)
	slept := !s.Wall.IsZero() && at.Wall.Sub(s.Wall)-stretched(ago) > steady
	if !a.Wall.IsZero() && (s.Answered.Sub(s.Asked) > agreed || slept) {
		return b, false
	}
	// What was lost since stays lost: others have leased by the slower time.
	known := s.Now.Add(s.Lost - a.Lost)
	least := func(ago time.Duration) time.Time { return floorTime(known.Add(ago - ago/driftShare).UnixNano()) }
	return bounds{
		earliest: least(ago), sure: least(at.Before.Sub(s.Answered)), latest: floorTime(known.Add(at.After.Sub(s.Asked)).UnixNano()),
		drift: ago / driftShare,
	}, true
}

// meet is for a gateway that doesn't know what has passed. Several clocks say it: the server's, by which it is now; the wall clocks of two gateways,
// this one and the one that asked last, less what they are known to be apart; and its own, where it asked long ago. Where they differ, one was set,
// or is slower than the others; or more than one was set, where they have gone back. As long as one is right, as much has passed as they say, or
// something between; the least of it is certain, and is what the limit's time goes on by. Born changes: who knows of more that has passed must
// go on by the slower time, too, or what is leased by it would leave the window too early.
func (a *Account) meet(now time.Time, clocks ...time.Duration) time.Time {
	least, most := slices.Min(clocks), slices.Max(clocks)
	if most-least <= agreed && least >= -agreed {
		return now
	}
	least, most = max(0, least), max(0, most)
	a.Lost += min(most-least, mostLost)
	a.Born = a.Born.Add(time.Microsecond)
	return a.Clock.Add(least)
}
