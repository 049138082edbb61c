package oiptest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/gen/inference"
)

// The parameters by which Triton says of a response on a stream whether it is its request's last one, and by which a client asks
// for an empty response that says so.
const (
	FinalParam     = "triton_final_response"
	WantFinalParam = "triton_enable_empty_final_response"
)

// StreamResponder answers one request on a stream with any number of responses, as a decoupled model does. send waits while the
// caller takes no more. An error becomes one in band, or with bare frames the end of the stream.
type StreamResponder func(ctx context.Context, req *inference.ModelInferRequest, send func(*inference.ModelInferResponse) error) error

// Stream is one ModelStreamInfer as it arrived, for [Server.ScriptStream]. Recv and Send may be used beside each other.
type Stream struct {
	server *Server
	grpc   grpc.ServerStream
	mu     sync.Mutex // over Send
}

// ScriptStream lets f serve the next streams, one each, instead of the models. f's error, which should be a gRPC status, ends the
// stream; nil ends it without one.
func (s *Server) ScriptStream(f ...func(*Stream) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.streams = append(s.faults.streams, f...)
}

// Streams is how many streams were opened.
func (s *Server) Streams() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.record.streams
}

// Context ends with the stream.
func (st *Stream) Context() context.Context { return st.grpc.Context() }

// Recv is the next request, which is recorded like a ModelInfer; io.EOF: the client sends no more.
func (st *Stream) Recv() (*inference.ModelInferRequest, error) {
	var in frame
	if err := st.grpc.RecvMsg(&in); err != nil {
		return nil, err
	}
	call := Call{Request: new(inference.ModelInferRequest), Bytes: in.bytes}
	call.Metadata, _ = metadata.FromIncomingContext(st.Context())
	call.Deadline, _ = st.Context().Deadline()
	if err := proto.Unmarshal(in.bytes, call.Request); err != nil {
		return nil, fmt.Errorf("oiptest: not a ModelInferRequest: %w", err)
	}
	st.server.recordCall(call)
	return call.Request, nil
}

// Send sends a response in the server's frames.
func (st *Stream) Send(resp *inference.ModelInferResponse) error {
	if st.server.options.Bare {
		return st.send(resp)
	}
	return st.send(&inference.ModelStreamInferResponse{InferResponse: resp})
}

// SendError sends an error in band for the request with this id. Bare frames have no such thing.
func (st *Stream) SendError(id, message string) error {
	if st.server.options.Bare {
		return errors.New("oiptest: bare frames have no place for an error")
	}
	return st.send(&inference.ModelStreamInferResponse{ErrorMessage: message, InferResponse: &inference.ModelInferResponse{Id: id}})
}

// SendBytes sends exactly these bytes as a message.
func (st *Stream) SendBytes(b []byte) error { return st.send(&frame{bytes: b}) }

func (st *Stream) send(m any) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.grpc.SendMsg(m)
}

// Mark sets triton_final_response, and returns resp.
func Mark(resp *inference.ModelInferResponse, final bool) *inference.ModelInferResponse {
	if resp.Parameters == nil {
		resp.Parameters = map[string]*inference.InferParameter{}
	}
	resp.Parameters[FinalParam] = &inference.InferParameter{ParameterChoice: &inference.InferParameter_BoolParam{BoolParam: final}}
	return resp
}

// streamInfer serves one ModelStreamInfer: by the script, or request by request by the models. Answers come in the order of their
// requests.
func (v *service) streamInfer(ss grpc.ServerStream) error {
	st := &Stream{server: v.server, grpc: ss}
	if script := v.server.nextStream(); script != nil {
		return script(st)
	}
	for {
		req, err := st.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := v.server.await(st.Context()); err != nil {
			return err
		}
		if err := st.serve(req); err != nil {
			if v.server.options.Bare || st.Context().Err() != nil {
				return err
			}
			if err := st.SendError(req.GetId(), status.Convert(err).Message()); err != nil {
				return err
			}
		}
	}
}

// serve answers one request.
func (st *Stream) serve(req *inference.ModelInferRequest) error {
	if err := st.server.failure(); err != nil {
		return err
	}
	model, err := st.server.model(req.GetModelName(), req.GetModelVersion())
	if err != nil {
		return err
	}
	if err := checkOutputs(model, req); err != nil {
		return err
	}
	if model.Stream == nil {
		resp, err := (&service{server: st.server}).answer(st.Context(), model, req)
		if err != nil {
			return err
		}
		if !st.server.options.Bare {
			resp = Mark(proto.CloneOf(resp), true)
		}
		return st.Send(resp)
	}
	err = model.Stream(st.Context(), req, func(resp *inference.ModelInferResponse) error {
		resp = complete(proto.CloneOf(resp), model, req)
		if _, marked := resp.GetParameters()[FinalParam]; !marked && !st.server.options.Bare {
			Mark(resp, false)
		}
		return st.Send(resp)
	})
	if err != nil || st.server.options.Bare || !req.GetParameters()[WantFinalParam].GetBoolParam() {
		return err
	}
	return st.Send(Mark(&inference.ModelInferResponse{ModelName: model.Name, ModelVersion: model.Version, Id: req.GetId()}, true))
}

func (s *Server) nextStream() func(*Stream) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record.streams++
	if len(s.faults.streams) == 0 {
		return nil
	}
	next := s.faults.streams[0]
	s.faults.streams = s.faults.streams[1:]
	return next
}
