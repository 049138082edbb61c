package wire

import (
	"google.golang.org/protobuf/encoding/protowire"
)

// The field numbers of ModelStreamInferResponse, Triton's frame around the responses of a stream. MLServer and Seldon send
// responses without a frame.
const (
	streamError    protowire.Number = 1
	streamResponse protowire.Number = 2
)

// StreamFrame is what an inference.ModelStreamInferResponse holds.
type StreamFrame struct {
	// Error is error_message; empty: none.
	Error string
	// Response is the encoded ModelInferResponse; empty also where there is none, which reads the same.
	Response *Frame
}

// ScanStreamFrame views f, an encoded inference.ModelStreamInferResponse. The response in it is not copied, and not looked at
// ([ScanResponse] does that), unless it comes in several parts, which protobuf merges: then they are joined. Errors are
// *FieldError. f is still the caller's.
func ScanStreamFrame(f *Frame) (StreamFrame, error) {
	out := StreamFrame{Response: new(Frame)}
	parts := 0
	c := walk(f, streamResponse)
	for c.next() {
		var err error
		switch {
		case c.is(streamError, protowire.BytesType):
			out.Error, err = new(scanner).text(c.data)
			err = within("error_message", -1, err)
		case c.is(streamResponse, protowire.BytesType):
			size := c.size
			if !c.farAway {
				size = len(c.data)
			}
			part := new(Frame)
			part.part(f, c.end-size, c.end)
			// Joining must not make a message of two halves that are none.
			if parts++; parts == 2 {
				_, err = ScanResponse(out.Response)
			}
			if parts >= 2 && err == nil {
				_, err = ScanResponse(part)
			}
			out.Response.part(part, 0, size)
			err = within("infer_response", -1, err)
		}
		if err != nil {
			return StreamFrame{}, err
		}
	}
	if c.err != nil {
		return StreamFrame{}, c.err
	}
	return out, nil
}

// WrapStream makes an encoded inference.ModelStreamInferResponse of its response, without copying it. It takes over response. An
// empty message is none; it must be valid UTF-8, or the error is a *FieldError.
func WrapStream(message string, response *Frame) (*Frame, error) {
	if err := text(message); err != nil {
		return nil, within("error_message", -1, err)
	}
	var head []byte
	if message != "" {
		head = appendBytes(head, streamError, message)
	}
	head = protowire.AppendTag(head, streamResponse, protowire.BytesType)
	out := new(Frame)
	out.add(protowire.AppendVarint(head, uint64(response.Len())))
	out.part(response, 0, response.Len())
	response.Free()
	return out, nil
}

// ExtendResponse puts more fields behind an encoded ModelInferResponse: another id, unless it is nil, and parameters, of which one
// with a key that is there replaces it. Errors are *FieldError.
func ExtendResponse(response *Frame, id *string, params []Param) error {
	var tail []byte
	if id != nil {
		if err := text(*id); err != nil {
			return within("id", -1, err)
		}
		tail = appendBytes(tail, responseID, *id)
	}
	if err := checkParams(params); err != nil {
		return err
	}
	for _, p := range params {
		tail = appendParam(tail, responseParameters, p)
	}
	response.add(tail)
	return nil
}
