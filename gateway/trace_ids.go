package gateway

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"

	"go.opentelemetry.io/otel/trace"
)

func newTraceID() (id trace.TraceID) {
	for !id.IsValid() {
		binary.NativeEndian.PutUint64(id[:8], rand.Uint64())
		binary.NativeEndian.PutUint64(id[8:], rand.Uint64())
	}
	return id
}

func newSpanID() (id trace.SpanID) {
	for !id.IsValid() {
		binary.NativeEndian.PutUint64(id[:], rand.Uint64())
	}
	return id
}

const traceparentKey = "traceparent"

func incoming(ctx context.Context) trace.SpanContext {
	v := incomingValues(ctx, traceparentKey)
	if len(v) != 1 {
		return trace.SpanContext{}
	}
	return parseTraceparent(v[0])
}

// traceparent and parseTraceparent speak version 00 of W3C Trace Context.
func traceparent(t trace.TraceID, s trace.SpanID, sampled bool) string {
	flags := "00"
	if sampled {
		flags = "01"
	}
	return "00-" + t.String() + "-" + s.String() + "-" + flags
}

func parseTraceparent(v string) trace.SpanContext {
	const size = 55
	if len(v) < size || v[2] != '-' || v[35] != '-' || v[52] != '-' || v[:2] == "ff" || (len(v) > size && (v[:2] == "00" || v[size] != '-')) {
		return trace.SpanContext{}
	}
	t, err1 := trace.TraceIDFromHex(v[3:35])
	s, err2 := trace.SpanIDFromHex(v[36:52])
	flags, err3 := hex.DecodeString(v[53:55])
	_, err4 := hex.DecodeString(v[:2])
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil {
		return trace.SpanContext{}
	}
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: t, SpanID: s, TraceFlags: trace.TraceFlags(flags[0]), Remote: true})
}
