package limits

import (
	"sync"
	"time"
)

// voids counts how often questions of this process about a limit, or about any value of its key, have made void what gateways knew of its
// time; see Account.meet. Safe for concurrent use.
type voids struct {
	mu            sync.Mutex
	total, untold int64
	told          time.Time
}

// voidsToldEvery is how often somebody is told.
const voidsToldEvery = time.Minute

// count answers how many there were since somebody was told, this one included; 0: it is too early to tell. now is the process's clock, by
// whose monotonic reading it goes: the other may be what was set.
func (v *voids) count(now time.Time) (tell int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.total++
	v.untold++
	if !v.told.IsZero() && now.Sub(v.told) < voidsToldEvery {
		return 0
	}
	tell, v.told, v.untold = v.untold, now, 0
	return tell
}

func (v *voids) sum() int64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.total
}

// voided notes one of the limit that has this name, or whose key has. No lock is held.
func (g *Gate) voided(l *limit, name string) {
	tell := l.voids.count(g.process())
	if root, _, _ := SplitName(name); tell > 0 && g.opts.OnVoided != nil {
		g.opts.OnVoided(root, tell)
	}
}
