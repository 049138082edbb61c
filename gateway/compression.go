package gateway

import (
	"compress/zlib"
	"io"
	"sync"
)

// Clients of Triton compress requests as gzip or as deflate; grpc-go brings gzip alone. A request in an encoding that isn't
// registered is refused, and an answer goes back in the encoding of its request. grpc-go bounds what comes out of a
// decompressor by listen.max_message_bytes.

// deflate is gRPC's encoding of that name, which, like HTTP's, is the zlib format (RFC 1950) and not bare deflate data
// (RFC 1951). Safe for concurrent use.
type deflate struct {
	writers, readers sync.Pool
}

func (*deflate) Name() string { return "deflate" }

func (d *deflate) Compress(w io.Writer) (io.WriteCloser, error) {
	if z, ok := d.writers.Get().(*deflateWriter); ok {
		z.Reset(w)
		return z, nil
	}
	return &deflateWriter{Writer: zlib.NewWriter(w), pool: &d.writers}, nil
}

// Decompress answers a reader that grpc-go closes when it has read a message.
func (d *deflate) Decompress(r io.Reader) (io.Reader, error) {
	z, ok := d.readers.Get().(*deflateReader)
	if !ok {
		fresh, err := zlib.NewReader(r)
		if err != nil {
			return nil, err
		}
		return &deflateReader{ReadCloser: fresh, pool: &d.readers}, nil
	}
	if err := z.ReadCloser.(zlib.Resetter).Reset(r, nil); err != nil {
		d.readers.Put(z)
		return nil, err
	}
	return z, nil
}

type deflateWriter struct {
	*zlib.Writer
	pool *sync.Pool
}

func (w *deflateWriter) Close() error {
	defer w.pool.Put(w)
	return w.Writer.Close()
}

type deflateReader struct {
	io.ReadCloser
	pool *sync.Pool
}

func (r *deflateReader) Close() error {
	defer r.pool.Put(r)
	return r.ReadCloser.Close()
}
