package backend

import (
	"slices"
	"strings"

	"google.golang.org/grpc/metadata"
)

// contentType is in every header list by which a gRPC server begins an answer, so it is among the trailers exactly when the
// status came without an answer before it (Trailers-Only, as gRPC over HTTP/2 calls it).
const contentType = "content-type"

// saidIt tells of a call that ended in an error, by what trailers came and by the status's message, whether the model server sent
// that status. gRPC's status alone doesn't tell: our own client makes one, too, of a broken connection, a timer or a size limit. A
// stats handler would be told, but costs every call some microseconds, and this costs only those that fail.
func saidIt(trailer metadata.MD, text string) bool {
	return len(trailer.Get(contentType)) > 0 || !isOwnStatus(text)
}

// ownStatuses begin the messages of the statuses that grpc-go's client makes: before a call has a connection, while its answer
// is awaited, and in the middle of one. Where no status came alone, gRPC has no other mark for them than their words.
var ownStatuses = []string{
	"a HEADERS frame cannot appear", "cardinality violation", "closing transport due to", "connection error", "context canceled",
	"context deadline exceeded", "credentials", "dial tcp", "dns:", "EOF", "error reading from server", "failed to validate authority", "grpc: ",
	"header list size", "http2: ",
	"last connection error", "last resolver error", "latest balancer error", "name resolver error", "no children to pick from", "peer header list size",
	"produced zero addresses", "read tcp", "received context error", "received picker error", "remote error", "server closed the stream without",
	"stream terminated by RST_STREAM", "the client connection is closing", "the connection is draining", "the provided transport",
	"tls: ", "transport", "trying to send message", "unexpected EOF", "unexpected HTTP status", "write tcp", "x509: ",
}

func isOwnStatus(text string) bool {
	return slices.ContainsFunc(ownStatuses, func(begin string) bool { return strings.HasPrefix(text, begin) })
}
