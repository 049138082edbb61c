package limits

import (
	"cmp"
	"slices"
)

// itself is the status of a limit that is configured.
func (s Status) itself() Status { return s }

// parked is that of a limit which isn't in the configuration any more.
func (s Status) parked() Status {
	s.Definition, s.Configured = Definition{Name: s.Definition.Name, After: s.Definition.After}, false
	return s
}

// statuses answers the limit's, and those of its keys that matter most.
func (l *limit) statuses(m moment, as func(Status) Status) []Status {
	whole := l.status(m)
	if l.keys == nil {
		return []Status{as(whole)}
	}
	all := l.keys.all()
	used := make(map[*limit]int64, len(all))
	whole.Keys = &Keys{Live: len(all), Overflowed: l.keys.answered()}
	shown := all[:0:0]
	for _, one := range all {
		one.mu.Lock()
		n, leased := one.used(m)
		tripped := one.latch.tripped
		one.mu.Unlock()
		if used[one] = n + leased; tripped {
			whole.Keys.Tripped++
			shown = append(shown, one)
		}
	}
	slices.SortFunc(all, func(a, b *limit) int {
		return cmp.Or(cmp.Compare(used[b], used[a]), cmp.Compare(a.def.Name, b.def.Name))
	})
	for i, one := range all[:min(len(all), listedKeys)] {
		if used[one] == 0 {
			break
		}
		if i == 0 {
			largest := one.status(m)
			whole.Keys.Largest = one.key()
			whole.Used, whole.Leased, whole.Room = largest.Used, largest.Leased, largest.Room
		}
		if !slices.Contains(shown, one) {
			shown = append(shown, one)
		}
	}
	out := []Status{as(whole)}
	for _, one := range shown {
		out = append(out, as(one.status(m)))
	}
	return out
}

// answered counts the answers that shared the other.
func (r *keyring) answered() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.overflowed
}
