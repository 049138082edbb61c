package gateway_test

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Headers beyond what a call needs are refused, and only their call: the connection goes on. Large ones, such as a long token, pass.
func TestHeadersAreBounded(t *testing.T) {
	w := start(t)
	with := func(bytes int) context.Context {
		return metadata.AppendToOutgoingContext(t.Context(), "x-note", strings.Repeat("n", bytes))
	}
	for _, bytes := range []int{32 << 10, 1 << 20, 32 << 10} {
		err := w.infer(with(bytes), request([][4]float32{sureRow})).err
		if fits := bytes < 64<<10; fits != (err == nil) || !fits && status.Code(err) != codes.Internal {
			t.Errorf("headers of %d bytes: %v", bytes, err)
		}
	}
}
