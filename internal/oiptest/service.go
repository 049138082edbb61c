package oiptest

import (
	"context"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/gen/inference"
)

// service is the six core methods of the protocol; the others answer UNIMPLEMENTED, as KServe and MLServer do.
type service struct {
	inference.UnimplementedGRPCInferenceServiceServer
	server *Server
}

func (v *service) infer(ctx context.Context, wire []byte) (*inference.ModelInferResponse, error) {
	s := v.server
	call := Call{Request: new(inference.ModelInferRequest), Bytes: wire}
	call.Metadata, _ = metadata.FromIncomingContext(ctx)
	call.Deadline, _ = ctx.Deadline()
	if err := proto.Unmarshal(wire, call.Request); err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "oiptest: not a ModelInferRequest: %v", err)
	}
	s.recordCall(call)
	if err := s.await(ctx); err != nil {
		return nil, err
	}
	if err := s.failure(); err != nil {
		return nil, err
	}
	model, err := s.model(call.Request.GetModelName(), call.Request.GetModelVersion())
	if err != nil {
		return nil, err
	}
	if err := checkOutputs(model, call.Request); err != nil {
		return nil, err
	}
	return v.answer(ctx, model, call.Request)
}

// answer is the script's next step, or the model's own answer.
func (v *service) answer(ctx context.Context, model Model, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
	respond := v.server.nextStep()
	if respond == nil {
		respond = model.Infer
	}
	if respond == nil {
		return nil, status.Errorf(codes.Unimplemented, "oiptest: model %q has no Infer", model.Name)
	}
	resp, err := respond(ctx, req)
	if err != nil {
		return nil, err
	}
	return complete(resp, model, req), nil
}

// complete names model, version and id in an answer that leaves them empty. An answer without outputs stays as it is:
// it is either exact bytes or meant to be empty.
func complete(resp *inference.ModelInferResponse, m Model, req *inference.ModelInferRequest) *inference.ModelInferResponse {
	if len(resp.GetOutputs()) == 0 || (resp.ModelName != "" && resp.ModelVersion != "" && resp.Id != "") {
		return resp
	}
	resp = proto.CloneOf(resp) // a Responder may give the same message to several calls
	if resp.ModelName == "" {
		resp.ModelName = m.Name
	}
	if resp.ModelVersion == "" {
		resp.ModelVersion = m.Version
	}
	if resp.Id == "" {
		resp.Id = req.GetId()
	}
	return resp
}

func checkOutputs(m Model, req *inference.ModelInferRequest) error {
	if len(m.Outputs) == 0 {
		return nil
	}
	for i, out := range req.GetOutputs() {
		known := slices.ContainsFunc(m.Outputs, func(spec TensorSpec) bool { return spec.Name == out.GetName() })
		if !known {
			return status.Errorf(codes.InvalidArgument, "oiptest: outputs[%d]: model %q has no output %q", i, m.Name, out.GetName())
		}
	}
	return nil
}

// model finds a model; the version must be empty or the served one.
func (s *Server) model(name, version string) (Model, error) {
	m, ok := s.models[name]
	if !ok {
		return Model{}, status.Errorf(codes.NotFound, "oiptest: no model %q", name)
	}
	if version != "" && version != m.Version {
		return Model{}, status.Errorf(codes.NotFound, "oiptest: model %q has version %q, not %q", name, m.Version, version)
	}
	return m, nil
}

func (v *service) ServerLive(context.Context, *inference.ServerLiveRequest) (*inference.ServerLiveResponse, error) {
	return &inference.ServerLiveResponse{Live: true}, nil
}

func (v *service) ServerReady(context.Context, *inference.ServerReadyRequest) (*inference.ServerReadyResponse, error) {
	return &inference.ServerReadyResponse{Ready: v.server.ready()}, nil
}

func (v *service) ModelReady(ctx context.Context, req *inference.ModelReadyRequest) (*inference.ModelReadyResponse, error) {
	if err := v.server.await(ctx); err != nil {
		return nil, err
	}
	if _, err := v.server.model(req.GetName(), req.GetVersion()); err != nil {
		return nil, err
	}
	return &inference.ModelReadyResponse{Ready: v.server.ready()}, nil
}

func (v *service) ServerMetadata(context.Context, *inference.ServerMetadataRequest) (*inference.ServerMetadataResponse, error) {
	d := v.server.options.Dialect
	if d.Name == "" {
		d.Name = "oiptest"
	}
	return &inference.ServerMetadataResponse{Name: d.Name, Version: "1", Extensions: d.Extensions}, nil
}

func (v *service) ModelMetadata(ctx context.Context, req *inference.ModelMetadataRequest) (*inference.ModelMetadataResponse, error) {
	if err := v.server.await(ctx); err != nil {
		return nil, err
	}
	m, err := v.server.model(req.GetName(), req.GetVersion())
	if err != nil {
		return nil, err
	}
	out := &inference.ModelMetadataResponse{
		Name:     m.Name,
		Versions: []string{m.Version},
		Platform: "oiptest",
		Inputs:   tensorMetadata(m.Inputs),
		Outputs:  tensorMetadata(m.Outputs),
	}
	out.ProtoReflect().SetUnknown(v.server.options.Dialect.MetadataTail)
	return out, nil
}

func tensorMetadata(specs []TensorSpec) []*inference.ModelMetadataResponse_TensorMetadata {
	out := make([]*inference.ModelMetadataResponse_TensorMetadata, len(specs))
	for i, spec := range specs {
		out[i] = &inference.ModelMetadataResponse_TensorMetadata{Name: spec.Name, Datatype: spec.Datatype, Shape: spec.Shape}
	}
	return out
}
