package gateway

import (
	"io"
	"runtime"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/gzip"
)

// A message of some kilobytes may decompress to listen.max_message_bytes, and takes milliseconds of a processor even when it is then
// refused. So beyond freeBytes of a message, only so many are decompressed at once that other calls have processors left; the others
// wait for their turn, and hold no more than that meanwhile.
const freeBytes = 64 << 10

// turns are places for messages that are decompressed: of four processors three, of two one.
func turns() chan struct{} {
	n := runtime.GOMAXPROCS(0)
	return make(chan struct{}, max(1, n-max(1, n/4)))
}

func init() {
	places := turns()
	encoding.RegisterCompressor(inTurn{encoding.GetCompressor(gzip.Name), places})
	encoding.RegisterCompressor(inTurn{&deflate{}, places})
}

// inTurn is an encoding whose large messages are decompressed in turn. Safe for concurrent use.
type inTurn struct {
	encoding.Compressor
	places chan struct{}
}

// Decompress answers a reader that must be closed; grpc-go does.
func (c inTurn) Decompress(r io.Reader) (io.Reader, error) {
	z, err := c.Compressor.Decompress(r)
	if err != nil {
		return nil, err
	}
	return &turn{Reader: z, places: c.places}, nil
}

type turn struct {
	io.Reader
	places chan struct{}
	read   int
	has    bool
}

func (t *turn) Read(p []byte) (int, error) {
	if t.read >= freeBytes && !t.has {
		t.places <- struct{}{}
		t.has = true
	}
	n, err := t.Reader.Read(p)
	t.read += n
	return n, err
}

func (t *turn) Close() error {
	if t.has {
		<-t.places
		t.has = false
	}
	if c, ok := t.Reader.(io.Closer); ok {
		return c.Close()
	}
	return nil
}
