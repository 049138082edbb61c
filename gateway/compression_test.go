package gateway

import (
	"bytes"
	"compress/zlib"
	"io"
	"testing"

	"google.golang.org/grpc/encoding"
)

// What clients call deflate is zlib's format: the test reads and writes it with the library, not with our own other half.
func TestDeflateIsZlib(t *testing.T) {
	c := encoding.GetCompressor("deflate")
	if c == nil || encoding.GetCompressor("gzip") == nil {
		t.Fatal("deflate or gzip is not registered")
	}
	// Twice, so that pooled writers and readers are seen too.
	for _, want := range []string{"the first message", "and the second"} {
		var theirs bytes.Buffer
		zw := zlib.NewWriter(&theirs)
		if _, err := io.WriteString(zw, want); err != nil {
			t.Fatal(err)
		}
		if err := zw.Close(); err != nil {
			t.Fatal(err)
		}
		r, err := c.Decompress(&theirs)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || string(got) != want {
			t.Errorf("decompressed %q, %v; want %q", got, err, want)
		}
		if err := r.(io.Closer).Close(); err != nil {
			t.Error(err)
		}

		var ours bytes.Buffer
		w, err := c.Compress(&ours)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, want); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		zr, err := zlib.NewReader(&ours)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(zr); err != nil || string(got) != want {
			t.Errorf("compressed to %q, %v; want %q", got, err, want)
		}
	}
}

func TestDeflateRefusesWhatIsNotZlib(t *testing.T) {
	c := &deflate{}
	for range 2 {
		if _, err := c.Decompress(bytes.NewReader([]byte("no zlib header"))); err == nil {
			t.Error("no error")
		}
		// A good message in between leaves a reader in the pool for the second round.
		var good bytes.Buffer
		w, _ := c.Compress(&good)
		_ = w.Close()
		r, err := c.Decompress(&good)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, r); err != nil {
			t.Fatal(err)
		}
		_ = r.(io.Closer).Close()
	}
}
