package backend

import (
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// testimony is what came from the model server during a call that ended in an error. A gRPC status alone doesn't tell whether
// the server sent it, or our own client made it of a broken connection, a timer or a size limit.
type testimony struct {
	// begun: an answer had begun.
	begun bool
	// said: the server sent its status.
	said bool
}

// contentType is in every header list by which a gRPC server begins an answer, so it is among the trailers exactly when the
// status came without an answer before it (Trailers-Only, as gRPC over HTTP/2 calls it).
const contentType = "content-type"

// hear asks a call that has ended with the status message text. A stats handler would be told, too, but it costs every call
// some microseconds, and this costs only those that fail.
func hear(call grpc.ClientStream, text string) testimony {
	header, err := call.Header()
	if err != nil {
		header = nil
	}
	return testify(header, call.Trailer(), text)
}

// testify is hear for what a call has left behind.
func testify(header, trailer metadata.MD, text string) testimony {
	if len(trailer.Get(contentType)) > 0 {
		return testimony{said: true}
	}
	begun := len(header.Get(contentType)) > 0
	// After an answer has begun, gRPC has no other mark for its own statuses than their words.
	return testimony{begun: begun, said: begun && !isOwnStatus(text)}
}

// ownStatuses begin the messages of the statuses that grpc-go's client makes of an answer that has begun.
var ownStatuses = []string{
	"a HEADERS frame cannot appear", "cardinality violation", "closing transport due to", "connection error", "context canceled",
	"context deadline exceeded", "error reading from server", "grpc: ", "peer header list size", "server closed the stream without",
	"stream terminated by RST_STREAM", "the client connection is closing", "transport", "unexpected EOF",
}

func isOwnStatus(text string) bool {
	return slices.ContainsFunc(ownStatuses, func(begin string) bool { return strings.HasPrefix(text, begin) })
}
