package profile

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/google/pprof/profile"
)

// encode makes a profile of stacks, innermost function first, with commas between them, each worth so many nanoseconds.
func encode(t *testing.T, kind string, stacks map[string]int64) *bytes.Buffer {
	t.Helper()
	p := &profile.Profile{
		SampleType: []*profile.ValueType{{Type: "samples", Unit: "count"}, {Type: kind, Unit: "nanoseconds"}},
		PeriodType: &profile.ValueType{Type: kind, Unit: "nanoseconds"}, Period: 1,
	}
	id := uint64(0)
	for stack, v := range stacks {
		s := &profile.Sample{Value: []int64{1, v}}
		for name := range strings.SplitSeq(stack, ",") {
			id++
			f := &profile.Function{ID: id, Name: name}
			l := &profile.Location{ID: id, Line: []profile.Line{{Function: f}}}
			p.Function, p.Location, s.Location = append(p.Function, f), append(p.Location, l), append(s.Location, l)
		}
		p.Sample = append(p.Sample, s)
	}
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	return &b
}

const (
	ours    = "github.com/candor-gateway/candor/"
	syscall = "internal/runtime/syscall/linux.Syscall6"
)

func TestSummarize(t *testing.T) {
	s, err := Summarize(encode(t, "cpu", map[string]int64{
		"runtime.scanobject,runtime.gcDrain,runtime.gcBgMarkWorker":                                                                                                                                            30,
		"runtime.mallocgc,runtime.newobject," + ours + "gateway.(*Gateway).admit," + ours + "gateway.(*Gateway).Infer,google.golang.org/grpc.x":                                                                20,
		"runtime.gcDrainN,runtime.gcAssistAlloc,runtime.mallocgc," + ours + "internal/wire.ScanRequest":                                                                                                        10,
		syscall + ",syscall.write,internal/poll.(*FD).Write,net.(*conn).Write,google.golang.org/grpc/internal/transport.(*bufWriter).Flush,google.golang.org/grpc/internal/transport.NewServerTransport.func2": 8,
		syscall + ",syscall.write,internal/poll.(*FD).Write,google.golang.org/grpc.(*ClientConn).Invoke," + ours + "backend.(*Backend).attempt,google.golang.org/grpc.(*Server).processUnaryRPC":               4,
		syscall + ",syscall.write,internal/poll.(*FD).Write,google.golang.org/grpc/mem.x":                                                                                                                      3,
		syscall + ",modernc.org/libc.Xpwrite64,modernc.org/sqlite/lib._unixWrite," + ours + "store/sqlite.(*Store).write":                                                                                      5,
		"modernc.org/sqlite/lib._sqlite3VdbeExec," + ours + "store/sqlite.(*Store).write":                                                                                                                      6,
		"modernc.org/libc.Xmemcpy,modernc.org/sqlite/lib._balance":                                                                                                                                             4,
		"runtime.futex,runtime.findRunnable,runtime.schedule":                                                                                                                                                  9,
		"crypto/sha256.block," + ours + "audit.Link":                                                                                                                                                           1,
	}))
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, got []Share, want map[string]float64) {
		t.Helper()
		sum := 0.0
		for i, share := range got {
			sum += share.Part
			if math.Abs(share.Part-want[share.Name]) > 1e-9 || i > 0 && got[i-1].Part < share.Part {
				t.Errorf("%s: %v, want %v", what, got, want)
				break
			}
		}
		if len(got) != len(want) || math.Abs(sum-1) > 1e-9 {
			t.Errorf("%s: %d parts, want %d; they add up to %v: %v", what, len(got), len(want), sum, got)
		}
	}
	check("work", s.Work, map[string]float64{
		"garbage collection": .4, "allocation": .2, "system calls: sockets": .15, "system calls: files": .05, "scheduler and poller": .09, otherWork: .11,
	})
	check("owners", s.Owners, map[string]float64{
		collector: .3, "gateway": .2, "internal/wire": .1, "grpc-go, towards callers": .08, "grpc-go, towards model servers": .04, "grpc-go": .03, "SQLite": .15, runtime: .09, "audit": .01,
	})
	var b bytes.Buffer
	if err := s.Text(&b, 50); err != nil || !strings.Contains(b.String(), "gateway                                  20.0  10.0") {
		t.Errorf("%v\n%s", err, &b)
	}
}

func TestSummarizeRefuses(t *testing.T) {
	for want, b := range map[string]*bytes.Buffer{
		"not a profile of CPU time": encode(t, "alloc_space", map[string]int64{"main.main": 1}),
		"no samples":                encode(t, "cpu", nil),
		"":                          bytes.NewBufferString("text"),
	} {
		if _, err := Summarize(b); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}
