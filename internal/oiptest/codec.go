package oiptest

import (
	"bytes"
	"fmt"

	"google.golang.org/protobuf/proto"
)

// frame is a message as it came over the wire, before anybody parsed it.
type frame struct{ bytes []byte }

// codec parses protobuf messages as grpc's own codec does, and hands a *frame its bytes untouched. The server needs it
// to record exactly what arrived: a parsed and re-encoded request may differ in field order and in how unknown fields
// are interleaved, which is what byte-exactness tests look for.
//
// It is given to one grpc.Server and never registered, so that it can't change how the rest of the process speaks.
type codec struct{}

// Name is grpc's own: any other would show in the content-subtype.
func (codec) Name() string { return "proto" }

func (codec) Marshal(v any) ([]byte, error) {
	switch m := v.(type) {
	case *frame:
		return m.bytes, nil
	case proto.Message:
		return proto.Marshal(m)
	default:
		return nil, fmt.Errorf("oiptest: cannot send a %T", v)
	}
}

func (codec) Unmarshal(data []byte, v any) error {
	switch m := v.(type) {
	case *frame:
		m.bytes = bytes.Clone(data)
		return nil
	case proto.Message:
		return proto.Unmarshal(data, m)
	default:
		return fmt.Errorf("oiptest: cannot receive a %T", v)
	}
}
