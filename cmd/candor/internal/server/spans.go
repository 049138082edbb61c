package server

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// openSpans makes the exporters that the configuration names. The gateway shuts them down; what close closes comes after that.
//
// A collector on this machine is spoken to in plain text, any other one over TLS, unless the standard variable
// OTEL_EXPORTER_OTLP_INSECURE says otherwise.
func openSpans(ctx context.Context, t *candorv1.Telemetry, out io.Writer) (exporters []sdktrace.SpanExporter, closeFile func() error, err error) {
	closeFile = func() error { return nil }
	if endpoint := t.GetOtlpEndpoint(); endpoint != "" {
		opts := []otlptracegrpc.Option{otlptracegrpc.WithEndpoint(endpoint)}
		if host, _, err := net.SplitHostPort(endpoint); err == nil && (host == "localhost" || net.ParseIP(host).IsLoopback()) {
			opts = append(opts, otlptracegrpc.WithInsecure())
		}
		// It connects in the background: a collector that is down keeps nobody from starting.
		e, err := otlptracegrpc.New(ctx, opts...)
		if err != nil {
			return nil, nil, fmt.Errorf("telemetry.otlp_endpoint: %w", err)
		}
		exporters = append(exporters, e)
	}
	if name := t.GetTraceFile(); name != "" {
		w := out
		if name != stdout {
			// Spans hold names and numbers, no inputs, but who called which model is nobody else's business.
			f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
			if err != nil {
				return nil, nil, cli.Fail("name a file that can be written, or - for standard output", "telemetry.trace_file: %w", err)
			}
			w, closeFile = f, f.Close
		}
		e, err := stdouttrace.New(stdouttrace.WithWriter(w))
		if err != nil {
			return nil, nil, fmt.Errorf("telemetry.trace_file: %w", err)
		}
		exporters = append(exporters, e)
	}
	return exporters, closeFile, nil
}
