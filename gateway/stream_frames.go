package gateway

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
)

// Frames is what a client's stream looks like. The zero value is Triton's.
type Frames struct {
	// Bare: responses without a frame, as clients of MLServer and Seldon read them. There is no place for an error in them, so the
	// first one ends the stream, with its status.
	Bare bool
	// EndOnError: the client reads frames, and wants the first error to end the stream all the same.
	EndOnError bool
}

// errorHeader is Triton's: a client that sends it as "true" gets statuses instead of error messages.
const errorHeader = "triton_grpc_error"

// callerFrames answers how the stream of a caller of this dialect looks. It is the one place that knows.
func callerFrames(ctx context.Context, d candorv1.Dialect) Frames {
	values := metadata.ValueFromIncomingContext(ctx, errorHeader)
	return Frames{Bare: wire.DialectOf(d).Frames == wire.StreamBare, EndOnError: len(values) > 0 && values[0] == "true"}
}

// reply sends what came out of the stages for a response.
func (s *clientStream) reply(q *question, c *call, index int, reply *Reply, err error, final bool) {
	if err != nil {
		s.tell(notice{id: q.id, model: c.model.name, call: c, index: index, final: final}, err)
		return
	}
	params := []wire.Param{wire.Int64Param("candor_response_index", int64(index))}
	var id *string
	switch {
	case c.response == nil:
		// Made by us, with the client's id. What Triton says of each response of a stream, we say of ours.
		if !s.frames.Bare {
			params = append(params, wire.BoolParam(paramFinal, final))
		}
	default:
		if c.response.ID != q.id {
			id = &q.id
		}
		_, marked := c.response.Param(paramFinal)
		if !s.frames.Bare && !marked && (final || c.model.primary.StreamsBare()) {
			// Of one on a bare stream only the end of the stream will tell: until then another may come.
			params = append(params, wire.BoolParam(paramFinal, final))
		}
	}
	if err := wire.ExtendResponse(reply.Frame, id, params); err != nil {
		s.cancel(unbuilt(err))
		return
	}
	if err := s.send("", reply.Frame); err != nil {
		s.tell(notice{id: q.id, model: c.model.name, call: c, index: index, final: final}, s.g.named(c, err))
	}
}

// empty is the empty final response of a request whose model server has no such thing.
func (s *clientStream) empty(q *question) {
	m := q.template.model
	data, err := wire.BuildResponse(m.name, m.backendCfg.GetVersion(), q.id, []wire.Param{wire.BoolParam(paramFinal, true)}, nil, true)
	if err != nil {
		s.cancel(unbuilt(err))
		return
	}
	if err := s.send("", wire.NewFrame(data)); err != nil {
		s.cancel(err)
	}
}

// notice is what an error in band is about.
type notice struct {
	id, model string
	// call that ended in the error, and which of its request's responses it was for; nil: it was not admitted.
	call  *call
	index int
	// final: nothing more comes for the request.
	final bool
}

// tell tells the client an error: in band, and the stream goes on; or, where its frames have no place for it, by ending the stream.
func (s *clientStream) tell(n notice, err error) {
	var e *Error
	if s.frames.Bare || s.frames.EndOnError || !errors.As(err, &e) {
		s.cancel(err)
		return
	}
	version := ""
	params := []wire.Param{
		wire.StringParam("candor_error", shortReason(e.Reason)), wire.Int64Param("candor_error_code", int64(e.Code)),
		wire.BoolParam(paramFinal, n.final),
	}
	if e.RetryAfter > 0 {
		params = append(params, wire.Int64Param("candor_retry_after_ms", max(1, e.RetryAfter.Milliseconds())))
	}
	var tail []byte
	message := e.Error()
	if e.Resource != "" {
		message += "; " + e.Resource
	}
	if c := n.call; c != nil {
		version = c.model.backendCfg.GetVersion()
		message = brief(message, maxErrorMessage) + "; prediction " + c.idText
		params = append(params, wire.Int64Param("candor_response_index", int64(n.index)))
		tail = c.params(nil)
	}
	data, buildErr := wire.BuildResponse(n.model, version, n.id, params, nil, true)
	if buildErr != nil {
		s.cancel(unbuilt(buildErr))
		return
	}
	if err := s.send(brief(message, maxStreamError), wire.NewFrame(data, tail)); err != nil {
		s.cancel(err)
	}
}

// maxStreamError bounds an error in band, in bytes: a status's message, the name of a review item and an id.
const maxStreamError = 512

// send sends a response, framed as the client reads it, and waits while the client takes no more. The stream ends with what goes wrong there.
// The error is an *Error, and the response's own: it is larger than the transport would send, and the stream goes on without it.
func (s *clientStream) send(message string, frame *wire.Frame) error {
	if !s.frames.Bare {
		var err error
		if frame, err = wire.WrapStream(message, frame); err != nil {
			s.cancel(unbuilt(err))
			return nil
		}
	}
	frame, err := s.g.outgoing(frame)
	if err != nil {
		return err
	}
	s.sending.Lock()
	defer s.sending.Unlock()
	if s.over() {
		return nil
	}
	if err := s.conn.Send(frame); err != nil {
		s.cancel(err)
	}
	return nil
}

// unbuilt is the Error of an answer that can't be put together although everything in it has been checked.
func unbuilt(err error) *Error {
	return errf(codes.Internal, candorv1.ErrorReason_ERROR_REASON_INTERNAL, "the answer could not be put together: %v", err)
}
