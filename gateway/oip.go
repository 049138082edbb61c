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

	"github.com/candor-gateway/candor/fallback"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/wire"
)

// registerOIP registers the protocol under each name that a dialect has for it, by explicit service descriptions: the methods as
// generated, except that some take and give raw frames: ModelInfer and ModelStreamInfer, so that no tensor is ever unmarshalled,
// and those that are forwarded or whose layout differs between dialects.
func registerOIP(srv grpc.ServiceRegistrar, g *Gateway) {
	for service, dialect := range wire.Services() {
		desc := inference.GRPCInferenceService_ServiceDesc
		desc.ServiceName = service
		desc.Methods = slices.Clone(desc.Methods)
		for i := range desc.Methods {
			if method, ok := rawMethods[desc.Methods[i].MethodName]; ok {
				desc.Methods[i].Handler = rawUnary("/"+service+"/"+desc.Methods[i].MethodName, method)
			}
		}
		desc.Streams = slices.Clone(desc.Streams)
		for i := range desc.Streams {
			if desc.Streams[i].StreamName == "ModelStreamInfer" {
				desc.Streams[i].Handler = streamInfer(g, dialect)
			}
		}
		srv.RegisterService(&desc, &oipServer{g: g, dialect: dialect})
	}
}

// rawMethods are the methods over frames.
var rawMethods = map[string]func(*oipServer, context.Context, *wire.Frame) (*wire.Frame, error){
	"ModelInfer":            (*oipServer).modelInfer,
	"ModelConfig":           (*oipServer).modelConfig,
	"ModelStatistics":       (*oipServer).modelStatistics,
	"RepositoryModelLoad":   (*oipServer).repositoryModelLoad,
	"RepositoryModelUnload": (*oipServer).repositoryModelUnload,
	"TraceSetting":          (*oipServer).traceSetting,
	"LogSettings":           (*oipServer).logSettings,
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
	// dialect is what the service's name tells about its callers.
	dialect candorv1.Dialect
}

func (s *oipServer) modelInfer(ctx context.Context, in *wire.Frame) (*wire.Frame, error) {
	told := wantsTrailers(ctx)
	reply, err := s.g.Infer(ctx, Caller{Principal: principal(ctx), Told: told, Dialect: s.dialect}, in)
	if reply != nil && (told || err != nil) {
		setTrailer(ctx, reply, err)
	}
	if err != nil {
		return nil, err
	}
	return s.g.outgoing(reply.Frame)
}

// outgoing refuses an answer that the transport would refuse to send, with a reason. What it tells was decided and recorded all the
// same: GetPrediction has it.
func (g *Gateway) outgoing(f *wire.Frame) (*wire.Frame, error) {
	limit := int(g.plan().cfg.GetListen().GetMaxMessageBytes())
	if f.Len() <= limit {
		return f, nil
	}
	return nil, errf(codes.ResourceExhausted, candorv1.ErrorReason_ERROR_REASON_MESSAGE_TOO_LARGE,
		"the answer of %d bytes is larger than listen.max_message_bytes, %d bytes; send fewer rows, or name fewer outputs", f.Len(), limit).
		with("limit_bytes", count(limit)).with("size_bytes", count(f.Len()))
}

// wantsTrailers: a successful answer has all that matters in its parameters. Trailers that change with every call cost both
// sides more than everything else that is said about a prediction (docs/adr/0014), so whoever reads them asks for them.
func wantsTrailers(ctx context.Context) bool {
	return slices.Contains(incomingValues(ctx, headerTrailers), wantPrediction)
}

const (
	// headerTrailers is the request's metadata by which a caller asks for what wantPrediction names.
	headerTrailers = "candor-trailers"
	wantPrediction = "prediction"

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
	case <-s.g.leaving:
		return &inference.ServerReadyResponse{}, nil
	default:
		return &inference.ServerReadyResponse{Ready: true}, nil
	}
}

// ModelReady: the primary is ready, or enough members of its fallback are.
func (s *oipServer) ModelReady(ctx context.Context, in *inference.ModelReadyRequest) (*inference.ModelReadyResponse, error) {
	m, err := s.g.planOf(ctx).modelFor(principal(ctx), in.GetName(), in.GetVersion())
	if err != nil {
		var e *Error
		if principal(ctx).speaks(s.dialect) == candorv1.Dialect_DIALECT_TRITON && errors.As(err, &e) && e.Code == codes.NotFound {
			return &inference.ModelReadyResponse{}, nil // as Triton says of what isn't there
		}
		return nil, err
	}
	return &inference.ModelReadyResponse{Ready: s.g.ready(ctx, m)}, nil
}

// ready says whether somebody can answer for the model.
func (g *Gateway) ready(ctx context.Context, m *model) bool {
	if m.primary.Ready(ctx) {
		return true
	}
	return slices.ContainsFunc(m.tiers, func(e *fallback.Ensemble) bool { return m.plan.quorumReady(ctx, e) })
}

func (pl *plan) quorumReady(ctx context.Context, e *fallback.Ensemble) bool {
	ready := 0
	for _, member := range e.Members {
		if pl.backends[member.Backend].Ready(ctx) {
			ready++
		}
	}
	return ready >= e.Quorum || slices.ContainsFunc(e.Remedials, func(r fallback.Remedial) bool {
		return r.Backend == "" || pl.backends[r.Backend].Ready(ctx)
	})
}

// ModelMetadata is the primary's, under the name that clients use, with our metadata tensors advertised. When the model server
// doesn't answer, the card does.
func (s *oipServer) ModelMetadata(ctx context.Context, in *inference.ModelMetadataRequest) (*inference.ModelMetadataResponse, error) {
	m, err := s.g.planOf(ctx).modelFor(principal(ctx), in.GetName(), in.GetVersion())
	if err != nil {
		return nil, err
	}
	out := &inference.ModelMetadataResponse{Platform: "candor"}
	if md, err := m.primary.Metadata(ctx); err == nil {
		out = proto.CloneOf(md)
		s.bridgeMetadata(ctx, m.primary, out)
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
		out.Outputs = append(out.Outputs, tensorMetadata(t.name, t.datatype.String(), metadataShape(-1, m)))
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
