package limits

import (
	"hash/maphash"
	"time"
)

// strangers remembers which keys shared the other in the last window, by hashes: two of one hash both count as having done so. It
// keeps each for one window at least and for two at most.
type strangers struct {
	seed        maphash.Seed
	now, before map[uint64]struct{}
	turned      int64
	// everyone counts as one until then: there are too many to remember, or it isn't known.
	everyone int64
}

func (s *strangers) turn(t, window int64) {
	if s.now == nil {
		s.seed, s.now, s.turned = maphash.MakeSeed(), map[uint64]struct{}{}, t
	}
	if t-s.turned < window {
		return
	}
	if s.before = s.now; t-s.turned >= 2*window {
		s.before = nil
	}
	s.now, s.turned = map[uint64]struct{}{}, t
}

func (s *strangers) has(key string, t, window int64) bool {
	if s.everyone > t {
		return true
	}
	if s.now == nil {
		return false
	}
	s.turn(t, window)
	h := maphash.String(s.seed, key)
	_, now := s.now[h]
	_, before := s.before[h]
	return now || before
}

func (s *strangers) add(key string, t, window int64, most int) {
	s.turn(t, window)
	if len(s.now) >= most {
		s.everyone = max(s.everyone, t+window)
		return
	}
	s.now[maphash.String(s.seed, key)] = struct{}{}
}

// noticeEvery is how often somebody is told that keys find no place.
const noticeEvery = int64(time.Minute)

// notice counts what is told of now and then.
type notice struct{ last, untold int64 }

// count answers how many there were since somebody was told, this one included; 0: it is too early to tell.
func (n *notice) count(t int64) (told int64) {
	n.untold++
	if n.last != 0 && t-n.last < noticeEvery {
		return 0
	}
	told, n.last, n.untold = n.untold, t, 0
	return told
}
