package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// exporterTimeout bounds the end of an exporter that has had its time to send.
const exporterTimeout = time.Second

// openSpans makes the exporters that the configuration names. The gateway flushes them and shuts them down; closeAll, which
// comes after that, ends what hangs on a collector that is down, and closes files.
//
// A collector on this machine is spoken to in plain text, any other one over TLS, unless the standard variable
// OTEL_EXPORTER_OTLP_INSECURE says otherwise.
func openSpans(ctx context.Context, t *candorv1.Telemetry, out io.Writer) (exporters []sdktrace.SpanExporter, closeAll func() error, err error) {
	var cleanups cleanups
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
		cleanups.add(func() error {
			ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), exporterTimeout)
			defer cancel()
			_ = e.Shutdown(ending) // the gateway has reported it, if spans were lost
			return nil
		})
	}
	if name := t.GetTraceFile(); name != "" {
		w := out
		if name != stdout {
			// Spans hold names and numbers, no inputs, but who called which model is nobody else's business.
			f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
			if err != nil {
				err = cli.Fail("name a file that can be written, or - for standard output", "telemetry.trace_file: %w", err)
				return nil, nil, errors.Join(err, cleanups.run())
			}
			w = f
			cleanups.add(f.Close)
		}
		e, err := stdouttrace.New(stdouttrace.WithWriter(w))
		if err != nil {
			return nil, nil, errors.Join(fmt.Errorf("telemetry.trace_file: %w", err), cleanups.run())
		}
		exporters = append(exporters, e)
	}
	return exporters, cleanups.run, nil
}
