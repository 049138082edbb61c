package h2

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"testing/iotest"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// sink is a connection that keeps what is written to it.
type sink struct {
	net.Conn
	bytes.Buffer
}

func (s *sink) Write(b []byte) (int, error) { return s.Buffer.Write(b) }
func (s *sink) Read(b []byte) (int, error)  { return s.Buffer.Read(b) }

// What the writer writes a framer that others wrote reads, whatever is copied and whatever is shared.
func TestWriterAgainstFramer(t *testing.T) {
	s := &sink{}
	w := NewWriter(s)
	small, large := []byte("small"), bytes.Repeat([]byte("large"), 3000)
	w.Settings(1<<20, 7)
	w.WindowUpdate(0, 12)
	w.Data(3, large, false)
	w.Data(3, small, true)
	w.Data(5, large, true)
	w.AckSettings()
	w.AckPing(Frame{Payload: []byte("12345678")})
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	w.WindowUpdate(9, 1)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil { // nothing is left
		t.Fatal(err)
	}

	framer := http2.NewFramer(nil, s)
	var got []string
	for {
		f, err := framer.ReadFrame()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, f.Header().Type.String())
		switch f := f.(type) {
		case *http2.DataFrame:
			want, end := large, f.StreamID == 5
			if len(f.Data()) < 100 {
				want, end = small, true
			}
			if !bytes.Equal(f.Data(), want) || f.StreamEnded() != end {
				t.Errorf("%v", f)
			}
		case *http2.SettingsFrame:
			if v, ok := f.Value(http2.SettingInitialWindowSize); !f.IsAck() && (!ok || v != 1<<20) {
				t.Errorf("%v", f)
			}
		}
	}
	want := []string{"SETTINGS", "WINDOW_UPDATE", "DATA", "DATA", "DATA", "SETTINGS", "PING", "WINDOW_UPDATE"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// What a framer that others wrote writes the reader reads, however it is cut into pieces.
func TestReaderAgainstFramer(t *testing.T) {
	var b bytes.Buffer
	framer := http2.NewFramer(&b, nil)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 99}, http2.Setting{ID: http2.SettingHeaderTableSize, Val: 0},
		http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 3}, http2.Setting{ID: 0xff, Val: 1}))
	check(framer.WriteDataPadded(1, true, []byte("body"), make([]byte, 9)))
	check(framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: 3, BlockFragment: []byte("block"), EndHeaders: true, PadLength: 4, Priority: http2.PriorityParam{Weight: 9},
	}))
	check(framer.WriteWindowUpdate(1, 77))
	check(framer.WriteGoAway(1, http2.ErrCodeEnhanceYourCalm, nil))
	check(framer.WriteRSTStream(1, http2.ErrCodeRefusedStream))

	r := NewReader(iotest.OneByteReader(&b), 0)
	next := func() Frame {
		t.Helper()
		for {
			f, ok, err := r.Next()
			if err != nil {
				t.Fatal(err)
			}
			if ok {
				return f
			}
			if err := r.Fill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	p := NewPeer()
	if err := p.Apply(next()); err != nil || p != (Peer{InitialWindow: 99, MaxConcurrent: 3}) {
		t.Errorf("%+v, %v", p, err)
	}
	if f := next(); !f.Has(EndStream) || f.Stream != 1 {
		t.Errorf("%+v", f)
	} else if body, err := f.Body(); err != nil || string(body) != "body" {
		t.Errorf("%q, %v", body, err)
	}
	if body, err := next().Body(); err != nil || string(body) != "block" {
		t.Errorf("%q, %v", body, err)
	}
	if n, err := next().Increment(); err != nil || n != 77 {
		t.Errorf("%d, %v", n, err)
	}
	if code := next().ErrorCode(); code != uint32(http2.ErrCodeEnhanceYourCalm) {
		t.Errorf("GOAWAY %d", code)
	}
	if code := next().ErrorCode(); code != uint32(http2.ErrCodeRefusedStream) {
		t.Errorf("RST_STREAM %d", code)
	}
	if err := r.Fill(); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}

func TestReaderRefuses(t *testing.T) {
	read := func(b []byte) error {
		r := NewReader(bytes.NewReader(b), 0)
		for {
			_, ok, err := r.Next()
			if err == nil && !ok {
				err = r.Fill()
			}
			if err != nil {
				return err
			}
		}
	}
	if err := read(AppendHeader(nil, MaxFrame+1, Data, 0, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("a frame that is too large: %v", err)
	}
	if err := read(AppendHeader(nil, 4, Data, 0, 1)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a frame that is cut off: %v", err)
	}
	if err := NewReader(bytes.NewReader([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")), 0).Expect(Preface); err == nil {
		t.Error("HTTP/1.1 is taken for HTTP/2")
	}
	for _, f := range []Frame{
		{Type: Data, Flags: Padded}, {Type: Data, Flags: Padded, Payload: []byte{5, 1}}, {Type: Headers, Flags: Priority, Payload: []byte{1}},
	} {
		if body, err := f.Body(); err == nil {
			t.Errorf("%+v has the body %q", f, body)
		}
	}
	for _, payload := range [][]byte{nil, {0, 0, 0, 0}, {0x80, 0, 0, 0}} {
		if n, err := (Frame{Payload: payload}).Increment(); err == nil {
			t.Errorf("%v adds %d", payload, n)
		}
	}
	p := NewPeer()
	for _, payload := range [][]byte{{1}, {0, 4, 0x80, 0, 0, 0}} {
		if err := p.Apply(Frame{Payload: payload}); err == nil {
			t.Errorf("settings %v are taken", payload)
		}
	}
	for _, body := range [][]byte{nil, {0, 0, 0, 0}, {1, 0, 0, 0, 0}, {0, 0, 0, 0, 2, 1}, {0, 0, 0, 0, 0, 1}} {
		if m, err := OneMessage(body); err == nil {
			t.Errorf("%v is the message %v", body, m)
		}
	}
	if m, err := OneMessage(Message([]byte("m"))); err != nil || string(m) != "m" {
		t.Errorf("%q, %v", m, err)
	}
}

// Blocks are decoded as what they were, again and again, by peers with any table.
func TestBlocks(t *testing.T) {
	lists := [][]string{{":status", "200", "content-type", "application/grpc"}, {"grpc-status", "0"}}
	for _, table := range []uint32{0, 64, 4096, 1 << 20} {
		p := NewPeer()
		p.HeaderTableSize = table
		blocks := Blocks(p, lists...)
		dec := hpack.NewDecoder(min(table, 4096), nil)
		decode := func(b []byte, want []string) {
			t.Helper()
			fields, err := dec.DecodeFull(b)
			var got []string
			for _, f := range fields {
				got = append(got, f.Name, f.Value)
			}
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("table of %d: %v, %v; want %v", table, got, err, want)
			}
		}
		for i, b := range blocks {
			decode(b.First, lists[i])
		}
		for range 3 {
			decode(Literal("x", "y"), []string{"x", "y"})
			for i, b := range blocks {
				decode(b.Again, lists[i])
			}
		}
		if table == 4096 && (len(blocks[0].Again) != 2 || len(blocks[1].Again) != 1) {
			t.Errorf("blocks of %d and %d bytes are not indexed", len(blocks[0].Again), len(blocks[1].Again))
		}
	}
}
