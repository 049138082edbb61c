package backend

import (
	"fmt"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// trialAnswers is how many good answers a replica that returns must give, one call at a time, before it has its share again.
const trialAnswers = 3

// failed is told of a failure of r, the row'th in a row, and ejects it when that makes it an outlier. Two things do: failures in a
// row, which is what a broken replica shows soonest; and, for one that is broken for some calls only, a share of failures within the
// window that is well above that of all others together. Where all fail alike, nobody is an outlier by the second, and the first
// can't eject more than max_ejected.
func (f *fleet) failed(r *replica, row int, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed, r.ejected, r.gone.Load():
	case r.returning:
		f.eject(r, now, "a call failed while it was returning")
	case row >= f.set.failuresInARow:
		f.eject(r, now, fmt.Sprintf("%d failures in a row", row))
	default:
		if why := f.outlier(r, now); why != "" {
			f.eject(r, now, why)
		}
	}
}

// outlier needs mu, and says by what r's failures exceed those of the others; empty: they don't.
func (f *fleet) outlier(r *replica, now time.Time) string {
	own := r.sum(now)
	if own.calls < f.set.minCalls {
		return ""
	}
	var others bucket
	for _, other := range f.all {
		if other != r {
			sum := other.sum(now)
			others.calls += sum.calls
			others.failures += sum.failures
		}
	}
	if others.calls < f.set.minCalls || own.share()-others.share() < f.set.failureMargin {
		return ""
	}
	return fmt.Sprintf("%.0f %% of %d calls failed, of the others' %.0f %%", 100*own.share(), own.calls, 100*others.share())
}

// eject needs mu, and takes r out for a time that grows with how often that happened; false: as many are out as may be.
func (f *fleet) eject(r *replica, now time.Time, why string) bool {
	out := len(those(f.all, func(s *standing) bool { return s.ejected }))
	if out >= f.set.mayEject(len(f.all)) {
		return false
	}
	if !r.back.IsZero() {
		// For each window in service one is forgotten.
		r.times = max(0, r.times-int(now.Sub(r.back)/f.set.window))
	}
	r.times++
	r.ejections++
	r.ejected, r.returning, r.why = true, false, why
	r.onTrial.Store(false)
	r.until = now.Add(f.set.ejectFor(r.times))
	r.forget(now)
	f.log.Warn("replica ejected", "replica", r.address, "why", why, "for", f.set.ejectFor(r.times))
	f.history.note(candorv1.BackendEventKind_BACKEND_EVENT_KIND_REPLICA_EJECTED, r.address, fmt.Sprintf("%s; for %v", why, f.set.ejectFor(r.times)))
	f.renew()
	signal(r.poke)
	return true
}

// readmit needs mu, and gives r one call at a time.
func (f *fleet) readmit(r *replica, now time.Time) {
	r.ejected, r.returning, r.good, r.until = false, true, 0, time.Time{}
	r.back = now
	r.forget(now)
	r.onTrial.Store(true)
	f.log.Info("replica returning", "replica", r.address, "after", r.why)
	f.history.note(candorv1.BackendEventKind_BACKEND_EVENT_KIND_REPLICA_RETURNING, r.address, "")
	f.renew()
}

// succeeded is told of a good answer of a replica that returns. The last of its trial are also held against the others' for their time.
func (f *fleet) succeeded(r *replica, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !r.returning {
		return
	}
	if r.good++; r.good < trialAnswers {
		return
	}
	if why := f.slower(r, now, trialAnswers); why != "" && f.eject(r, now, "still "+why) {
		return
	}
	r.returning, r.back = false, now
	r.onTrial.Store(false)
	f.log.Info("replica is back", "replica", r.address)
	f.history.note(candorv1.BackendEventKind_BACKEND_EVENT_KIND_REPLICA_BACK, r.address, "")
	f.renew()
}

// mayEject is how many of n replicas may be ejected at a time.
func (s *replicaSettings) mayEject(n int) int {
	if s.maxEjected == 0 || n < 2 {
		return 0
	}
	return max(1, int(s.maxEjected*float64(n)))
}

// ejectFor is how long the nth ejection in succession lasts.
func (s *replicaSettings) ejectFor(n int) time.Duration {
	if s.ejection > s.maxEjection/time.Duration(n) {
		return s.maxEjection
	}
	return s.ejection * time.Duration(n)
}
