package gateway

import (
	"bytes"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/credentials/insecure"
)

// spoken is a connection's beginning with so many calls begun and reset.
func spoken(t *testing.T, calls int) []byte {
	t.Helper()
	var b bytes.Buffer
	b.WriteString(http2.ClientPreface)
	f := http2.NewFramer(&b, nil)
	write := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	write(f.WriteSettings())
	for i := range uint32(calls) {
		write(f.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*i + 1, BlockFragment: bytes.Repeat([]byte{3}, int(i%50))}))
		write(f.WriteData(2*i+1, false, bytes.Repeat([]byte{0, 0, 4, 3}, int(i%300))))
		write(f.WriteRSTStream(2*i+1, http2.ErrCodeCancel))
	}
	return b.Bytes()
}

// resets counts the RST_STREAM frames that begin in p.
func (f *frames) resets(p []byte) (n int) {
	f.walk(p, func(f frame) {
		if f.kind == frameRSTStream {
			n++
		}
	})
	return n
}

// However what is read is cut, every reset is counted, and nothing that only looks like one.
func TestResetsAreCounted(t *testing.T) {
	const calls = 400
	data := spoken(t, calls)
	for _, piece := range []int{1, 7, 9, 10, 1000, len(data)} {
		f, got := frames{skip: len(preface)}, 0
		for rest := data; len(rest) > 0; rest = rest[min(piece, len(rest)):] {
			got += f.resets(rest[:min(piece, len(rest))])
		}
		if got != calls {
			t.Errorf("in pieces of %d: %d resets of %d", piece, got, calls)
		}
	}
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x04\x03\x00\x00\x00\x00\x01\x00\x00\x00\x08"), 3)
	f.Fuzz(func(t *testing.T, data []byte, piece int) {
		whole, pieces := frames{skip: len(preface)}, frames{skip: len(preface)}
		want, got := whole.resets(data), 0
		piece = max(1, piece%100)
		for rest := data; len(rest) > 0; rest = rest[min(piece, len(rest)):] {
			got += pieces.resets(rest[:min(piece, len(rest))])
		}
		if got != want || pieces != whole {
			t.Errorf("in pieces of %d: %d resets and %+v, want %d and %+v", piece, got, pieces, want, whole)
		}
	})
}

// Up to a burst nobody waits; beyond it a connection is read at its pace, and a closed one doesn't wait.
func TestResetsAreSlowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const calls = 3000
		theirs, ours := net.Pipe()
		waits := 0
		data := spoken(t, calls)
		go func() { _, _ = theirs.Write(data) }()
		conn, _, err := calmCredentials{insecure.NewCredentials(), func() { waits++ }, &memory{}, nil}.ServerHandshake(ours)
		if err != nil {
			t.Fatal(err)
		}
		start, read := time.Now(), 0
		for buf := make([]byte, 4096); read < len(data); {
			n, err := conn.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			if read == 0 && string(buf[:n]) != preface {
				t.Errorf("it begins with %q", buf[:n])
			}
			read += n
		}
		want := (calls - resetBurst) * time.Second / resetsPerSecond
		if took := time.Since(start); took < want-time.Second/2 || took > want+time.Second/2 || waits == 0 {
			t.Errorf("%d resets took %v with %d waits, want about %v", calls, took, waits, want)
		}
		closing := make(chan struct{})
		go func() { _, _ = theirs.Write(spoken(t, 1)[len(preface):]) }()
		go func() { _, _ = conn.Read(make([]byte, 4096)); close(closing) }()
		synctest.Wait()
		start = time.Now()
		_ = conn.Close()
		<-closing
		if took := time.Since(start); took != 0 {
			t.Errorf("a closed connection waited for %v", took)
		}
		_ = theirs.Close()
	})
}

// Who doesn't begin as HTTP/2 does gets no connection.
func TestOthersThanHTTP2AreSentAway(t *testing.T) {
	for _, said := range []string{"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", "PRI", ""} {
		theirs, ours := net.Pipe()
		go func() { _, _ = theirs.Write([]byte(said)); _ = theirs.Close() }()
		if _, _, err := (calmCredentials{insecure.NewCredentials(), func() {}, &memory{}, nil}).ServerHandshake(ours); err == nil {
			t.Errorf("%q was let in", said)
		}
		_ = ours.Close()
	}
}
