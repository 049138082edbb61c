package limits

import (
	"slices"
	"testing"
	"time"
)

// TestWhatIsLearnedOfWalls: what was the same three times, in quick answers, while the server's clock went as the process's own.
func TestWhatIsLearnedOfWalls(t *testing.T) {
	const apart = 5 * time.Second
	type question struct{ after, set, takes, apart time.Duration }
	same := question{after: time.Second, takes: time.Millisecond, apart: apart}
	with := func(change func(*question)) question {
		q := same
		change(&q)
		return q
	}
	for name, c := range map[string]struct {
		asks []question
		want time.Duration
	}{
		"twice":             {[]question{same, same}, 0},
		"three times":       {[]question{same, same, same}, apart},
		"a step in between": {[]question{same, same, with(func(q *question) { q.set = time.Minute })}, 0},
		"steps each time": {[]question{
			same, with(func(q *question) { q.set = apart }), with(func(q *question) { q.set = apart }), with(func(q *question) { q.set = apart }),
		}, 0},
		"then none":            {[]question{with(func(q *question) { q.set = -apart }), with(func(q *question) { q.set = apart }), same, same}, apart},
		"only slow ones":       {slices.Repeat([]question{with(func(q *question) { q.takes = agreed })}, 4), 0},
		"slow answers":         {[]question{same, same, with(func(q *question) { q.takes = agreed })}, 0},
		"not the same":         {[]question{same, same, with(func(q *question) { q.apart += agreed })}, 0},
		"it is set":            {[]question{same, same, same, with(func(q *question) { q.apart = 0 })}, apart},
		"and that is known":    {[]question{same, same, same, {time.Second, 0, 0, 0}, {time.Second, 0, 0, 0}, {time.Second, 0, 0, 0}}, 0},
		"slewed":               {[]question{same, same, same, with(func(q *question) { q.apart += steady / 2 })}, apart + steady/2},
		"hours apart, drifted": {[]question{same, same, with(func(q *question) { q.after, q.set = 5*time.Hour, 15*time.Second })}, apart},
	} {
		var told []time.Duration
		w := newWalls(func(by time.Duration) { told = append(told, by) })
		var passed, set time.Duration
		for _, q := range c.asks {
			passed, set = passed+q.after, set+q.set
			at := Read(epoch.Add(passed+set), processEpoch.Add(passed), processEpoch.Add(passed+q.takes))
			w.learn("another", at.Wall.Add(-q.apart-time.Second), time.Second, at)
		}
		if got := w.behind("another"); got != c.want {
			t.Errorf("%s: apart by %v, want %v", name, got, c.want)
		}
		if got := w.apart(processEpoch.Add(passed)); got != c.want {
			t.Errorf("%s: apart by %v at most, want %v", name, got, c.want)
		}
		if got := w.apart(processEpoch.Add(passed + time.Hour + time.Second)); got != 0 {
			t.Errorf("%s: an hour later it is still apart by %v", name, got)
		}
		want := []time.Duration{apart}
		switch name {
		case "and that is known":
			want = append(want, 0)
		case "it is set", "slewed":
		default:
			if c.want == 0 {
				want = nil
			}
		}
		if !slices.Equal(told, want) {
			t.Errorf("%s: told %v, want %v", name, told, want)
		}
	}
	w := newWalls(nil)
	for range surely {
		for _, nobody := range []string{"", w.name()} {
			w.learn(nobody, epoch, time.Second, Read(epoch, processEpoch, processEpoch))
		}
	}
	if len(w.of) > 0 {
		t.Errorf("%v", w.of)
	}
	var none *Walls
	if none.learn("another", epoch, 0, Readings{}); none.behind("another") != 0 || none.name() != "" {
		t.Error("nobody knows something")
	}
}
