package limits

import "time"

// driftShare bounds how much two clocks differ in their rates: by one part in so many. Clocks of machines keep 1 in 10,000,
// and what sets them right by slewing another 1 in 2,000.
const driftShare = 1024

// stretched is the most that another clock may show of a span.
func stretched(d time.Duration) time.Duration { return d + d/driftShare }

// agreed is how much the clocks of the server and of gateways may differ in what has passed, without one of them having been set.
const agreed = 100 * time.Millisecond

// Readings are the clocks at a decision: Server's, read under the lock, and, read after it, the process's: as it is, with its monotonic part,
// and the Wall clock alone, in whole microseconds.
type Readings struct{ Server, Process, Wall time.Time }

// Read is the server's clock beside the process's.
func Read(server, process time.Time) Readings {
	return Readings{Server: server, Process: process, Wall: process.Round(0).Truncate(time.Microsecond)}
}

// Tick answers the limit's time: the server's clock, corrected so that it neither goes back nor jumps. What has passed since the gateway
// asked last, it knows by its monotonic clock: if the server's says less, it was set back, and if more, forward. A gateway that asks for
// the first time, or has had slow answers only, goes by what several clocks say; see meet.
func (a *Account) Tick(at Readings, seen Sighting) time.Time {
	now := at.Server.Add(a.Shift)
	behind := now.Before(a.Clock)
	var latest time.Time
	switch {
	case seen.tells(a.Born, a.Wall.IsZero()):
		// What was lost since stays lost: others have leased by the slower time.
		since := seen.Now.Add(seen.Lost - a.Lost)
		passed := at.Process.Sub(seen.Answered)
		earliest := floorTime(since.Add(passed - passed/driftShare).UnixNano())
		latest = floorTime(since.Add(at.Process.Sub(seen.Asked)).UnixNano())
		switch {
		case now.Before(earliest):
			now, behind = earliest, true
		case now.After(latest.Add(passed / driftShare)):
			// It was set forward. latest may be ahead of what has passed, by as long as the answer took then, and leases would leave the
			// window that much too early.
			now, behind = earliest, true
		case now.After(latest):
			now = latest
		}
	case !a.Wall.IsZero():
		now = a.meet(now, at.Wall)
	}
	if now.Before(a.Clock) {
		now = a.Clock
	}
	if behind && now.Before(latest) {
		a.Lost += latest.Sub(now)
	}
	a.Clock, a.Shift, a.Wall = now, now.Sub(at.Server), at.Wall
	return now
}

// tells says whether something is known by it of an account that was born then. What an answer was about that took long lies so long back that
// a clock may have been set meanwhile; but where nothing else is known, it is still that.
func (s Sighting) tells(born time.Time, alone bool) bool {
	return !s.Now.IsZero() && s.Born.Equal(born) && (alone || s.Answered.Sub(s.Asked) <= agreed)
}

// meet is for a gateway that knows nothing of what has passed. Two clocks do: now is by the server's, and
// wall by those of two gateways, this one and the one that asked last. Where they differ, one was set. As long as the other was right, as much
// has passed as they say, or something between; the least of it is certain, and is what the limit's time goes on by. Born changes: who
// knows of more that has passed must go on by the slower time, too, or what is leased by it would leave the window too early.
func (a *Account) meet(now, wall time.Time) time.Time {
	byServer, byWall := now.Sub(a.Clock), wall.Sub(a.Wall)
	if (byServer - byWall).Abs() <= agreed {
		return now
	}
	least, most := max(0, min(byServer, byWall)), max(0, byServer, byWall)
	a.Lost += most - least
	a.Born = a.Born.Add(time.Microsecond)
	return a.Clock.Add(least)
}
