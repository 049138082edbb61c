package gateway

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/wire"
)

// oipService is the protocol's service name.
const oipService = "inference.GRPCInferenceService"

// registerOIP registers the protocol by an explicit service description: the methods as generated, except that ModelInfer
// and ModelStreamInfer take and give raw frames, so that no tensor is ever unmarshalled.
func registerOIP(srv grpc.ServiceRegistrar, g *Gateway) {
	desc := inference.GRPCInferenceService_ServiceDesc
	desc.Methods = slices.Clone(desc.Methods)
	for i := range desc.Methods {
		if desc.Methods[i].MethodName == "ModelInfer" {
			desc.Methods[i].Handler = rawUnary("/"+oipService+"/ModelInfer", (*oipServer).modelInfer)
		}
	}
	desc.Streams = slices.Clone(desc.Streams)
	for i := range desc.Streams {
		if desc.Streams[i].StreamName == "ModelStreamInfer" {
			desc.Streams[i].Handler = streamInfer(g, callerFrames)
		}
	}
	srv.RegisterService(&desc, &oipServer{g: g})
}

// rawUnary makes a grpc-go handler of a method over frames.
func rawUnary[S any](fullMethod string, method func(S, context.Context, *wire.Frame) (*wire.Frame, error)) grpc.MethodHandler {
	return func(srv any, ctx context.Context, dec func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
		in := new(wire.Frame)
		if err := dec(in); err != nil {
			return nil, err
		}
		handler := func(ctx context.Context, req any) (any, error) {
			out, err := method(srv.(S), ctx, req.(*wire.Frame))
			if err != nil {
				return nil, err
			}
			return out, nil
		}
		if interceptor == nil {
			return handler(ctx, in)
		}
		return interceptor(ctx, in, &grpc.UnaryServerInfo{Server: srv, FullMethod: fullMethod}, handler)
	}
}

// oipServer is the gRPC adapter of the protocol. Methods that it doesn't name are refused as not offered.
type oipServer struct {
	inference.UnimplementedGRPCInferenceServiceServer
	g *Gateway
}

func (s *oipServer) modelInfer(ctx context.Context, in *wire.Frame) (*wire.Frame, error) {
	reply, err := s.g.Infer(ctx, Caller{Principal: principal(ctx)}, in.Bytes())
	if reply != nil {
		setTrailer(ctx, reply, err)
	}
	if err != nil {
		return nil, err
	}
	return wire.NewFrame(reply.Segments...), nil
}

const (
	trailerID         = "candor-prediction-id"
	trailerPrediction = "candor-prediction-bin"
	// maxTrailers is the most that all trailers together may take after base64: gRPC's Python and C++ clients refuse more than
	// 8 KiB of metadata, and proxies on the way add some.
	maxTrailers = 4 << 10
	// headerOverhead per header, as HTTP/2 counts a header list (RFC 9113, section 6.5.2).
	headerOverhead = 32
)

// setTrailer sends the typed predictions beside the reply, or, when they don't fit, only the id.
func setTrailer(ctx context.Context, reply *Reply, err error) {
	md := metadata.Pairs(trailerID, reply.PredictionID)
	used := len(trailerID) + len(reply.PredictionID) + headerOverhead + statusSize(err)
	msg := &candorv1.PredictResponse{Predictions: reply.Predictions}
	if len(reply.Predictions) > 0 && used+base64.StdEncoding.EncodedLen(proto.Size(msg))+len(trailerPrediction)+headerOverhead <= maxTrailers {
		if b, err := proto.Marshal(msg); err == nil {
			md.Set(trailerPrediction, string(b))
		}
	}
	// The only error is a stream that has ended; then nobody reads trailers.
	_ = grpc.SetTrailer(ctx, md)
}

// statusSize is what an error's status takes of the trailers.
func statusSize(err error) int {
	var e *Error
	if !errors.As(err, &e) {
		return 0
	}
	st := e.GRPCStatus()
	// grpc-message is percent-encoded: at the worst three bytes for one.
	return base64.StdEncoding.EncodedLen(proto.Size(st.Proto())) + 3*len(st.Message()) + 2*headerOverhead
}

