package wire

import (
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// The field numbers of ModelStreamInferResponse, Triton's frame around the responses of a stream. MLServer and Seldon send
// responses without a frame.
const (
	streamError    protowire.Number = 1
	streamResponse protowire.Number = 2
)

// StreamFrame is what an inference.ModelStreamInferResponse holds. It aliases the bytes that it was read from, which nobody may
// change.
type StreamFrame struct {
	// Error is error_message; empty: none.
	Error string
	// Response is the encoded ModelInferResponse; empty also where there is none, which reads the same.
	Response []byte
}

// ScanStreamFrame views data, an encoded inference.ModelStreamInferResponse. The response in it is not looked at ([ScanResponse]
// does that), unless it comes in several parts, which protobuf merges: then they are joined, and copied. Errors are *FieldError.
func ScanStreamFrame(data []byte) (StreamFrame, error) {
	var f StreamFrame
	parts := 0
	c := cursor{rest: data}
	for c.next() {
		var err error
		switch {
		case c.is(streamError, protowire.BytesType):
			f.Error, err = text(c.data)
			err = within("error_message", -1, err)
		case c.is(streamResponse, protowire.BytesType):
			if parts++; parts == 1 {
				f.Response = c.data
				break
			}
			// Joining must not make a message of two halves that are none.
			if parts == 2 {
				_, err = ScanResponse(f.Response)
			}
			if err == nil {
				_, err = ScanResponse(c.data)
			}
			f.Response = slices.Concat(f.Response, c.data)
			err = within("infer_response", -1, err)
		}
		if err != nil {
			return StreamFrame{}, err
		}
	}
	if c.err != nil {
		return StreamFrame{}, c.err
	}
	return f, nil
}

// WrapStream returns the segments of an encoded inference.ModelStreamInferResponse of those of its response, without copying
// them. An empty message is none; it must be valid UTF-8, or the error is a *FieldError.
func WrapStream(message string, response [][]byte) ([][]byte, error) {
	if _, err := text([]byte(message)); err != nil {
		return nil, within("error_message", -1, err)
	}
	size := 0
	for _, s := range response {
		size += len(s)
	}
	var head []byte
	if message != "" {
		head = appendBytes(head, streamError, message)
	}
	head = protowire.AppendTag(head, streamResponse, protowire.BytesType)
	head = protowire.AppendVarint(head, uint64(size))
	return append([][]byte{head}, response...), nil
}

// ExtendResponse returns the segments of an encoded ModelInferResponse with more fields behind them: another id, unless it is nil,
// and parameters, of which one with a key that is there replaces it. Nothing is copied. Errors are *FieldError.
func ExtendResponse(response [][]byte, id *string, params []Param) ([][]byte, error) {
	var tail []byte
	if id != nil {
		if _, err := text([]byte(*id)); err != nil {
			return nil, within("id", -1, err)
		}
		tail = appendBytes(tail, responseID, *id)
	}
	if err := checkParams(params); err != nil {
		return nil, err
	}
	for _, p := range params {
		tail = appendParam(tail, responseParameters, p)
	}
	if len(tail) == 0 {
		return response, nil
	}
	return append(slices.Clip(response), tail), nil
}
