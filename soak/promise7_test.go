package soak

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	// bombBytes is what a compressed message of some kilobytes becomes.
	bombBytes = 256 << 20
	// memoryCap is what the process may take beyond what it took before the attack: as much as one bomb of the four that go off at once,
	// again and again.
	memoryCap = 256 << 20
)

// attacks speak HTTP/2 by hand, each on a connection of its own, until stop is closed; they answer how often they struck.
var attacks = []struct {
	name string
	run  func(t *testing.T, addr string, stop <-chan struct{}) int
}{
	{"rapid reset (CVE-2023-44487)", rapidReset},
	{"readers that never read", slowReader},
	{"frames larger than agreed", oversizedFrames},
	{"compressed bombs", bombs},
	{"bytes that are not HTTP/2", garbage},
}

// TestPromise7Bounded: attacks cost the gateway no memory beyond its cap, and a healthy client is answered.
func TestPromise7Bounded(t *testing.T) {
	f := promise(t, 7, "bounded under attack",
		"one after the other, four connections at once: "+names())
	model := modelServer(t, "primary")
	g := serve(t, `
listen: {grpc: "127.0.0.1:0", http: "127.0.0.1:0", max_message_bytes: 4194304, max_concurrent_streams: 32}
store: {identity: soak, sqlite: {path: candor.db}}
consumers:
  anyone: {identity: {anonymous: true}, models: ["*"], priority: low}
  healthy: {identity: {token_sha256: 93c0f0ebfef46bab6c0f57b299c5e1bec04a56ffb552d205aa1e39e978f68cde}, models: ["*"], priority: high}
backends:`+patient(backendConfig("primary", model.Addr(), ""))+`
models: {fraud: {primary: primary, policy: {mode: enforce, accept: {threshold: {probability: 0.9}}, answers: [{output: probabilities, fill: scores}]}}}
`)
	bomb()
	conn := g.dial(grpc.WithUnaryInterceptor(healthyClient))
	refused := 0
	measure := func(d time.Duration) (*took, int64) {
		var times took
		most := g.memory()
		for end := time.Now().Add(d); time.Now().Before(end); {
			_, d, err := infer(conn, sure(), patience)
			switch {
			case status.Code(err) == codes.ResourceExhausted:
				refused++ // shed, in so many words and at once
			case err != nil:
				t.Fatalf("the healthy client: %v", err)
			}
			times.add(d)
			if times.count()%50 == 0 {
				most = max(most, g.memory())
			}
		}
		return &times, most
	}
	each := max(span()/time.Duration(len(attacks)+2), time.Second)
	measure(each)
	alone, _ := measure(each)
	base, rested := float64(alone.quantile(.99)), g.memory()
	for _, a := range attacks {
		stop := make(chan struct{})
		var struck atomic.Int64
		var crowd sync.WaitGroup
		for range 4 {
			crowd.Go(func() { struck.Add(int64(a.run(t, g.grpc, stop))) })
		}
		times, most := measure(each)
		close(stop)
		crowd.Wait()
		if struck.Load() == 0 {
			t.Errorf("%s: nothing was tried", a.name)
		}
		if grown := most - rested; grown > memoryCap {
			t.Errorf("%s: memory grew by %d MiB, beyond %d", a.name, grown>>20, memoryCap>>20)
		}
		f.say(a.name, "struck %d times; healthy p99 %.1f x of alone, %d calls; memory %+d MiB", struck.Load(),
			float64(times.quantile(.99))/base, times.count(), (most-rested)>>20)
	}
	if n := g.metric("candor_breaker_transitions_total{"); n != 0 {
		t.Errorf("breakers moved %v times", n)
	}
	f.say("calls of the healthy client that were shed", "%d", refused)
	f.say("memory before, after", "%d and %d MiB", rested>>20, g.memory()>>20)
}

// healthyClient says who the healthy client is.
func healthyClient(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	return invoke(as(ctx, "healthy"), method, req, reply, cc, opts...)
}

func names() (s string) {
	for i, a := range attacks {
		if i > 0 {
			s += ", "
		}
		s += a.name
	}
	return s
}

// attacker is a connection that has said the preface.
type attacker struct {
	net.Conn
	*http2.Framer
	block bytes.Buffer
	hpack *hpack.Encoder
}

// attack opens one; nil: the gateway refuses, as it may.
func attack(addr string, settings ...http2.Setting) *attacker {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	a := &attacker{Conn: conn, Framer: http2.NewFramer(conn, conn)}
	a.hpack = hpack.NewEncoder(&a.block)
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil || a.WriteSettings(settings...) != nil {
		_ = conn.Close()
		return nil
	}
	return a
}

