package wire

import (
	"errors"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// Codec is the gRPC codec of the gateway: it passes a *Frame through as bytes and hands every other message to
// gRPC's own protobuf codec. It is used with grpc.ForceServerCodecV2 and grpc.ForceCodecV2, never registered: other
// gRPC code in the same process keeps the codec it knows.
type Codec struct{}

var _ encoding.CodecV2 = Codec{}

// errSpent: the buffers of a received frame are gRPC's again once it has been sent.
var errSpent = errors.New("wire: a received frame was sent or freed before")

// Name returns "proto". Any other name would show in the content-type of every call (application/grpc+NAME), and
// peers would refuse it.
func (Codec) Name() string { return proto.Name }

// Marshal returns the bytes of v, which is a *Frame or a protobuf message. A frame's buffers are handed on without
// copying; gRPC frees them when they have been written.
func (Codec) Marshal(v any) (mem.BufferSlice, error) {
	f, ok := v.(*Frame)
	if !ok {
		return protoCodec().Marshal(v)
	}
	if f.spent {
		return nil, errSpent
	}
	out := f.buffers
	if f.counted {
		f.buffers, f.spent = nil, true
		return out, nil
	}
	// What isn't counted may be sent by several calls at once, and gRPC writes into the slice that it reads from.
	return append(make(mem.BufferSlice, 0, len(out)), out...), nil
}

// Receiver is a place to receive into that wants to know when a message has come. Received is then called once, and answers
// the frame that the message goes into.
type Receiver interface{ Received() *Frame }

// Unmarshal puts the received bytes into v, which is a *Frame, a Receiver or a protobuf message. A frame keeps the buffers in
// which they were read.
func (Codec) Unmarshal(data mem.BufferSlice, v any) error {
	var f *Frame
	switch v := v.(type) {
	case *Frame:
		f = v
	case Receiver:
		f = v.Received()
	default:
		return protoCodec().Unmarshal(data, v)
	}
	// gRPC gives up its own references when this returns.
	data.Ref()
	f.Free()
	f.counted, f.spent = true, false
	for _, b := range data {
		if b.Len() > 0 {
			f.attach(b)
		} else {
			b.Free()
		}
	}
	return nil
}

// protoCodec returns gRPC's own protobuf codec, which the import of encoding/proto registers.
func protoCodec() encoding.CodecV2 { return encoding.GetCodecV2(proto.Name) }
