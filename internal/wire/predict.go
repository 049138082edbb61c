package wire

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// predictInner is the field of PredictRequest and of PredictResponse that holds the protocol's own message.
const predictInner = 1

// PredictRequest returns the encoded ModelInferRequest inside f, an encoded candor.v1.PredictRequest, without copying it.
// Where it stands several times, it is merged as protobuf says: by joining the encodings. Errors are *FieldError.
func PredictRequest(f *Frame) (*Frame, error) {
	inner := new(Frame)
	c := walk(f, predictInner)
	for c.next() {
		if c.is(predictInner, protowire.BytesType) {
			size := c.size
			if !c.farAway {
				size = len(c.data)
			}
			inner.part(f, c.end-size, c.end)
		}
	}
	if c.err != nil {
		inner.Free()
		return nil, c.err
	}
	return inner, nil
}

// PredictResponse makes an encoded candor.v1.PredictResponse of its ModelInferResponse, without copying it, and of a
// message that holds the other fields. It takes over response.
func PredictResponse(response *Frame, others proto.Message) (*Frame, error) {
	tail, err := proto.Marshal(others)
	if err != nil {
		return nil, err
	}
	head := protowire.AppendTag(nil, predictInner, protowire.BytesType)
	out := new(Frame)
	out.add(protowire.AppendVarint(head, uint64(response.Len())))
	out.part(response, 0, response.Len())
	out.add(tail)
	response.Free()
	return out, nil
}
