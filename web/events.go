package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"
)

// maxStreams of a person at once. A browser has six connections to a host over HTTP/1.1: pages must still load beside the streams.
// The oldest one ends when there are more; a page that is looked at opens its own again.
const maxStreams = 4

const (
	// coalesce is the least time between two events of a stream.
	coalesce = time.Second
	// beat keeps proxies from closing a stream on which nothing moves; it is shorter than their common 30 s or 60 s.
	beat = 15 * time.Second
	// tick: ages and countdowns move although nothing else does.
	tick = 30 * time.Second
	// writeTimeout of one event; a reader that is slower has gone.
	writeTimeout = 10 * time.Second
)

// streams are the open event streams, by person.
type streams struct {
	mu     sync.Mutex
	open   map[string][]*stream
	closed chan struct{}
	once   sync.Once
}

type stream struct{ cancel context.CancelFunc }

func newStreams() *streams {
	return &streams{open: map[string][]*stream{}, closed: make(chan struct{})}
}

func (s *streams) close() { s.once.Do(func() { close(s.closed) }) }

// add opens a stream of a person; leave gives its place back.
func (s *streams) add(ctx context.Context, person string) (_ context.Context, leave func()) {
	ctx, cancel := context.WithCancel(ctx)
	one := &stream{cancel}
	s.mu.Lock()
	defer s.mu.Unlock()
	mine := append(s.open[person], one)
	if len(mine) > maxStreams {
		mine[0].cancel()
		mine = mine[1:]
	}
	s.open[person] = mine
	return ctx, func() {
		cancel()
		s.mu.Lock()
		defer s.mu.Unlock()
		left := slices.DeleteFunc(s.open[person], func(o *stream) bool { return o == one })
		if len(left) == 0 {
			delete(s.open, person)
			return
		}
		s.open[person] = left
	}
}

// events tells a page when to ask again for what it shows: an event "moved" without contents. Who may see what is decided where
// the page asks.
func (s *Server) events(w http.ResponseWriter, r *http.Request, v *visit) error {
	ctx, leave := s.streams.add(r.Context(), v.Person.Name)
	defer leave()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would wait for more
	rc := http.NewResponseController(w)
	// The server's bound on reading a request would end the stream. Servers without deadlines are those of tests.
	if err := rc.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	send := func(text string) error {
		if err := rc.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		if _, err := w.Write([]byte(text)); err != nil {
			return err
		}
		return rc.Flush()
	}
	const moved = "event: moved\ndata: 1\n\n"
	// Asked before anything is sent, so that no change falls between the two. And between the page and its stream something may
	// have moved already.
	changed := s.deps.Moved()
	if send("retry: 2000\n\n"+moved) != nil {
		return nil
	}
	beats, ticks := time.NewTicker(beat), time.NewTicker(tick)
	defer beats.Stop()
	defer ticks.Stop()
	last := time.Now()
	// due is when a change that was seen is told; nil: there is none.
	var due <-chan time.Time
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-s.streams.closed:
			return nil
		case <-changed:
			changed = s.deps.Moved()
			if due == nil {
				due = time.After(max(0, coalesce-time.Since(last)))
			}
		case <-due:
			due, last = nil, time.Now()
			err = send(moved)
		case <-ticks.C:
			err = send(moved)
		case <-beats.C:
			err = send(": here\n\n")
		}
		if err != nil {
			return nil
		}
	}
}
