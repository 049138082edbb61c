package gateway

import (
	"bytes"
	"io"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc/encoding"
)

// With one place, a second large message waits until the first one is closed; a small one doesn't.
func TestLargeMessagesAreDecompressedInTurn(t *testing.T) {
	compressed := func(n int) *bytes.Buffer {
		var b bytes.Buffer
		w, err := encoding.GetCompressor("gzip").Compress(&b)
		if err == nil {
			_, err = w.Write(make([]byte, n))
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		return &b
	}
	synctest.Test(t, func(t *testing.T) {
		c := inTurn{encoding.GetCompressor("gzip").(inTurn).Compressor, make(chan struct{}, 1)}
		open := func(n int) io.Reader {
			r, err := c.Decompress(compressed(n))
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		const large = 4 * freeBytes
		first, second := open(large), open(large)
		if n, err := io.Copy(io.Discard, first); n != large || err != nil {
			t.Fatalf("%d bytes, %v", n, err)
		}
		done := make(chan int64, 1)
		go func() {
			n, _ := io.Copy(io.Discard, second)
			done <- n
		}()
		synctest.Wait()
		if len(done) > 0 {
			t.Error("the second large message did not wait")
		}
		small := open(freeBytes / 2)
		if n, err := io.Copy(io.Discard, small); n != freeBytes/2 || err != nil {
			t.Errorf("a small message: %d bytes, %v", n, err)
		}
		_ = small.(io.Closer).Close()
		_ = first.(io.Closer).Close()
		if n := <-done; n != large {
			t.Errorf("the second one has %d bytes", n)
		}
		_ = second.(io.Closer).Close()
		if len(c.places) != 0 {
			t.Error("a place was not given back")
		}
	})
}
