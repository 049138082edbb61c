package load

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2/hpack"

	"github.com/candor-gateway/candor/bench/h2"
	"github.com/candor-gateway/candor/bench/payload"
)

// script is a connection on which a server says what a test wrote down, and hangs up.
type script struct {
	net.Conn
	in    *bytes.Reader
	began bool
}

// Read gives the settings first, by themselves: a server doesn't answer what wasn't asked yet.
func (s *script) Read(b []byte) (int, error) {
	if !s.began {
		s.began, b = true, b[:h2.HeaderLen]
	}
	return s.in.Read(b)
}

func (s *script) Write(b []byte) (int, error)      { return len(b), nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

// play lets a server say data to a connection with target requests in flight, and returns how the connection ended.
func play(data []byte, target int) (*run, error) {
	r := &run{o: Options{
		Method: payload.Method, Message: payload.TabularRequest(1), Check: payload.Exactly(payload.Answer(payload.Tabular, 1, nil)),
	}, began: time.Now()}
	s := &script{in: bytes.NewReader(data)}
	c := &conn{
		run: r, nc: s, r: h2.NewReader(s, 0), w: h2.NewWriter(s), peer: h2.NewPeer(), nextID: 1,
		body: h2.Message(r.o.Message), open: map[uint32]*stream{}, window: h2.InitialWindow, target: target,
	}
	c.dec = hpack.NewDecoder(4096, c.fields.take)
	if err := c.greet(); err != nil {
		return r, err
	}
	return r, c.loop()
}

// answered is what a good server says to two requests.
func answered() []byte {
	b := h2.AppendHeader(nil, 0, h2.Settings, 0, 0)
	body := h2.Message(payload.Answer(payload.Tabular, 1, nil))
	for _, id := range []uint32{1, 3} {
		header, trailer := h2.Literal(":status", "200"), h2.Literal("grpc-status", "0", "grpc-message", "")
		b = append(h2.AppendHeader(b, len(header), h2.Headers, h2.EndHeaders, id), header...)
		b = append(h2.AppendHeader(b, len(body), h2.Data, 0, id), body...)
		b = append(h2.AppendHeader(b, 3, h2.Headers, h2.EndStream, id), trailer[:3]...)
		b = append(h2.AppendHeader(b, len(trailer)-3, h2.Continuation, h2.EndHeaders, id), trailer[3:]...)
	}
	return b
}

func TestScriptIsAnswered(t *testing.T) {
	r, err := play(answered(), 2)
	if !errors.Is(err, io.EOF) || r.completed.Load() != 2 || r.failed.Load() != 0 {
		t.Errorf("%d completed, %d failed (%v), %v", r.completed.Load(), r.failed.Load(), r.first, err)
	}
}

// Whatever a server sends, the generator doesn't panic, ends, and takes nothing for a right answer that isn't.
func FuzzAnswers(f *testing.F) {
	good := answered()
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add(bytes.Replace(good, []byte(payload.Output), []byte("probabilitie5"), 1))
	f.Add(append(bytes.Clone(good[:h2.HeaderLen]), good...))
	f.Add(h2.AppendHeader(bytes.Clone(good), 8, h2.GoAway, 0, 0))
	right := payload.Answer(payload.Tabular, 1, nil)
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := play(data, 2)
		if err == nil {
			t.Error("a connection that has ended is no error")
		}
		// The answer is short enough to stand in one frame or to be cut into frames of at least one byte each.
		if ok := r.completed.Load() - r.failed.Load(); ok > 0 && len(data) < int(ok)*len(right) {
			t.Errorf("%d right answers in %d bytes", ok, len(data))
		}
	})
}
