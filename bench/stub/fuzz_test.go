package stub

import (
	"bytes"
	"net"
	"testing"
	"time"

	"github.com/candor-gateway/candor/bench/h2"
	"github.com/candor-gateway/candor/bench/payload"
)

// script is a connection on which a client says what a test wrote down, and hangs up.
type script struct {
	net.Conn
	in  *bytes.Reader
	out bytes.Buffer
}

func (s *script) Read(b []byte) (int, error)       { return s.in.Read(b) }
func (s *script) Write(b []byte) (int, error)      { return s.out.Write(b) }
func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

// conversation is what a good client says to ask once.
func conversation(message []byte) []byte {
	block := h2.Literal(":method", "POST", ":path", payload.Method)
	b := []byte(h2.Preface)
	b = h2.AppendHeader(b, 0, h2.Settings, 0, 0)
	b = append(h2.AppendHeader(b, len(block), h2.Headers, h2.EndHeaders, 1), block...)
	body := h2.Message(message)
	return append(h2.AppendHeader(b, len(body), h2.Data, h2.EndStream, 1), body...)
}

// Whatever a client sends, the stub doesn't panic and ends.
func FuzzServe(f *testing.F) {
	good := conversation(payload.TabularRequest(1))
	f.Add(good)
	f.Add(good[:len(good)-3])
	f.Add(append(bytes.Clone(good), good[len(h2.Preface):]...))
	f.Add([]byte(h2.Preface))
	f.Fuzz(func(t *testing.T, data []byte) {
		// The fuzzer shall not have to find the preface.
		if !bytes.HasPrefix(data, []byte(h2.Preface)) {
			data = append([]byte(h2.Preface), data...)
		}
		s := &script{in: bytes.NewReader(data)}
		if err := newConn(s, newAnswers()).serve(); err == nil {
			t.Error("a connection that has ended is no error")
		}
	})
}

// The seed above is answered.
func TestConversation(t *testing.T) {
	s := &script{in: bytes.NewReader(conversation(payload.TabularRequest(1)))}
	if err := newConn(s, newAnswers()).serve(); !gone(err) {
		t.Error(err)
	}
	if !bytes.Contains(s.out.Bytes(), payload.Answer(payload.Tabular, 1, nil)) {
		t.Errorf("no answer in %q", s.out.Bytes())
	}
}
