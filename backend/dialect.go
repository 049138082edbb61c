package backend

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/wire"
)

// dialectTTL is how long what was detected holds: another program may come to live at the address.
const dialectTTL = time.Minute

// Speech is how a backend's model server is spoken with. It is made once and never changed.
type Speech struct {
	// Dialect is stated or detected; unspecified: neither, and Wire is the published protocol's.
	Dialect candorv1.Dialect
	Source  candorv1.DialectSource
	// Server is the name and version that the model server gives itself; empty: it said nothing yet.
	Server string
	// Wire is what is known about the dialect.
	Wire *wire.Dialect

	// infer is the full name of ModelInfer.
	infer string
}

func newSpeech(d candorv1.Dialect, source candorv1.DialectSource, server string) *Speech {
	w := wire.DialectOf(d)
	return &Speech{Dialect: d, Source: source, Server: server, Wire: w, infer: "/" + w.Service + "/ModelInfer"}
}

// method is the full name of a method of the model server's inference service.
func (s *Speech) method(name string) string { return "/" + s.Wire.Service + "/" + name }

// tongue is a backend's Speech as it is known now.
type tongue struct {
	now atomic.Pointer[Speech]
	// detected is asked for when nothing is stated, and for the server's name.
	detected recent[*Speech]
}

func (t *tongue) begin(stated candorv1.Dialect) {
	t.detected.ttl = dialectTTL
	source := candorv1.DialectSource_DIALECT_SOURCE_UNSPECIFIED
	if stated != candorv1.Dialect_DIALECT_UNSPECIFIED {
		source = candorv1.DialectSource_DIALECT_SOURCE_STATED
	}
	t.now.Store(newSpeech(stated, source, ""))
}

// Speech is how the model server is spoken with, as it is known now. It waits for nothing.
func (b *Backend) Speech() *Speech { return b.tongue.now.Load() }

// Detect asks the model server who it is, where that isn't known or hasn't been asked for a minute, and answers what is known
// then. Many askers make one round of calls. A stated dialect stays, whatever the server says.
func (b *Backend) Detect(ctx context.Context) *Speech {
	// An error leaves what was known.
	_, _ = b.tongue.detected.get(ctx, b.detect)
	return b.Speech()
}

// detect makes the calls. Its error says that the model server could not be asked.
func (b *Backend) detect() (*Speech, error) {
	known := b.Speech()
	if known.Source == candorv1.DialectSource_DIALECT_SOURCE_STATED && !known.Wire.ServerMetadata {
		return known, nil // it has no name to tell
	}
	found, err := b.listen(known)
	if err != nil {
		return nil, err
	}
	if known.Source == candorv1.DialectSource_DIALECT_SOURCE_STATED {
		found = newSpeech(known.Dialect, known.Source, found.Server)
	} else if found.Dialect != known.Dialect {
		b.log.Info("dialect detected", "dialect", found.Dialect.String(), "server", found.Server)
	}
	b.tongue.now.Store(found)
	if found.Wire.Service != known.Wire.Service {
		b.counters.setAlarm("")
	}
	return found, nil
}

// listen tries the services that the dialect may have until one is there.
func (b *Backend) listen(known *Speech) (*Speech, error) {
	services := []string{known.Wire.Service}
	if known.Source != candorv1.DialectSource_DIALECT_SOURCE_STATED {
		for service := range wire.Services() {
			if service != known.Wire.Service {
				services = append(services, service)
			}
		}
	}
	for _, service := range services {
		found, err := b.tryService(service)
		if found != nil || err != nil {
			return found, err
		}
	}
	return newSpeech(candorv1.Dialect_DIALECT_UNSPECIFIED, candorv1.DialectSource_DIALECT_SOURCE_UNSPECIFIED, ""), nil
}