// begin sends the headers of a ModelInfer.
func (a *attacker) begin(stream uint32, more ...string) error {
	a.block.Reset()
	fields := append([]string{":method", "POST", ":scheme", "http", ":path", "/inference.GRPCInferenceService/ModelInfer", ":authority", "x",
		"content-type", "application/grpc", "te", "trailers"}, more...)
	for i := 0; i < len(fields); i += 2 {
		if err := a.hpack.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}); err != nil {
			return err
		}
	}
	return a.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: a.block.Bytes(), EndHeaders: true})
}

// until calls strike on fresh connections, as often as one takes it, until stop is closed.
func until(addr string, stop <-chan struct{}, settings []http2.Setting, drain bool, strike func(a *attacker, stream uint32) error) (struck int) {
	for {
		select {
		case <-stop:
			return struck
		default:
		}
		a := attack(addr, settings...)
		if a == nil {
			continue
		}
		if drain {
			go func() { _, _ = io.Copy(io.Discard, a.Conn) }()
		}
		for stream := uint32(1); stream < 1<<30; stream += 2 {
			select {
			case <-stop:
				_ = a.Close()
				return struck
			default:
			}
			if strike(a, stream) != nil {
				break
			}
			struck++
		}
		_ = a.Close()
	}
}

func rapidReset(_ *testing.T, addr string, stop <-chan struct{}) int {
	return until(addr, stop, nil, true, func(a *attacker, stream uint32) error {
		if err := a.begin(stream); err != nil {
			return err
		}
		return a.WriteRSTStream(stream, http2.ErrCodeCancel)
	})
}

// slowReader asks and never reads the answers: its window is nothing, and so is what it takes from the socket.
func slowReader(_ *testing.T, addr string, stop <-chan struct{}) int {
	message := framed(encodedSure(), false)
	settings := []http2.Setting{{ID: http2.SettingInitialWindowSize, Val: 0}}
	return until(addr, stop, settings, false, func(a *attacker, stream uint32) error {
		_ = a.SetDeadline(time.Now().Add(100 * time.Millisecond)) // a gateway that stops reading is right
		if err := a.begin(stream); err != nil {
			return err
		}
		return a.WriteData(stream, true, message)
	})
}

func oversizedFrames(_ *testing.T, addr string, stop <-chan struct{}) int {
	body := make([]byte, 1<<20)
	return until(addr, stop, nil, true, func(a *attacker, stream uint32) error {
		if err := a.begin(stream); err != nil {
			return err
		}
		return a.WriteRawFrame(http2.FrameData, 0, stream, body)
	})
}

// bomb is made once: it takes longer than to throw it.
var bomb = sync.OnceValue(func() []byte {
	var small bytes.Buffer
	z := gzip.NewWriter(&small)
	if _, err := io.CopyN(z, zeros{}, bombBytes); err != nil {
		panic(err) // into memory
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return framed(small.Bytes(), true)
})

func bombs(_ *testing.T, addr string, stop <-chan struct{}) int {
	message := bomb()
	return until(addr, stop, nil, true, func(a *attacker, stream uint32) error {
		_ = a.SetDeadline(time.Now().Add(time.Second)) // beyond its window it waits
		if err := a.begin(stream, "grpc-encoding", "gzip"); err != nil {
			return err
		}
		for rest := message; len(rest) > 0; {
			const frame = 16 << 10
			n := min(len(rest), frame)
			if err := a.WriteData(stream, n == len(rest), rest[:n]); err != nil {
				return err
			}
			rest = rest[n:]
		}
		return nil
	})
}

func garbage(_ *testing.T, addr string, stop <-chan struct{}) (struck int) {
	noise := bytes.Repeat([]byte("GET / HTTP/1.1\r\nx: y\r\n"), 1000)
	for {
		select {
		case <-stop:
			return struck
		default:
		}
		conn, err := net.DialTimeout("tcp", addr, patience)
		if err != nil {
			continue
		}
		_ = conn.SetDeadline(time.Now().Add(patience))
		_, _ = conn.Write(noise)
		_ = conn.Close()
		struck++
	}
}

// framed is a message with gRPC's prefix.
func framed(message []byte, compressed bool) []byte {
	out := make([]byte, 5, 5+len(message))
	if compressed {
		out[0] = 1
	}
	binary.BigEndian.PutUint32(out[1:], uint32(len(message)))
	return append(out, message...)
}

// zeros never end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
