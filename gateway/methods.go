package gateway

import (
	"context"
	"errors"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/backend"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/defect"
	"github.com/candor-gateway/candor/internal/wire"
)

// ServerMetadata names, beside our own extension, those of Triton's that work for at least one of the caller's models:
// perf_analyzer and other tools ask here what they may call. An extension of which only a part is offered isn't named.
func (s *oipServer) ServerMetadata(ctx context.Context, _ *inference.ServerMetadataRequest) (*inference.ServerMetadataResponse, error) {
	out := &inference.ServerMetadataResponse{Name: "candor", Version: s.g.version, Extensions: []string{"candor_metadata"}}
	for _, e := range []struct {
		name string
		has  func(*wire.Dialect) bool
	}{
		{"model_configuration", func(d *wire.Dialect) bool { return d.Has("ModelConfig") }},
		{"statistics", func(d *wire.Dialect) bool { return d.Has("ModelStatistics") }},
		// Request parameters, priority and timeout among them, go on to Triton unchanged.
		{"schedule_policy", func(d *wire.Dialect) bool { return d.Value == candorv1.Dialect_DIALECT_TRITON }},
		{"parameters", func(d *wire.Dialect) bool { return d.Value == candorv1.Dialect_DIALECT_TRITON }},
	} {
		if slices.ContainsFunc(s.granted(ctx), func(m *model) bool { return e.has(m.primary.Speech().Wire) }) {
			out.Extensions = append(out.Extensions, e.name)
		}
	}
	return out, nil
}

// granted are the models that the caller may use, by name.
func (s *oipServer) granted(ctx context.Context) []*model {
	p := principal(ctx)
	var out []*model
	pl := s.g.planOf(ctx)
	for _, name := range pl.modelNames {
		if p.mayUse(name) {
			out = append(out, pl.models[name])
		}
	}
	return out
}

// modelConfig is the primary's ModelConfig, under the name that clients use.
func (s *oipServer) modelConfig(ctx context.Context, in *wire.Frame) (*wire.Frame, error) {
	req := new(inference.ModelConfigRequest)
	if err := parse(in, req); err != nil {
		return nil, err
	}
	m, err := s.g.planOf(ctx).modelFor(principal(ctx), req.GetName(), req.GetVersion())
	if err != nil {
		return nil, err
	}
	data, err := s.tell(ctx, m, "ModelConfig")
	if err != nil {
		return nil, err
	}
	if data, err = wire.RenameConfig(data, m.name); err != nil {
		return nil, unreadableAnswer(m.primary, err)
	}
	return wire.NewFrame(data), nil
}

// modelStatistics are the primary's counters, under the name that clients use. As with Triton, no name means every model: here
// those of the caller's whose model server counts.
func (s *oipServer) modelStatistics(ctx context.Context, in *wire.Frame) (*wire.Frame, error) {
	req := new(inference.ModelStatisticsRequest)
	if err := parse(in, req); err != nil {
		return nil, err
	}
	var models []*model
	if req.GetName() == "" {
		models = slices.DeleteFunc(s.granted(ctx), func(m *model) bool { return !known(ctx, m.primary).Wire.Has("ModelStatistics") })
	} else {
		m, err := s.g.planOf(ctx).modelFor(principal(ctx), req.GetName(), req.GetVersion())
		if err != nil {
			return nil, err
		}
		models = []*model{m}
	}
	var all [][]byte
	for _, m := range models {
		data, err := s.tell(ctx, m, "ModelStatistics")
		if err != nil {
			return nil, err
		}
		if data, err = wire.RenameStatistics(data, m.primary.Model(), m.name); err != nil {
			return nil, unreadableAnswer(m.primary, err)
		}
		// Two encodings of a message, one after the other, are the message with the elements of both.
		all = append(all, data)
	}
	return wire.NewFrame(all...), nil
}

// tell asks a model's primary for what Triton tells about a model; both methods' requests have the name and the version in the
// same fields.
func (s *oipServer) tell(ctx context.Context, m *model, method string) ([]byte, error) {
	b := m.primary
	if err := offers(ctx, b, method, (*wire.Dialect).Has); err != nil {
		return nil, err
	}
	question, err := proto.Marshal(&inference.ModelConfigRequest{Name: b.Model(), Version: b.Version()})
	if err != nil {
		return nil, err
	}
	data, err := b.Call(ctx, method, question)
	if err != nil {
		return nil, callError(b, err)
	}
	return data, nil
}

// known is how the backend is spoken with, once that is known if it isn't stated.
func known(ctx context.Context, b *backend.Backend) *backend.Speech {
	if s := b.Speech(); s.Source != candorv1.DialectSource_DIALECT_SOURCE_UNSPECIFIED {
		return s
	}
	return b.Detect(ctx)
}

// offers refuses a method that the backend's model server doesn't have.
func offers(ctx context.Context, b *backend.Backend, method string, has func(*wire.Dialect, string) bool) error {
	speech := known(ctx, b)
	if has(speech.Wire, method) {
		return nil
	}
	why := "backend " + b.Name() + " is of dialect " + dialectName(speech.Dialect) + ", which has no such method"
	if speech.Source == candorv1.DialectSource_DIALECT_SOURCE_UNSPECIFIED {
		why = "which software backend " + b.Name() + " is isn't known; state backends." + b.Name() + ".dialect if it has the method"
	}
	return notOffered(method, why)
}

// RepositoryIndex is what the gateway itself serves to the caller: nothing tells which other models there are, here or on a model
// server.
func (s *oipServer) RepositoryIndex(ctx context.Context, in *inference.RepositoryIndexRequest) (*inference.RepositoryIndexResponse, error) {
	models := s.granted(ctx)
	entries := make([]*inference.RepositoryIndexResponse_ModelIndex, len(models))
	var all defect.Group
	for i, m := range models {
		all.Go(func() {
			entry := &inference.RepositoryIndexResponse_ModelIndex{Name: m.name, Version: m.backendCfg.GetVersion(), State: "READY"}
			if !s.g.ready(ctx, m) {
				entry.State, entry.Reason = "UNAVAILABLE", "neither the model server nor a fallback is ready"
			}
			entries[i] = entry
		})
	}
	all.Wait()
	if in.GetReady() {
		entries = slices.DeleteFunc(entries, func(e *inference.RepositoryIndexResponse_ModelIndex) bool { return e.GetState() != "READY" })
	}
	return &inference.RepositoryIndexResponse{Models: entries}, nil
}

// callError is the error of a call that was forwarded.
func callError(b *backend.Backend, err error) error {
	var f *backend.Failure
	if !errors.As(err, &f) {
		return err
	}
	if f.Class == backend.Excluded && f.Code == codes.Canceled {
		return errf(codes.Canceled, candorv1.ErrorReason_ERROR_REASON_CANCELLED, "the caller went away")
	}
	return backendError(f).with("backend", b.Name()).with("said_by", saidBy(f))
}

// unreadableAnswer is the error of an answer that is no message.
func unreadableAnswer(b *backend.Backend, err error) error {
	return errf(codes.Internal, candorv1.ErrorReason_ERROR_REASON_BACKEND_CONTRACT_FAILURE, "backend %q answered what can't be read: %v", b.Name(), err).
		with("backend", b.Name()).with("fault", err.Error())
}
