package limits

import "time"

// part is one limit's part in an answer.
type part struct {
	limit *limit
	// need is how many permits the answer takes; 0: only the latch holds it; counted: nothing does.
	need int64
}

const (
	// faulty is the need of an answer whose inputs a dry run would refuse.
	faulty = -1
	// counted is that of one that the limit doesn't bound: it is in its denominator.
	counted = -2
)

// match appends the limits that bound the answer or count it in a denominator, in the order in which they're locked. An input that is
// missing or faulty is an error, of limit bad; nothing else is. again: it isn't the first look for this answer.
func (g *Gate) match(r *roster, to []part, a *Answer, now time.Time, again bool) (parts []part, bad *limit, err error) {
	for _, l := range r.meets.of(a.Action) {
		if !l.def.covers(a.Model, a.Consumer) {
			continue
		}
		if !l.def.bounds(a.Action) {
			if l = g.countedIn(l, a, now, again); l != nil {
				to = append(to, part{l, counted})
			}
			continue
		}
		need, err := l.def.need(a)
		whole := l
		if err == nil && l.keys != nil {
			l, err = g.valueOf(l, a, now, again)
		}
		switch {
		case err == nil:
			if l != whole && whole.latched() {
				to = append(to, part{whole, 0})
			}
			to = append(to, part{l, need})
		case whole.def.DryRun:
			to = append(to, part{whole, faulty})
		default:
			return nil, whole, err
		}
	}
	return to, nil, nil
}

// valueOf answers the limit of the answer's key.
func (g *Gate) valueOf(l *limit, a *Answer, now time.Time, again bool) (*limit, error) {
	key, err := l.def.key(a)
	if err != nil {
		return nil, err
	}
	value, told := l.keys.of(key, g.clock.peek(now), again)
	if told > 0 && g.opts.OnOverflow != nil {
		g.opts.OnOverflow(l.def.Name, told)
	}
	return value, nil
}

func (l *limit) latched() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.latch.tripped
}
