package limits

import (
	"container/list"
	"sync"
	"time"
)

// keyring is the values of a limit's key: for each that is in use a limit of its own. At most as many as the definition says have
// one; what comes then shares one, the other. A key is forgotten when nothing of it counts any more, the longest unused first.
//
// A key that shares the other stays there until what it may have released there has left the window: it would have room for as much
// again on its own.
type keyring struct {
	shared bool
	voids  *voids
	// held are those that are latched, and is asked without mu.
	held held

	mu  sync.Mutex
	def Definition
	// live by escaped key; byUse has the same, the longest unused first.
	live  map[string]*list.Element
	byUse *list.List
	// other is nil until it is needed.
	other     *limit
	strangers strangers
	// leaving are forgotten, and the store isn't told yet.
	leaving []*limit
	// overflowed counts the answers of keys that shared the other.
	overflowed int64
	notice     notice
}

// valued is one key's limit, and when it was asked for last.
type valued struct {
	key   string
	limit *limit
	used  int64
}

func newKeyring(d Definition, shared bool) *keyring {
	return &keyring{shared: shared, def: d, live: map[string]*list.Element{}, byUse: list.New()}
}

const strangerSlack = 10 * time.Second

// evictedAtOnce is how many keys are forgotten when one is new: more than one, so that a smaller bound is reached.
const evictedAtOnce = 2

// of answers the limit of a key at t, and counts the answer unless it came before. told says how many answers shared the other since
// somebody was told; 0: nobody is to be.
func (r *keyring) of(key string, t int64, again bool) (l *limit, told int64) {
	escaped := escapeKey(key)
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.live[escaped]; e != nil {
		v := e.Value.(*valued)
		v.used = max(v.used, t)
		r.byUse.MoveToBack(e)
		return v.limit, 0
	}
	if !r.strangers.has(escaped, t, r.stay()) {
		r.forget(t, evictedAtOnce)
		if len(r.live) < r.def.maxKeys() {
			return r.add(escaped, t), 0
		}
	}
	r.strangers.add(escaped, t, r.stay(), r.def.maxKeys())
	if !again {
		r.overflowed++
		told = r.notice.count(t)
	}
	return r.theOther(), told
}

// stay is how long a key that shared the other does so: an answer is released a little later than its key is looked for.
func (r *keyring) stay() int64 { return int64(r.def.Window + strangerSlack) }

// add makes the limit of a key. r.mu is held.
func (r *keyring) add(escaped string, t int64) *limit {
	v := &valued{key: escaped, limit: r.make(escaped), used: t}
	r.live[escaped] = r.byUse.PushBack(v)
	return v.limit
}

func (r *keyring) make(escaped string) *limit {
	d := r.def
	d.Name += keySeparator + escaped
	d.Key, d.MaxKeys = "", 0
	l := newLimit(d, r.shared)
	l.ring, l.voids = r, r.voids
	return l
}

func (r *keyring) theOther() *limit {
	if r.other == nil {
		r.other = r.make(otherKey)
	}
	return r.other
}

// find answers the limit of an escaped key; nil: it has none.
func (r *keyring) find(escaped string) *limit {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lockedFind(escaped)
}

func (r *keyring) lockedFind(escaped string) *limit {
	if escaped == otherKey {
		return r.other
	}
	if e := r.live[escaped]; e != nil {
		return e.Value.(*valued).limit
	}
	return nil
}

// adopt makes the latch of a key what the store says, as limit.adopt does. A key that is latched there or in probation gets its own
// limit, however many there are.
func (r *keyring) adopt(escaped string, st State, held string, t int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.lockedFind(escaped)
	switch {
	case l != nil:
	case !st.Tripped && !st.LastReset.Probation.holds(t):
		return nil
	case escaped == otherKey:
		l = r.theOther()
	default:
		l = r.add(escaped, t)
	}
	return l.adopt(st, held)
}

// all answers the limits of all keys.
func (r *keyring) all() []*limit {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lockedAll()
}

func (r *keyring) lockedAll() []*limit {
	out := make([]*limit, 0, len(r.live)+1)
	for e := r.byUse.Front(); e != nil; e = e.Next() {
		out = append(out, e.Value.(*valued).limit)
	}
	if r.other != nil {
		out = append(out, r.other)
	}
	return out
}

// forget looks at the n keys that are unused for longest, and forgets those of which nothing counts at t. r.mu is held.
func (r *keyring) forget(t int64, n int) {
	for range n {
		e := r.byUse.Front()
		if e == nil {
			return
		}
		v := e.Value.(*valued)
		if edge := t - int64(r.def.Window); v.used > edge || v.limit.stored(edge) {
			return
		}
		if !v.limit.retire(t) {
			// It is held: looked at again when it would be unused for a window again.
			v.used = t
			r.byUse.MoveToBack(e)
			continue
		}
		r.byUse.Remove(e)
		delete(r.live, v.key)
		if len(r.leaving) < largestMaxKeys {
			r.leaving = append(r.leaving, v.limit)
		}
	}
}

// stored says whether a restart might find leases of a key that count later than edge, and so give it its limit again. Forgotten before
// that, it could have shared the other meanwhile. Where the store is shared a restart gives none.
func (l *limit) stored(edge int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.shared && l.leases.ends > edge
}

// retire says whether nothing of a key's limit counts at t, and then it is gone.
func (l *limit) retire(t int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.released.expire(t - int64(l.def.Window))
	if l.latch.tripped || l.latch.call != nil || l.leases.call != nil || l.released.n > 0 || l.latch.lastReset.Probation.holds(t) {
		return false
	}
	// An open lease is settled when the store is told.
	l.gone = true
	return true
}

// sweep forgets what it can at t, and answers what the store is to be told of: at most n.
func (r *keyring) sweep(t int64, n int) []*limit {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget(t, len(r.live))
	n = min(n, len(r.leaving))
	out := r.leaving[:n:n]
	if r.leaving = r.leaving[n:]; len(r.leaving) == 0 {
		r.leaving = nil
	}
	return out
}

// keep is for one that the store couldn't be told of: it is told again.
func (r *keyring) keep(l *limit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.leaving) < largestMaxKeys {
		r.leaving = append(r.leaving, l)
	}
}

// redefine gives every key the new definition of their limit. r.mu is held, and so are their states.
func (r *keyring) redefine(d Definition) {
	r.def = d
	again := func(l *limit) *limit {
		n := r.make(l.key())
		n.state = l.state
		return n
	}
	for e := r.byUse.Front(); e != nil; e = e.Next() {
		v := e.Value.(*valued)
		v.limit = again(v.limit)
	}
	if r.other != nil {
		r.other = again(r.other)
	}
	r.held.redefine(func(l *limit) *limit { return r.lockedFind(l.key()) })
}

// key is the escaped key of a key's limit; empty: it is of none.
func (l *limit) key() string {
	if l.ring == nil {
		return ""
	}
	_, key, _ := SplitName(l.def.Name)
	return key
}
