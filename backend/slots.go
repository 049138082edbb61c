package backend

import "sync/atomic"

// slots bound the calls in flight. Who finds none free is refused at once: a queue here would only add its wait to a
// deadline that the model server can't see.
type slots struct {
	limit int64
	used  atomic.Int64
}

// take takes a slot if one is free. It never refuses while one is: adding first and looking then could.
func (s *slots) take() bool {
	for {
		n := s.used.Load()
		if n >= s.limit {
			return false
		}
		if s.used.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (s *slots) release() { s.used.Add(-1) }
