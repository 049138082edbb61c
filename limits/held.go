package limits

import "sync"

// held is the limits of keys that are latched: few of many. Its lock is taken last.
type held struct {
	mu     sync.Mutex
	byName map[string]*limit
}

func (h *held) add(l *limit) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.byName == nil {
		h.byName = map[string]*limit{}
	}
	h.byName[l.def.Name] = l
}

func (h *held) remove(l *limit) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.byName, l.def.Name)
}

func (h *held) all() []*limit {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]*limit, 0, len(h.byName))
	for _, l := range h.byName {
		out = append(out, l)
	}
	return out
}

func (h *held) redefine(again func(*limit) *limit) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for name, l := range h.byName {
		if l = again(l); l == nil {
			delete(h.byName, name)
			continue
		}
		h.byName[name] = l
	}
}
