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
	whole.Keys = &Keys{Live: len(all), Overflowed: l.keys.answered()}
	var shown []*limit
	var most []usedKey
	for _, one := range all {
		one.mu.Lock()
		n, leased := one.used(m)
		tripped := one.latch.tripped
		one.mu.Unlock()
		if tripped {
			whole.Keys.Tripped++
			shown = append(shown, one)
		}
		if n+leased > 0 {
			most = insertMost(most, usedKey{one, n + leased})
		}
	}
	for i, k := range most {
		if i == 0 {
			largest := k.limit.status(m)
			whole.Keys.Largest = k.limit.key()
			whole.Used, whole.Leased, whole.Room = largest.Used, largest.Leased, largest.Room
			whole.Bound, whole.Denominator = largest.Bound, largest.Denominator
		}
		if !slices.Contains(shown, k.limit) {
			shown = append(shown, k.limit)
		}
	}
	out := []Status{as(whole)}
	for _, one := range shown {
		out = append(out, as(one.status(m)))
	}
	return out
}

type usedKey struct {
	limit *limit
	used  int64
}

// insertMost adds a key to the most used ones, of which it keeps listedKeys.
func insertMost(most []usedKey, k usedKey) []usedKey {
	before := func(a, b usedKey) int {
		return cmp.Or(cmp.Compare(b.used, a.used), cmp.Compare(a.limit.def.Name, b.limit.def.Name))
	}
	if len(most) == listedKeys && before(most[listedKeys-1], k) <= 0 {
		return most
	}
	i, _ := slices.BinarySearchFunc(most, k, before)
	most = slices.Insert(most, i, k)
	return most[:min(len(most), listedKeys)]
}

// answered counts the answers that shared the other.
func (r *keyring) answered() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.overflowed
}
