package wire

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// predictInner is the field of PredictRequest and of PredictResponse that holds the protocol's own message.
const predictInner = 1

// PredictRequest answers the encoded ModelInferRequest inside an encoded candor.v1.PredictRequest, aliasing data where the field
// stands once. Standing several times, it is merged as protobuf says: by joining the encodings. Errors are *FieldError.
func PredictRequest(data []byte) ([]byte, error) {
	var inner []byte
	for rest := data; len(rest) > 0; {
		num, typ, n := protowire.ConsumeTag(rest)
		if n < 0 {
			return nil, malformed(protowire.ParseError(n))
		}
		rest = rest[n:]
		if num == predictInner && typ == protowire.BytesType {
			v, n := protowire.ConsumeBytes(rest)
			if n < 0 {
				return nil, malformed(protowire.ParseError(n))
			}
			if inner == nil {
				inner = v[:len(v):len(v)]
			} else {
				inner = append(inner, v...)
			}
			rest = rest[n:]
			continue
		}
		n = protowire.ConsumeFieldValue(num, typ, rest)
		if n < 0 {
			return nil, malformed(protowire.ParseError(n))
		}
		rest = rest[n:]
	}
	return inner, nil
}

// PredictResponse makes the segments of an encoded candor.v1.PredictResponse of those of its ModelInferResponse, without copying
// them, and of a message that holds the other fields.
func PredictResponse(response [][]byte, others proto.Message) ([][]byte, error) {
	size := 0
	for _, s := range response {
		size += len(s)
	}
	head := protowire.AppendTag(nil, predictInner, protowire.BytesType)
	head = protowire.AppendVarint(head, uint64(size))
	tail, err := proto.Marshal(others)
	if err != nil {
		return nil, err
	}
	out := make([][]byte, 0, len(response)+2)
	out = append(out, head)
	out = append(out, response...)
	return append(out, tail), nil
}
