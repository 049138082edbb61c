package wire

import "google.golang.org/protobuf/encoding/protowire"

// assembly puts a message together from parts of another one, which are not copied, and new bytes.
type assembly struct {
	from *Frame
	out  *Frame
	// done is how far into from everything has been taken over, replaced or left out.
	done int
}

// assemble begins a message that is from, as long as nothing is replaced.
func assemble(from *Frame) assembly {
	return assembly{from: from, out: new(Frame)}
}

// replace puts new bytes, which may be none, in the place of those from start to end. Places come in their order.
func (a *assembly) replace(start, end int, by []byte) {
	a.keep(start)
	a.out.add(by)
	a.done = end
}

// stripped is replace for the embedded message that w stands at, where some of its parameters are taken out.
func (a *assembly) stripped(w *walker, own protowire.Number, s strip, ps []Param) {
	if s.any(ps) {
		a.replace(w.start, w.end, appendBytes(nil, w.num, s.from(w.data, own, ps)))
	}
}

// finish takes over what is left, and adds bytes at the end.
func (a *assembly) finish(tail []byte) *Frame {
	a.keep(a.from.Len())
	a.out.add(tail)
	return a.out
}

func (a *assembly) keep(until int) {
	if until > a.done {
		a.out.part(a.from, a.done, until)
	}
}
