package limits

import (
	"slices"
	"testing"
	"time"
)

// wallQuestion is asked so long after the one before, when the server's clock was set by as much in between, after one of another gateway that is
// behind by so much.
type wallQuestion struct {
	after, set, takes, behind time.Duration
	limit                     string
	rolledBack                bool // the one before was: the other hasn't asked again
	sighted                   bool
}

// TestWhatIsLearnedOfWalls: what was the same of three spans of one limit, in quick answers, while the server's clock went as the process's own.
func TestWhatIsLearnedOfWalls(t *testing.T) {
	const behind = 5 * time.Second
	same := wallQuestion{after: time.Second, takes: time.Millisecond, behind: behind, limit: "a"}
	with := func(change func(*wallQuestion)) wallQuestion {
		q := same
		change(&q)
		return q
	}
	set := func(by time.Duration) wallQuestion { return with(func(q *wallQuestion) { q.set = by }) }
	by := func(behind time.Duration) wallQuestion { return with(func(q *wallQuestion) { q.behind = behind }) }
	elsewhere := func(after time.Duration) wallQuestion {
		return with(func(q *wallQuestion) { q.limit, q.after = "b", after })
	}
	slow := with(func(q *wallQuestion) { q.takes = agreed })
	rolledBack := with(func(q *wallQuestion) { q.rolledBack = true })
	for name, c := range map[string]struct {
		asks []wallQuestion
		want time.Duration
		told []time.Duration
	}{
		"twice":                  {[]wallQuestion{same, same}, 0, nil},
		"three times":            {[]wallQuestion{same, same, same}, behind, []time.Duration{behind}},
		"one is slow":            {[]wallQuestion{same, same, slow}, 0, nil},
		"all are slow":           {slices.Repeat([]wallQuestion{slow}, 4), 0, nil},
		"one of another limit":   {[]wallQuestion{same, same, elsewhere(time.Second)}, 0, nil},
		"it doesn't disturb":     {[]wallQuestion{same, same, elsewhere(time.Second), same}, behind, []time.Duration{behind}},
		"many limits":            {[]wallQuestion{same, elsewhere(time.Millisecond), elsewhere(time.Millisecond), elsewhere(time.Millisecond)}, 0, nil},
		"another limit for good": {[]wallQuestion{same, same, elsewhere(seriesFor), elsewhere(time.Millisecond), elsewhere(time.Millisecond)}, behind, []time.Duration{behind}},
		"and not enough of it":   {[]wallQuestion{same, same, elsewhere(seriesFor), elsewhere(time.Millisecond)}, 0, nil},
		"rolled back":            {[]wallQuestion{same, rolledBack, rolledBack, rolledBack}, 0, nil},
		"once":                   {[]wallQuestion{same, rolledBack, same, same}, behind, []time.Duration{behind}},
		"a step in between":      {[]wallQuestion{same, same, set(time.Minute)}, 0, nil},
		"steps each time":        {[]wallQuestion{same, set(behind), set(behind), set(behind)}, 0, nil},
		"then none":              {[]wallQuestion{set(-behind), set(behind), same, same}, behind, []time.Duration{behind}},
		"not the same":           {[]wallQuestion{same, same, by(behind + agreed)}, 0, nil},
		"once something else":    {[]wallQuestion{same, same, same, by(0)}, behind, []time.Duration{behind}},
		"seen to be otherwise": {[]wallQuestion{same, same, same, with(func(q *wallQuestion) { q.behind, q.sighted = 0, true })}, 0,
			[]time.Duration{behind}},
		"otherwise for good":     {[]wallQuestion{same, same, same, by(0), by(0), by(0)}, 0, []time.Duration{behind, 0}},
		"slewed":                 {[]wallQuestion{same, same, same, by(behind + steady/2)}, behind + steady/2, []time.Duration{behind}},
		"drifted":                {[]wallQuestion{same, same, with(func(q *wallQuestion) { q.after, q.set = time.Hour/2, agreed*9/10 })}, behind, []time.Duration{behind}},
		"drifted too far":        {[]wallQuestion{same, same, with(func(q *wallQuestion) { q.after, q.set = 5*time.Hour, agreed*11/10 })}, 0, nil},
		"so little says nothing": {slices.Repeat([]wallQuestion{by(steady)}, 3), 0, nil},
	} {
		w := newWalls()
		var told []time.Duration
		var passed, set time.Duration
		wall := epoch
		var at Readings
		for _, q := range c.asks {
			passed, set = passed+q.after, set+q.set
			at = new(LeaseRequest).Read(epoch.Add(passed+set), processEpoch.Add(passed), processEpoch.Add(passed+q.takes))
			w.name(at)
			if !q.rolledBack {
				wall = at.Wall.Add(-q.behind - time.Second)
			}
			w.learn(span{q.limit, "another", wall, at.Wall.Sub(wall) - q.behind, q.sighted}, at)
			w.tell(func(by time.Duration) { told = append(told, by) })
		}
		if got := w.behind("another", at); got != c.want {
			t.Errorf("%s: apart by %v, want %v", name, got, c.want)
		}
		if got := w.apart(at.After); got != c.want && name != "so little says nothing" {
			t.Errorf("%s: apart by %v at most, want %v", name, got, c.want)
		}
		later := at.After.Add(knownFor + time.Second)
		if by := w.behind("another", Readings{After: later}); by != 0 || w.apart(later) != 0 {
			t.Errorf("%s: an hour later it is still apart by %v", name, by)
		}
		if !slices.Equal(told, c.told) {
			t.Errorf("%s: told %v, want %v", name, told, c.told)
		}
	}
}

// TestWallsOfNobody: nobody is nobody, and who asked last is nobody else.
func TestWallsOfNobody(t *testing.T) {
	w := newWalls()
	at := new(LeaseRequest).Read(epoch, processEpoch, processEpoch)
	for range 2 * surely {
		for _, nobody := range []string{"", w.name(at)} {
			w.learn(span{limit: "a", other: nobody, wall: epoch, passed: time.Second}, at)
		}
	}
	if len(w.of) > 0 {
		t.Errorf("%v", w.of)
	}
	var none *Walls
	if none.learn(span{other: "another"}, at); none.behind("another", at) != 0 || none.name(at) != "" {
		t.Error("nobody knows something")
	}
}

// TestWallsBeginAnew: a process whose wall clock is set, or whose machine was suspended, takes another name and knows nobody; one whose clocks
// are slewed, or whose wall clock is set by next to nothing, doesn't.
func TestWallsBeginAnew(t *testing.T) {
	for _, c := range []struct {
		set  time.Duration
		anew bool
	}{{0, false}, {steady, false}, {-steady, false}, {agreed, true}, {-agreed, true}, {time.Hour, true}, {-time.Hour, true}} {
		w := newWalls()
		at := Readings{Before: processEpoch, After: processEpoch, Wall: epoch}
		name := w.name(at)
		for i := range surely {
			w.learn(span{limit: "a", other: "another", wall: epoch.Add(time.Duration(i)), passed: time.Hour}, at)
		}
		at.After, at.Wall = processEpoch.Add(time.Minute), epoch.Add(time.Minute+c.set)
		if again := w.name(at); (again != name) != c.anew || (w.behind("another", at) == 0) != c.anew {
			t.Errorf("set by %v: from %s to %s, apart by %v", c.set, name, again, w.behind("another", at))
		}
	}
}