// tryService asks one service who it is; nil: there is no such service. Any answer but UNIMPLEMENTED shows that there is.
func (b *Backend) tryService(service string) (*Speech, error) {
	about := new(inference.ServerMetadataResponse)
	named, err := b.ask(service, "ServerMetadata", &inference.ServerMetadataRequest{}, about)
	if err != nil {
		return nil, err
	}
	model := new(inference.ModelMetadataResponse)
	described := false
	question := &inference.ModelMetadataRequest{Name: b.set.model, Version: b.set.version}
	if !named || dialectOf(about) == candorv1.Dialect_DIALECT_UNSPECIFIED {
		if described, err = b.ask(service, "ModelMetadata", question, model); err != nil {
			return nil, err
		}
	}
	if !named && !described {
		return nil, nil
	}
	server := sanitize(strings.TrimSpace(about.GetName()+" "+about.GetVersion()), b.set.host)
	d := wire.Services()[service]
	switch {
	case d != candorv1.Dialect_DIALECT_UNSPECIFIED: // the service's name says it
	case dialectOf(about) != candorv1.Dialect_DIALECT_UNSPECIFIED:
		d = dialectOf(about)
	case hasParameters(model):
		// MLServer's name is a setting. Seldon v2 speaks in the same way.
		d = candorv1.Dialect_DIALECT_MLSERVER
	case !named:
		config := &inference.ModelConfigRequest{Name: b.set.model, Version: b.set.version}
		there, err := b.ask(service, "ModelConfig", config, new(inference.ModelConfigResponse))
		if err != nil {
			return nil, err
		}
		if there {
			d = candorv1.Dialect_DIALECT_DYNAMO
		}
	}
	source := candorv1.DialectSource_DIALECT_SOURCE_DETECTED
	if d == candorv1.Dialect_DIALECT_UNSPECIFIED {
		source = candorv1.DialectSource_DIALECT_SOURCE_UNSPECIFIED
	}
	return newSpeech(d, source, server), nil
}

// hasParameters reports whether a model or a tensor is described with parameters.
func hasParameters(m *inference.ModelMetadataResponse) bool {
	if wire.MetadataFormOf(m.ProtoReflect().GetUnknown()) == wire.MetadataParameters {
		return true
	}
	return slices.ContainsFunc(slices.Concat(m.GetInputs(), m.GetOutputs()), func(t *inference.ModelMetadataResponse_TensorMetadata) bool {
		return wire.TensorParameters(t.ProtoReflect().GetUnknown())
	})
}

// ask calls a method whose answer is small, and reports whether the server has it. The error says that the server said nothing.
func (b *Backend) ask(service, method string, in, out any) (bool, error) {
	ctx, cancel := context.WithTimeout(b.life, probeTimeout)
	defer cancel()
	var trailer metadata.MD
	err := b.conns.Invoke(ctx, "/"+service+"/"+method, in, out, grpc.MaxCallRecvMsgSize(maxProbeBytes), grpc.Trailer(&trailer))
	switch {
	case err == nil:
		return true, nil
	case !saidIt(trailer, status.Convert(err).Message()):
		return false, err
	}
	return status.Code(err) != codes.Unimplemented, nil
}

// maxProbeBytes bounds what a server may say about itself.
const maxProbeBytes = 4 << 20

// dialectOf names the dialect of a server that says who it is; unspecified when that tells nothing. The names are those that the
// software gives itself. Triton's can be set (--id), and its extensions can't. Seldon v2 has no name of its own: what answers is
// the MLServer or the Triton behind it.
func dialectOf(about *inference.ServerMetadataResponse) candorv1.Dialect {
	name := strings.ToLower(about.GetName())
	for _, known := range serverNames {
		if strings.HasPrefix(name, known.prefix) {
			return known.dialect
		}
	}
	extensions := strings.Join(about.GetExtensions(), " ")
	if strings.Contains(extensions, "model_configuration") && strings.Contains(extensions, "statistics") {
		return candorv1.Dialect_DIALECT_TRITON
	}
	return candorv1.Dialect_DIALECT_UNSPECIFIED
}

var serverNames = []struct {
	prefix  string
	dialect candorv1.Dialect
}{
	{"triton", candorv1.Dialect_DIALECT_TRITON},
	{"mlserver", candorv1.Dialect_DIALECT_MLSERVER},
	{"kserve", candorv1.Dialect_DIALECT_KSERVE},
	{"openvino model server", candorv1.Dialect_DIALECT_OVMS},
}
