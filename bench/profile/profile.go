// Package profile sums a CPU profile up: where the microseconds of a request go.
package profile

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/google/pprof/profile"
)

// Share is a part of the time.
type Share struct {
	Name string
	Part float64 // of 1
}

// Summary is a profile cut in two ways. The parts of each cut add up to one.
type Summary struct {
	// Work is what was being done, whoever wanted it.
	Work []Share
	// Owners are the packages on whose behalf: of each stack the innermost function that isn't Go's own.
	Owners []Share
}

// rule gives a name to stacks with one of these functions; the text is the begin of the function's full name.
type rule struct {
	name      string
	functions []string
}

// works are the kinds of work. The first rule with a function anywhere in the stack wins.
var works = []rule{
	{"garbage collection", []string{"runtime.gcBgMarkWorker", "runtime.gcAssist", "runtime.bgsweep", "runtime.bgscavenge", "runtime.gcStart",
		"runtime.gcMarkDone", "runtime.gcMarkTermination", "runtime.wbBufFlush", "runtime.deductSweepCredit"}},
	{"allocation", []string{"runtime.mallocgc", "runtime.growslice", "runtime.newobject", "runtime.makeslice"}},
	{"system calls: files", []string{"modernc.org/libc.X", "os.(*File).Write", "os.(*File).Read", "os.(*File).Sync"}},
	{"system calls: sockets", []string{"internal/poll.(*FD).Read", "internal/poll.(*FD).Write", "internal/poll.(*FD).Writev", "syscall.Read", "syscall.Write"}},
	{"scheduler and poller", []string{"runtime.schedule", "runtime.findRunnable", "runtime.mcall", "runtime.park_m", "runtime.goready", "runtime.ready",
		"runtime.netpoll", "runtime.futex", "runtime.sysmon", "runtime.mstart", "runtime.gopark", "runtime.notewakeup", "runtime.startm"}},
}

const otherWork = "everything else: the program's own code"

// kernel is in the name of the functions by which Go enters it. The rules for system calls name what leads there, and count only
// stacks that have arrived.
const kernel = "Syscall"

const (
	byRoom = "" // each of our own packages by itself
	grpcGo = "grpc-go"
)

// owners by the begin of a function's full name.
var owners = []rule{
	{byRoom, []string{"github.com/candor-gateway/candor/"}},
	{"SQLite", []string{"modernc.org/"}},
	{"database/sql", []string{"database/sql"}},
	{grpcGo, []string{"google.golang.org/grpc", "golang.org/x/net/"}},
	{"protobuf", []string{"google.golang.org/protobuf"}},
	{"Prometheus client", []string{"github.com/prometheus/"}},
	{"OpenTelemetry", []string{"go.opentelemetry.io/"}},
	{"gobreaker", []string{"github.com/sony/gobreaker"}},
	{"uuid", []string{"github.com/google/uuid"}},
}

const (
	collector = "Go's garbage collector"
	runtime   = "Go's runtime: scheduler, poller, timers"
)

// Summarize reads a CPU profile in pprof's form.
func Summarize(r io.Reader) (Summary, error) {
	p, err := profile.Parse(r)
	if err != nil {
		return Summary{}, err
	}
	at := slices.IndexFunc(p.SampleType, func(t *profile.ValueType) bool { return t.Type == "cpu" })
	if at < 0 {
		return Summary{}, errors.New("not a profile of CPU time")
	}
	work, owned := map[string]int64{}, map[string]int64{}
	var total int64
	for _, s := range p.Sample {
		stack := functions(s)
		v := s.Value[at]
		total += v
		w := workOf(stack)
		work[w] += v
		owned[ownerOf(stack, w)] += v
	}
	if total == 0 {
		return Summary{}, errors.New("the profile has no samples")
	}
	return Summary{Work: shares(work, total), Owners: shares(owned, total)}, nil
}

// functions of a stack by full name, innermost first.
func functions(s *profile.Sample) []string {
	var names []string
	for _, l := range s.Location {
		for _, line := range l.Line {
			if line.Function != nil {
				names = append(names, line.Function.Name)
			}
		}
	}
	return names
}

func workOf(stack []string) string {
	for _, r := range works {
		if slices.ContainsFunc(stack, func(f string) bool { return r.matches(f) }) {
			if strings.HasPrefix(r.name, "system calls") && !inKernel(stack) {
				continue
			}
			return r.name
		}
	}
	return otherWork
}

// inKernel reports whether the stack ends in a system call.
func inKernel(stack []string) bool {
	return len(stack) > 0 && strings.Contains(stack[0], kernel)
}

func ownerOf(stack []string, work string) string {
	if work == works[0].name && !slices.ContainsFunc(stack, func(f string) bool { return strings.HasPrefix(f, "runtime.gcAssist") }) {
		return collector
	}
	for _, f := range stack {
		for _, r := range owners {
			if !r.matches(f) {
				continue
			}
			switch r.name {
			case byRoom:
				return room(strings.TrimPrefix(f, r.functions[0]))
			case grpcGo:
				return grpcGo + side(stack)
			}
			return r.name
		}
	}
	return runtime
}

// side says which of its two connections gRPC worked for: of what stands inside of our own innermost function, whether it is
// gRPC's server or its client.
func side(stack []string) string {
	own := owners[0]
	for _, f := range stack {
		switch {
		case own.matches(f):
			return ""
		case strings.Contains(f, "http2Server") || strings.Contains(f, "NewServerTransport") || strings.Contains(f, "grpc.(*Server)"):
			return ", towards callers"
		case strings.Contains(f, "http2Client") || strings.Contains(f, "NewHTTP2Client") || strings.Contains(f, "grpc.(*ClientConn)") ||
			strings.Contains(f, "grpc.(*clientStream)") || strings.Contains(f, "grpc.(*csAttempt)") || strings.Contains(f, "grpc.newClientStream"):
			return ", towards model servers"
		}
	}
	return ""
}

// room is the package of a function's name behind the module's.
func room(f string) string {
	slash := strings.LastIndexByte(f, '/') + 1
	dot := strings.IndexByte(f[slash:], '.')
	if dot < 0 {
		return f
	}
	return f[:slash+dot]
}

func (r rule) matches(f string) bool {
	return slices.ContainsFunc(r.functions, func(p string) bool { return strings.HasPrefix(f, p) })
}

// shares in falling order.
func shares(sums map[string]int64, total int64) []Share {
	var out []Share
	for name, v := range sums {
		out = append(out, Share{name, float64(v) / float64(total)})
	}
	slices.SortFunc(out, func(a, b Share) int { return cmp.Or(cmp.Compare(b.Part, a.Part), cmp.Compare(a.Name, b.Name)) })
	return out
}

// least part that is printed by itself.
const least = 0.005

// Text writes both cuts; micros is the CPU time of a request as it was measured without a profiler.
func (s Summary) Text(w io.Writer, micros float64) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, cut := range []struct {
		title  string
		shares []Share
	}{{"by work", s.Work}, {"by owner", s.Owners}} {
		fmt.Fprintf(t, "  %s\t%%\tµs\n", cut.title)
		rest := 0.0
		for _, share := range cut.shares {
			if share.Part < least {
				rest += share.Part
				continue
			}
			fmt.Fprintf(t, "    %s\t%.1f\t%.1f\n", share.Name, 100*share.Part, micros*share.Part)
		}
		if rest > 0 {
			fmt.Fprintf(t, "    others\t%.1f\t%.1f\n", 100*rest, micros*rest)
		}
	}
	return t.Flush()
}
