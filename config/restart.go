package config

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// RestartOnly lists the fields in which two configurations differ that a running gateway can't change: what it listens on, the store, and
// where its spans go; and what a limit counts: what is counted so far is of another kind. None: the second can be put in the place of the first by a reload. Both have their defaults.
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
	return append(out, countedOtherwise(a.GetLimits(), b.GetLimits())...)
}

// countedOtherwise lists what differs in what limits of the same name count. Bounds, windows and shares may change.
func countedOtherwise(a, b map[string]*candorv1.LimitConfig) []string {
	var out []string
	for _, name := range names(a) {
		before, after := a[name], b[name]
		if after == nil {
			continue
		}
		at := "limits." + name + "."
		switch {
		case kindOf(before) != kindOf(after):
			out = append(out, at+kindOf(after))
		case !proto.Equal(before.GetSum().GetAmount(), after.GetSum().GetAmount()):
			out = append(out, at+"sum.amount")
		case before.GetSum().GetUnit() != after.GetSum().GetUnit():
			out = append(out, at+"sum.unit")
		case !proto.Equal(before.GetRatio().GetDenominator(), after.GetRatio().GetDenominator()):
			out = append(out, at+"ratio.denominator")
		}
		if !sameKey(before.GetKey(), after.GetKey()) {
			out = append(out, at+"key")
		}
	}
	return out
}

// kindOf is the field that says what a limit counts.
func kindOf(l *candorv1.LimitConfig) string {
	switch {
	case l.GetSum() != nil:
		return "sum"
	case l.GetRatio() != nil:
		return "ratio"
	}
	return "max_count"
}

func sameKey(a, b *candorv1.LimitKey) bool {
	return (a == nil) == (b == nil) && a.GetParameter() == b.GetParameter() && proto.Equal(a.GetInput(), b.GetInput())
}
