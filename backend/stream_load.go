package backend

// What a stream is to those who choose among replicas and connections: a call from its opening to its end, and one more for each
// request that waits for an answer beside another one. A stream on which none waits costs the model server nothing now, so it doesn't
// keep a replica that returns from being tried; but it is a call to those who balance, since more will come on it.

// enter and leave say that a request waits on the stream, and no longer.
func (s *Stream) enter() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting++; s.settled {
		return
	}
	if s.idle {
		s.idle = false
		s.conn.idle.Add(-1)
	}
	if s.waiting > 1 {
		s.conn.extra.Add(1)
	}
}

func (s *Stream) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting--; s.settled {
		return
	}
	if s.waiting > 0 {
		s.conn.extra.Add(-1)
		return
	}
	s.idle = true
	s.conn.idle.Add(1)
}

// settle gives the connection back, once.
func (s *Stream) settle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.settled {
		return
	}
	s.settled = true
	if s.idle {
		s.conn.idle.Add(-1)
	}
	if s.waiting > 1 {
		s.conn.extra.Add(int64(1 - s.waiting))
	}
	s.conn.release()
}
