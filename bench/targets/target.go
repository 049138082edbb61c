// Package targets starts what the benchmark measures: Candor, the proxies of this tree, those of the distribution, and the
// model server stub that stands behind all of them.
package targets

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/candor-gateway/candor/bench/process"
)

// Target is what requests are sent to. Process is nil for the model server without a proxy.
type Target struct {
	Name, Addr string
	// About says in a line what it is and how it is set up.
	About   string
	Process *process.Process
	// Metrics is the URL of Go's metrics in Prometheus form; empty: none.
	Metrics string
	// Pprof is the URL of net/http/pprof; empty: none.
	Pprof string
	// Rewrites says that it may append to answers and exchange rows, so that they can't be compared byte for byte.
	Rewrites bool
}

// Options of a Set.
type Options struct {
	// Self is this program, which is the stub and the proxies, too; Candor the built cmd/candor.
	Self, Candor string
	// Dir is a folder for configurations and stores.
	Dir string
	// ProxyCore is the CPU of what is measured, LoadCore that of the stub.
	ProxyCore, LoadCore int
	// Pprof makes Candor serve its profiles.
	Pprof bool
}

// Set is everything that runs.
type Set struct {
	o       Options
	stub    string
	started []*process.Process
	Targets []*Target
	// Absent has a line for each target that was left out.
	Absent []string
}

// startTime is how long a process may take to listen.
const startTime = 20 * time.Second

// ErrAbsent is a target whose program is not installed.
var ErrAbsent = errors.New("not installed")

// starters by name, in the order of the report.
var starters = []struct {
	name  string
	start func(context.Context, *Set) (*Target, error)
}{
	{"direct", direct},
	{"candor", candor("candor")},
	{"candor-mixed", candor("candor-mixed")},
	{"candor-pass", candor("candor-pass")},
	{"stream", inTree("stream", "the reference: a transparent streaming proxy on grpc-go with a raw codec, grpc-go's defaults")},
	{"unary", inTree("unary", "a unary pass-through on grpc-go with a raw codec, grpc-go's defaults")},
	{"tuned", inTree("tuned", "unary with Candor's settings of grpc-go and of the heap: the least that anything on grpc-go costs here")},
	{"typed", inTree("typed", "a proxy on grpc-go that unmarshals and marshals every message by generated code, grpc-go's defaults")},
	{"nginx", nginx},
	{"haproxy", haproxy},
	{"nghttpx", nghttpx},
}

// Names are those of all targets, in the order of the report.
func Names() []string {
	names := make([]string, len(starters))
	for i, s := range starters {
		names[i] = s.name
	}
	return names
}

// Start starts the stub and the targets that want has. What is not installed is left out; anything else that doesn't start is
// an error. Stop must be called in any case.
func Start(ctx context.Context, o Options, want map[string]bool) (*Set, error) {
	s := &Set{o: o}
	addr, p, err := s.listen(ctx, "stub", o.LoadCore, func(addr string) ([]string, error) {
		return []string{o.Self, "stub", addr}, nil
	})
	if err != nil {
		return s, err
	}
	s.stub = addr
	_ = p
	for _, starter := range starters {
		if !want[starter.name] {
			continue
		}
		t, err := starter.start(ctx, s)
		if errors.Is(err, ErrAbsent) {
			s.Absent = append(s.Absent, fmt.Sprintf("%s is left out: %v", starter.name, err))
			continue
		}
		if err != nil {
			return s, err
		}
		t.Name = starter.name
		s.Targets = append(s.Targets, t)
	}
	return s, nil
}

// Stub is the model server's process.
func (s *Set) Stub() *process.Process { return s.started[0] }

// Stop ends everything, last started first.
func (s *Set) Stop() error {
	var errs []error
	for i := len(s.started) - 1; i >= 0; i-- {
		errs = append(errs, s.started[i].Stop())
	}
	return errors.Join(errs...)
}

// listen starts a process that listens at an address which is chosen for it, and waits until it does.
func (s *Set) listen(ctx context.Context, name string, core int, command func(addr string) ([]string, error)) (string, *process.Process, error) {
	addr, err := process.FreeAddr()
	if err != nil {
		return "", nil, err
	}
	args, err := command(addr)
	if err != nil {
		return "", nil, err
	}
	p, err := process.Start(process.Options{Name: name, Core: core, Dir: s.o.Dir, Command: args})
	if err != nil {
		return "", nil, err
	}
	s.started = append(s.started, p)
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	return addr, p, p.Await(ctx, addr)
}

// direct is the model server itself.
func direct(_ context.Context, s *Set) (*Target, error) {
	return &Target{Addr: s.stub, About: "no proxy: the load generator talks to the model server stub"}, nil
}

// inTree is a proxy of this tree, run by this program.
func inTree(kind, about string) func(context.Context, *Set) (*Target, error) {
	return func(ctx context.Context, s *Set) (*Target, error) {
		metrics, err := process.FreeAddr()
		if err != nil {
			return nil, err
		}
		addr, p, err := s.listen(ctx, kind, s.o.ProxyCore, func(addr string) ([]string, error) {
			return []string{s.o.Self, "proxy", kind, addr, s.stub, metrics}, nil
		})
		return &Target{Addr: addr, Process: p, About: about, Metrics: "http://" + metrics + "/metrics"}, err
	}
}

// write writes a configuration file and returns its path.
func (s *Set) write(name, text string) (string, error) {
	path := s.o.Dir + string(os.PathSeparator) + name
	return path, os.WriteFile(path, []byte(text), 0o600)
}
