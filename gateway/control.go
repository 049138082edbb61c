package gateway

import (
	"context"
	"log/slog"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/candor-gateway/candor/backend"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/wire"
)

// backendKey is the request metadata by which an operator names the backend that a method is for, where no model does.
const backendKey = "candor-backend"

// repositoryModelLoad and repositoryModelUnload go to the primary of the model that is named as clients name it.
func (s *oipServer) repositoryModelLoad(ctx context.Context, in *wire.Frame) (*wire.Frame, error) {
	return s.repository(ctx, "RepositoryModelLoad", in)
}

func (s *oipServer) repositoryModelUnload(ctx context.Context, in *wire.Frame) (*wire.Frame, error) {
	return s.repository(ctx, "RepositoryModelUnload", in)
}

func (s *oipServer) repository(ctx context.Context, method string, in *wire.Frame) (*wire.Frame, error) {
	load, err := wire.ScanLoad(in.Bytes())
	if err != nil {
		return nil, fromWire(err)
	}
	b, err := s.controlled(ctx, candorv1.Control_CONTROL_REPOSITORY, method, load.Model)
	if err != nil {
		return nil, err
	}
	form := known(ctx, b).Wire.LoadName
	if err := offers(ctx, b, method, func(d *wire.Dialect, _ string) bool { return d.LoadName != wire.LoadNone }); err != nil {
		return nil, err
	}
	answer, err := b.Call(ctx, method, load.For(form, b.Model()))
	if err != nil {
		return nil, callError(b, err)
	}
	return wire.NewFrame(load.Done(form, answer)), nil
}

// traceSetting is for one model's primary, or for a backend as a whole.
func (s *oipServer) traceSetting(ctx context.Context, in *wire.Frame) (*wire.Frame, error) {
	model, err := wire.TracedModel(in.Bytes())
	if err != nil {
		return nil, fromWire(err)
	}
	b, err := s.controlled(ctx, candorv1.Control_CONTROL_TRACE, "TraceSetting", model)
	if err != nil {
		return nil, err
	}
	data := in.Bytes()
	if model != "" {
		data = wire.RenameTraced(data, b.Model())
	}
	return s.control(ctx, b, "TraceSetting", data)
}

func (s *oipServer) logSettings(ctx context.Context, in *wire.Frame) (*wire.Frame, error) {
	b, err := s.controlled(ctx, candorv1.Control_CONTROL_LOG, "LogSettings", "")
	if err != nil {
		return nil, err
	}
	return s.control(ctx, b, "LogSettings", in.Bytes())
}

func (s *oipServer) control(ctx context.Context, b *backend.Backend, method string, data []byte) (*wire.Frame, error) {
	if err := offers(ctx, b, method, (*wire.Dialect).Has); err != nil {
		return nil, err
	}
	answer, err := b.Call(ctx, method, data)
	if err != nil {
		return nil, callError(b, err)
	}
	return wire.NewFrame(answer), nil
}

// controlled finds the backend that a method is for which changes, or shows, a model server as a whole. It is refused unless the
// configuration allows it for that backend, and then to operators only: what it does, it does to every caller.
func (s *oipServer) controlled(ctx context.Context, what candorv1.Control, method, modelName string) (*backend.Backend, error) {
	pl := s.g.planOf(ctx)
	allowed := func(name string) bool { return slices.Contains(pl.cfg.GetBackends()[name].GetAllow(), what) }
	var names []string
	for name := range pl.backends {
		if allowed(name) {
			names = append(names, name)
		}
	}
	word := strings.ToLower(strings.TrimPrefix(what.String(), "CONTROL_"))
	if len(names) == 0 {
		return nil, refusedMethod(method, "NAME", word)
	}
	p, err := requireRole(ctx, candorv1.Role_ROLE_OPERATOR)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var name string
	switch chosen := metadata.ValueFromIncomingContext(ctx, backendKey); {
	case modelName != "":
		m := pl.models[modelName]
		if m == nil {
			return nil, errf(codes.NotFound, candorv1.ErrorReason_ERROR_REASON_MODEL_NOT_FOUND,
				"there is no model %q; the configuration has %s", modelName, strings.Join(pl.modelNames, ", ")).with("model", modelName)
		}
		name = m.primary.Name()
	case len(chosen) == 1:
		name = chosen[0]
	case len(names) == 1:
		name = names[0]
	default:
		return nil, invalid("metadata["+backendKey+"]", "name one backend, because "+method+" is allowed for several: "+strings.Join(names, ", "))
	}
	if pl.backends[name] == nil {
		return nil, invalid("metadata["+backendKey+"]", "there is no such backend; write one of "+strings.Join(names, ", "))
	}
	if !allowed(name) {
		return nil, refusedMethod(method, name, word).with("backend", name)
	}
	s.g.log.InfoContext(ctx, "an operator controls a model server",
		slog.String("method", method), slog.String("backend", name), slog.String("by", p.Name))
	return pl.backends[name], nil
}

func refusedMethod(method, backend, word string) *Error {
	return errf(codes.PermissionDenied, candorv1.ErrorReason_ERROR_REASON_METHOD_REFUSED,
		"%s works on a model server as a whole, for all who use it, and is refused by default; to let operators use it, add %s to backends.%s.allow",
		method, word, backend).with("method", method).with("allow", word)
}

// noSharedMemory refuses Triton's shared memory: it is memory of one machine, and a gateway stands on another.
func noSharedMemory(method string) error {
	return notOffered(method, "a gateway can't see its client's memory; send tensors in the message")
}

func (s *oipServer) SystemSharedMemoryStatus(context.Context, *inference.SystemSharedMemoryStatusRequest) (*inference.SystemSharedMemoryStatusResponse, error) {
	return nil, noSharedMemory("SystemSharedMemoryStatus")
}

func (s *oipServer) SystemSharedMemoryRegister(context.Context, *inference.SystemSharedMemoryRegisterRequest) (*inference.SystemSharedMemoryRegisterResponse, error) {
	return nil, noSharedMemory("SystemSharedMemoryRegister")
}

func (s *oipServer) SystemSharedMemoryUnregister(context.Context, *inference.SystemSharedMemoryUnregisterRequest) (*inference.SystemSharedMemoryUnregisterResponse, error) {
	return nil, noSharedMemory("SystemSharedMemoryUnregister")
}

func (s *oipServer) CudaSharedMemoryStatus(context.Context, *inference.CudaSharedMemoryStatusRequest) (*inference.CudaSharedMemoryStatusResponse, error) {
	return nil, noSharedMemory("CudaSharedMemoryStatus")
}

func (s *oipServer) CudaSharedMemoryRegister(context.Context, *inference.CudaSharedMemoryRegisterRequest) (*inference.CudaSharedMemoryRegisterResponse, error) {
	return nil, noSharedMemory("CudaSharedMemoryRegister")
}

func (s *oipServer) CudaSharedMemoryUnregister(context.Context, *inference.CudaSharedMemoryUnregisterRequest) (*inference.CudaSharedMemoryUnregisterResponse, error) {
	return nil, noSharedMemory("CudaSharedMemoryUnregister")
}
