package modelserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"

	"github.com/candor-gateway/candor/examples/digits"
	"github.com/candor-gateway/candor/gen/inference"
)

const (
	serverName    = "candor-digits"
	serverVersion = "1"
	// maxMessageBytes holds a batch of 65,536 images with room to spare. gRPC's own default is 4 MiB.
	maxMessageBytes = 32 << 20
	// maxStreams is how many calls a connection may have open; gRPC's own default is no limit.
	maxStreams = 256
)

// Server serves models. Its methods may be called from many goroutines at once.
type Server struct {
	inference.UnimplementedGRPCInferenceServiceServer
	grpc    *grpc.Server
	models  map[string]*served
	latency atomic.Int64 // nanoseconds
}

// served is a model and what has been asked of it.
type served struct {
	*digits.Model
	requests, rows atomic.Int64
}

// New makes a server of these models, each under its own name. It panics on two models of one name, which is a mistake
// of the program and not of its user.
func New(models ...*digits.Model) *Server {
	s := &Server{
		grpc: grpc.NewServer(
			grpc.MaxRecvMsgSize(maxMessageBytes),
			grpc.MaxConcurrentStreams(maxStreams),
			grpc.WaitForHandlers(true),
		),
		models: make(map[string]*served, len(models)),
	}
	for _, m := range models {
		if _, twice := s.models[m.Name]; twice {
			panic(fmt.Sprintf("modelserver: two models named %q", m.Name))
		}
		s.models[m.Name] = &served{Model: m}
	}
	inference.RegisterGRPCInferenceServiceServer(s.grpc, s)
	reflection.Register(s.grpc) // so that grpcurl needs no proto file
	return s
}

// Serve answers on lis, which it closes, until Stop or GracefulStop; then, or if they came first, it returns nil. A
// server serves once.
func (s *Server) Serve(lis net.Listener) error {
	if err := s.grpc.Serve(lis); !errors.Is(err, grpc.ErrServerStopped) {
		return err
	}
	return nil
}

// Stop closes every connection at once, as if the process had died, and waits for the handlers.
func (s *Server) Stop() { s.grpc.Stop() }

// GracefulStop takes no new calls and waits for those in flight, however long they take; Stop ends the wait.
func (s *Server) GracefulStop() { s.grpc.GracefulStop() }

// SetLatency makes each ModelInfer take at least this long, to play a slow model. 0: as fast as it is.
func (s *Server) SetLatency(d time.Duration) { s.latency.Store(int64(d)) }

// Stats are counts of ModelInfer since the start.
type Stats struct {
	// Requests that named the model, answered or not.
	Requests int64
	// Rows that the model computed.
	Rows int64
}

// Stats of a model; zero for one that isn't served.
func (s *Server) Stats(model string) Stats {
	m, ok := s.models[model]
	if !ok {
		return Stats{}
	}
	return Stats{Requests: m.requests.Load(), Rows: m.rows.Load()}
}

// Rows that all the models computed.
func (s *Server) Rows() int64 {
	var n int64
	for _, m := range s.models {
		n += m.rows.Load()
	}
	return n
}

// ServerLive says that the process is there.
func (s *Server) ServerLive(context.Context, *inference.ServerLiveRequest) (*inference.ServerLiveResponse, error) {
	return &inference.ServerLiveResponse{Live: true}, nil
}

// ServerReady says that every model is loaded, which New has seen to.
func (s *Server) ServerReady(context.Context, *inference.ServerReadyRequest) (*inference.ServerReadyResponse, error) {
	return &inference.ServerReadyResponse{Ready: true}, nil
}

// ModelReady is true, or NOT_FOUND.
func (s *Server) ModelReady(_ context.Context, req *inference.ModelReadyRequest) (*inference.ModelReadyResponse, error) {
	if _, err := s.find("name", req.GetName(), req.GetVersion()); err != nil {
		return nil, err
	}
	return &inference.ModelReadyResponse{Ready: true}, nil
}

// ServerMetadata names the server.
func (s *Server) ServerMetadata(context.Context, *inference.ServerMetadataRequest) (*inference.ServerMetadataResponse, error) {
	return &inference.ServerMetadataResponse{Name: serverName, Version: serverVersion}, nil
}

// ModelMetadata tells a model's tensors, or NOT_FOUND.
func (s *Server) ModelMetadata(_ context.Context, req *inference.ModelMetadataRequest) (*inference.ModelMetadataResponse, error) {
	m, err := s.find("name", req.GetName(), req.GetVersion())
	if err != nil {
		return nil, err
	}
	return &inference.ModelMetadataResponse{
		Name:     m.Name,
		Versions: []string{m.Version},
		Platform: "go",
		Inputs: []*inference.ModelMetadataResponse_TensorMetadata{
			{Name: inputName, Datatype: fp32, Shape: []int64{-1, digits.Pixels}},
		},
		Outputs: []*inference.ModelMetadataResponse_TensorMetadata{
			{Name: string(m.Output), Datatype: fp32, Shape: []int64{-1, digits.Classes}},
			{Name: labelName, Datatype: bytesType, Shape: []int64{-1}},
		},
	}, nil
}

// ModelInfer answers each row of the request by itself. Errors: NOT_FOUND for a model or version that isn't served,
// INVALID_ARGUMENT for a request that isn't right, CANCELLED or DEADLINE_EXCEEDED if the caller has gone.
func (s *Server) ModelInfer(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
	m, err := s.find("model_name", req.GetModelName(), req.GetModelVersion())
	if err != nil {
		return nil, err
	}
	m.requests.Add(1)
	wanted, err := wantedOutputs(m.Model, req)
	if err != nil {
		return nil, err
	}
	images, err := readImages(req)
	if err != nil {
		return nil, err
	}
	if err := sleep(ctx, time.Duration(s.latency.Load())); err != nil {
		return nil, err
	}
	answer, err := infer(ctx, m.Model, images)
	if err != nil {
		return nil, err
	}
	m.rows.Add(int64(len(images)))
	resp := answer.encode(m.Model, wanted, answersRaw(req))
	resp.Id = req.GetId()
	return resp, nil
}

// find needs the name of the field that holds the model's name, for the message.
func (s *Server) find(field, name, version string) (*served, error) {
	m, ok := s.models[name]
	if !ok {
		return nil, status.Errorf(codes.NotFound, "%s: no model %q here; there are %q", field, name, s.names())
	}
	if version != "" && version != m.Version {
		return nil, status.Errorf(codes.NotFound, "model %q has no version %q here; there is %q", name, version, m.Version)
	}
	return m, nil
}

func (s *Server) names() []string {
	var names []string
	for name := range s.models {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// sleep waits, unless the caller goes first.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
}
