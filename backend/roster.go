package backend

import "math/rand/v2"

// scanAtMost is up to how many replicas are all looked at for the one with the fewest calls in flight. Of more, two are drawn and
// compared, which balances nearly as well (Mitzenmacher, The power of two choices in randomized load balancing, 2001), and costs
// the same however many there are.
const scanAtMost = 8

// roster says who gets calls. It is made anew when something changes, and never changed.
type roster struct {
	// only is set instead of all else where the backend has one address.
	only conns
	// pick get calls, the least loaded first. Never empty.
	pick []*replica
	// returning get one call at a time, before the others.
	returning []*replica
	// watched: the keepers run.
	watched bool
	// panicking: ejection is ignored.
	panicking bool
}

// choose answers the replica with the fewest calls in flight, of those other than the ones in not where there is another. Ties
// are broken at random, so that several gateways don't all begin with the same one.
func (w *roster) choose(not ...*replica) *replica {
	n := len(w.pick)
	if n == 1 {
		return w.pick[0]
	}
	start, step, looks := rand.IntN(n), 1, n
	if n > scanAtMost && len(not) == 0 {
		step, looks = 1+rand.IntN(n-1), 2
	}
	var best *replica
	var least int64
	for i := range looks {
		r := w.pick[(start+i*step)%n]
		if isAmong(r, not) {
			continue
		}
		if load := r.conns.load(); best == nil || load < least {
			best, least = r, load
		}
	}
	if best == nil {
		return w.pick[start]
	}
	return best
}

// out says that a replica gets no calls, although others do.
func (w *roster) out(r *replica) bool {
	return !isAmong(r, w.pick) && !isAmong(r, w.returning)
}

func isAmong(r *replica, all []*replica) bool {
	for _, other := range all {
		if r == other {
			return true
		}
	}
	return false
}

// roster needs f.mu, and is who gets calls now.
//
// Three things are told apart. Whether a replica can be called at all (there is a connection, and its model is ready) is a fact, and
// one that can't is passed over while there is another. Whether it is ejected is a judgement by its calls, which is void when it
// would take out too many: a fault of the calls themselves looks the same, and so does the overload of few who do the work of all.
// Nobody being left is no reason to refuse a call.
func (f *fleet) roster() *roster {
	able := f.all
	for _, ok := range []func(*standing) bool{
		(*standing).present, (*standing).unknown, func(s *standing) bool { return s.link == linkUp },
	} {
		if some := those(f.all, ok); len(some) > 0 {
			able = some
			break
		}
	}
	w := &roster{watched: f.watched}
	w.pick = those(able, func(s *standing) bool { return !s.ejected && !s.returning })
	w.returning = those(able, func(s *standing) bool { return s.returning })
	out := len(able) - len(w.pick) - len(w.returning)
	switch w.panicking = out == len(able) || float64(out) > f.set.panicThreshold*float64(len(able)); {
	case w.panicking:
		w.pick, w.returning = able, nil
	case len(w.pick) == 0:
		w.pick, w.returning = w.returning, nil
	}
	return w
}

// those answers a new slice.
func those(all []*replica, ok func(*standing) bool) []*replica {
	var out []*replica
	for _, r := range all {
		if ok(&r.standing) {
			out = append(out, r)
		}
	}
	return out
}
