package wire

import (
	"bytes"
	"fmt"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// Frame is one whole protobuf message as bytes. Given to a gRPC call as the message, it is sent as it is; given as the
// place to receive into, it holds the bytes that came. The zero value is an empty message.
//
// A frame that is not received into again may be sent by several calls at once.
type Frame struct {
	segments [][]byte
}

// NewFrame returns a frame that holds the segments one after another. They are not copied: the caller doesn't change
// them any more.
func NewFrame(data ...[]byte) *Frame {
	return &Frame{segments: data}
}

// Bytes returns the message as one slice. It copies only if the frame was made of several segments; the caller doesn't
// change what it gets.
func (f *Frame) Bytes() []byte {
	switch len(f.segments) {
	case 0:
		return nil
	case 1:
		return f.segments[0]
	}
	return bytes.Join(f.segments, nil)
}

// Len returns the length of the message in bytes.
func (f *Frame) Len() int {
	n := 0
	for _, s := range f.segments {
		n += len(s)
	}
	return n
}

// Codec is the gRPC codec of the gateway: it passes a *Frame through as bytes and hands every other message to
// gRPC's own protobuf codec. It is used with grpc.ForceServerCodecV2 and grpc.ForceCodecV2, never registered: other
// gRPC code in the same process keeps the codec it knows.
type Codec struct{}

var _ encoding.CodecV2 = Codec{}

// Name returns "proto". Any other name would show in the content-type of every call (application/grpc+NAME), and
// peers would refuse it.
func (Codec) Name() string { return proto.Name }

// Marshal returns the bytes of v, which is a *Frame or a protobuf message. A frame's segments are handed on without
// copying.
func (Codec) Marshal(v any) (mem.BufferSlice, error) {
	f, ok := v.(*Frame)
	if !ok {
		return protoCodec().Marshal(v)
	}
	out := make(mem.BufferSlice, 0, len(f.segments))
	for _, s := range f.segments {
		if len(s) > 0 {
			// A SliceBuffer is never returned to a pool, so one frame can be sent by several calls at once.
			out = append(out, mem.SliceBuffer(s))
		}
	}
	return out, nil
}

// Unmarshal puts the received bytes into v, which is a *Frame or a protobuf message.
func (Codec) Unmarshal(data mem.BufferSlice, v any) error {
	f, ok := v.(*Frame)
	if !ok {
		return protoCodec().Unmarshal(data, v)
	}
	// gRPC takes its pooled buffers back when this returns. The bytes are copied once into a slice that the garbage
	// collector owns, so that views of tensors may outlive the call (a hedged attempt, a record written in the
	// background) with nobody counting references. Sharing the pooled buffers is a matter for the performance work,
	// with measurements.
	f.segments = [][]byte{data.Materialize()}
	return nil
}

// protoCodec returns gRPC's own protobuf codec, which the import of encoding/proto registers.
func protoCodec() encoding.CodecV2 { return encoding.GetCodecV2(proto.Name) }

// String describes the frame for logs without showing what is in it.
func (f *Frame) String() string { return fmt.Sprintf("frame of %d bytes", f.Len()) }
