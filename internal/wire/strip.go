package wire

import (
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// The fields of the maps of parameters inside of tensors and of requested outputs.
const (
	tensorParameters protowire.Number = 4
	outputParameters protowire.Number = 2
)

// strip reports which parameters are taken out of a message, by their keys; nil takes out none.
type strip func(key string) bool

// any reports whether it takes out one of the parameters.
func (s strip) any(ps []Param) bool {
	return s != nil && slices.ContainsFunc(ps, func(p Param) bool { return s(p.Key) })
}

// from returns an embedded message, whose parameters are ps in the map field own, without those that are taken out: message itself where
// none is. Everything else keeps its bytes.
func (s strip) from(message []byte, own protowire.Number, ps []Param) []byte {
	if !s.any(ps) {
		return message
	}
	dst := make([]byte, 0, len(message))
	c := cursor{rest: message}
	for c.next() {
		if !c.is(own, protowire.BytesType) || !s(lastString(c.data, 1)) {
			dst = append(dst, c.span...)
		}
	}
	return dst
}