func (s *oipServer) ServerLive(context.Context, *inference.ServerLiveRequest) (*inference.ServerLiveResponse, error) {
	return &inference.ServerLiveResponse{Live: true}, nil
}

// ServerReady: the gateway takes calls until it drains. That a backend is away doesn't make the gateway unready, because it
// has an answer for that.
func (s *oipServer) ServerReady(context.Context, *inference.ServerReadyRequest) (*inference.ServerReadyResponse, error) {
	select {
	case <-s.g.stopping:
		return &inference.ServerReadyResponse{}, nil
	default:
		return &inference.ServerReadyResponse{Ready: true}, nil
	}
}

// ModelReady: the primary is ready, or enough members of its fallback are.
func (s *oipServer) ModelReady(ctx context.Context, in *inference.ModelReadyRequest) (*inference.ModelReadyResponse, error) {
	m, err := s.g.modelFor(principal(ctx), in.GetName(), in.GetVersion())
	if err != nil {
		return nil, err
	}
	if m.primary.Ready(ctx) {
		return &inference.ModelReadyResponse{Ready: true}, nil
	}
	if m.ensemble == nil {
		return &inference.ModelReadyResponse{}, nil
	}
	ready := 0
	for _, member := range m.ensemble.Members {
		if s.g.backends[member.Backend].Ready(ctx) {
			ready++
		}
	}
	remedial := m.ensemble.Remedial != nil && (m.ensemble.Remedial.Backend == "" || s.g.backends[m.ensemble.Remedial.Backend].Ready(ctx))
	return &inference.ModelReadyResponse{Ready: ready >= m.ensemble.Quorum || remedial}, nil
}

func (s *oipServer) ServerMetadata(context.Context, *inference.ServerMetadataRequest) (*inference.ServerMetadataResponse, error) {
	return &inference.ServerMetadataResponse{Name: "candor", Version: s.g.version, Extensions: []string{"candor_metadata"}}, nil
}

// ModelMetadata is the primary's, under the name that clients use, with our metadata tensors advertised. When the model server
// doesn't answer, the card does.
func (s *oipServer) ModelMetadata(ctx context.Context, in *inference.ModelMetadataRequest) (*inference.ModelMetadataResponse, error) {
	m, err := s.g.modelFor(principal(ctx), in.GetName(), in.GetVersion())
	if err != nil {
		return nil, err
	}
	out := &inference.ModelMetadataResponse{Platform: "candor"}
	if md, err := m.primary.Metadata(ctx); err == nil {
		out = proto.CloneOf(md)
	} else {
		for _, i := range m.backendCfg.GetCard().GetInputs() {
			out.Inputs = append(out.Inputs, tensorMetadata(i.GetName(), i.GetDatatype(), i.GetShape()))
		}
		for _, o := range m.backendCfg.GetCard().GetOutputs() {
			out.Outputs = append(out.Outputs, tensorMetadata(o.GetName(), o.GetDatatype(), o.GetShape()))
		}
	}
	out.Name, out.Versions = m.name, []string{m.backendCfg.GetVersion()}
	out.Outputs = slices.DeleteFunc(out.Outputs, func(t *inference.ModelMetadataResponse_TensorMetadata) bool { return isOurs(t.GetName()) })
	for _, t := range metadataOutputs {
		out.Outputs = append(out.Outputs, tensorMetadata(t.name, t.datatype.String(), []int64{-1}))
	}
	return out, nil
}

func tensorMetadata(name, datatype string, shape []int64) *inference.ModelMetadataResponse_TensorMetadata {
	return &inference.ModelMetadataResponse_TensorMetadata{Name: name, Datatype: datatype, Shape: shape}
}

// notOffered is the answer of every method of the dialects that Candor doesn't serve (yet).
func notOffered(method, why string) *Error {
	return errf(codes.Unimplemented, candorv1.ErrorReason_ERROR_REASON_METHOD_NOT_OFFERED, "Candor does not offer %s: %s", method, why).with("method", method)
}

// notServed answers calls of methods that no service here has.
func notServed(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.Method(stream.Context())
	return notOffered(method, "there is no such method here")
}
