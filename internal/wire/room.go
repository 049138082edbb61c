package wire

import "sync"

// room is what a view of an ordinary message needs, so that scanning one allocates nothing: views are used again, and with
// them the strings that they saw.
type room struct {
	tensors [2]Tensor
	outputs [2]RequestedOutput
	raws    [2]rawContents
	dims    [8]int64
	params  [8]Param
	names   *names
}

var (
	requests  = sync.Pool{New: func() any { return &Request{room: room{names: new(names)}} }}
	responses = sync.Pool{New: func() any { return &Response{room: room{names: new(names)}} }}
)

// Free gives up the view and the frame that it is of: neither they nor any [Tensor], nor what aliases the message, may be
// used any more. Strings stay. A view that is never freed is left to the garbage collector.
func (r *Request) Free() {
	f, kept := r.frame, r.room.names
	*r = Request{room: room{names: kept}}
	requests.Put(r)
	f.Free()
}

// Free gives up the view and its frame, as [Request.Free] does.
func (r *Response) Free() {
	f, kept := r.frame, r.room.names
	*r = Response{room: room{names: kept}}
	responses.Put(r)
	f.Free()
}

const (
	nameSlots = 32
	// maxName is the longest string that is kept: names of models and tensors are short, and what isn't shall not stay in memory.
	maxName = 64
)

// names keeps strings that came before, each in one of two slots. A message's strings are mostly those of the message before
// it, and looking costs less than a copy.
type names [nameSlots]string

func (n *names) string(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if len(b) > maxName {
		return string(b)
	}
	hash := uint32(2166136261) // FNV-1a
	for _, c := range b {
		hash = (hash ^ uint32(c)) * 16777619
	}
	first, second := &n[hash%nameSlots], &n[(hash%nameSlots)^1]
	if *first == string(b) {
		return *first
	}
	if *second != string(b) {
		*second = string(b)
	}
	*first, *second = *second, *first
	return *first
}
