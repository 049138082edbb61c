package stub

import (
	"encoding/binary"
	"errors"
)

// request is what the stub needs to know of a ModelInferRequest.
type request struct {
	model []byte // within the message
	rows  int    // the first input's first dimension
}

// Fields of ModelInferRequest and of its InferInputTensor.
const (
	fieldModel  = 1
	fieldInputs = 5
	fieldShape  = 3
)

// Wire types of protobuf.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

var errRequest = errors.New("not a ModelInferRequest with a model and an input")

// parse reads a message, or the begin of a long one: head ends where the stub stopped to keep it. A gateway may have put
// another model's name behind the caller's, so the last one counts.
func parse(head []byte, cut bool) (request, error) {
	var r request
	haveRows := false
	for len(head) > 0 {
		field, kind, data, rest, ok := next(head)
		if !ok {
			if cut {
				break
			}
			return r, errRequest
		}
		switch {
		case field == fieldModel && kind == wireBytes:
			r.model = data
		case field == fieldInputs && kind == wireBytes && !haveRows:
			if r.rows, ok = firstDim(data); !ok {
				return r, errRequest
			}
			haveRows = true
		}
		head = rest
	}
	if len(r.model) == 0 || !haveRows {
		return r, errRequest
	}
	return r, nil
}

// firstDim is the first element of a tensor's shape, packed or not.
func firstDim(tensor []byte) (int, bool) {
	for len(tensor) > 0 {
		field, kind, data, rest, ok := next(tensor)
		if !ok {
			return 0, false
		}
		if field == fieldShape && (kind == wireVarint || kind == wireBytes) {
			v, n := binary.Uvarint(data)
			return int(v), n > 0
		}
		tensor = rest
	}
	return 0, false
}

// next takes a field off b: its number, wire type and content.
func next(b []byte) (field uint64, kind int, data, rest []byte, ok bool) {
	tag, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, 0, nil, nil, false
	}
	b, kind = b[n:], int(tag&7)
	size := uint64(0)
	switch kind {
	case wireVarint:
		_, n := binary.Uvarint(b)
		if n <= 0 {
			return 0, 0, nil, nil, false
		}
		size = uint64(n)
	case wireFixed64:
		size = 8
	case wireFixed32:
		size = 4
	case wireBytes:
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return 0, 0, nil, nil, false
		}
		b, size = b[n:], v
	default:
		return 0, 0, nil, nil, false
	}
	if size > uint64(len(b)) {
		return 0, 0, nil, nil, false
	}
	return tag >> 3, kind, b[:size], b[size:], true
}
