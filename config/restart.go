package config

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// RestartOnly lists the fields in which two configurations differ that a running gateway can't change: what it listens on, the store, and
// where its spans go. None: the second can be put in the place of the first by a reload. Both have their defaults.
func RestartOnly(a, b *candorv1.Config) []string {
	var out []string
	compare := func(section string, a, b proto.Message, fields ...string) {
		x, y := a.ProtoReflect(), b.ProtoReflect()
		for _, name := range fields {
			fd := x.Descriptor().Fields().ByName(protoreflect.Name(name))
			if x.Has(fd) != y.Has(fd) || !x.Get(fd).Equal(y.Get(fd)) {
				out = append(out, section+"."+name)
			}
		}
	}
	compare("listen", a.GetListen(), b.GetListen(),
		"grpc", "http", "web", "public_url", "reflection", "max_message_bytes", "max_concurrent_streams", "max_connection_idle", "max_in_flight_bytes")
	// Whether there is TLS: its files may change.
	if (a.GetListen().GetTls() == nil) != (b.GetListen().GetTls() == nil) {
		out = append(out, "listen.tls")
	}
	if !proto.Equal(a.GetStore(), b.GetStore()) {
		out = append(out, "store")
	}
	compare("audit", a.GetAudit(), b.GetAudit(), "queue_records", "max_linger")
	compare("telemetry", a.GetTelemetry(), b.GetTelemetry(), "otlp_endpoint", "trace_file")
	return out
}
