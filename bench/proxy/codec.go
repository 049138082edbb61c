package proxy

import (
	"fmt"

	"google.golang.org/grpc/mem"
)

// frame is a message as the buffers that it came in. It is sent once: sending gives them back.
type frame struct{ data mem.BufferSlice }

// rawCodec passes frames through without looking at them or copying them.
type rawCodec struct{}

// Name is the usual codec's: any other would show in the content type.
func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	f, ok := v.(*frame)
	if !ok {
		return nil, fmt.Errorf("a %T is no frame", v)
	}
	return f.data, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	f, ok := v.(*frame)
	if !ok {
		return fmt.Errorf("a %T is no frame", v)
	}
	data.Ref() // gRPC gives its own reference back when this returns
	f.data = data
	return nil
}
