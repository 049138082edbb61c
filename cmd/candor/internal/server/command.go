package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/stores"
	"github.com/candor-gateway/candor/config"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Command is candor serve.
func Command(version string) *cobra.Command {
	var file, logFormat, pprof string
	var watch bool
	c := &cobra.Command{
		Use:   "serve --config FILE",
		Short: "Run the gateway",
		Long: `Run the gateway of a configuration until it is interrupted.

It refuses to start on any fault of the configuration, and on a store that is absent,
belongs to another gateway or, where it is a file, is in use: a fresh store would free
every action limit that has tripped. candor init makes the store once. Many gateways
may serve from one PostgreSQL. For a store that isn't there yet, or doesn't answer, it
waits for up to store.wait, and says so; no port is open until it serves.

SIGTERM or an interrupt drains: health turns NOT_SERVING, new calls are taken for
listen.drain_delay more, calls in flight finish within listen.drain_timeout, records are
written, and the exit status is 0. A second signal ends the process at once.

SIGHUP reloads the configuration, its policies and certificates, and so does a change of
its files, unless --watch=false. No call fails for it. A configuration with a fault, or
one that changes what only a restart changes, is refused as a whole: the log says why,
and the one before stays in force. What is no regular file, such as a pipe, is read once
and can't be reloaded.

Names of files in the configuration start at its folder. GOMEMLIMIT and GOMAXPROCS are
heeded as by every Go program.`,
		Example: `  candor init  --config candor.yaml     # once
  candor serve --config candor.yaml
  candor serve --config candor.yaml --log json 2>candor.log`,
		Args: cli.Args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return cli.Usage("candor serve --config candor.yaml", "--config is missing")
			}
			log, err := newLog(logFormat, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			// The OpenTelemetry SDK reports failed exports by a global; without this they'd be printed past the log.
			otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("telemetry", slog.Any("error", err)) }))
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			unwatch := context.AfterFunc(ctx, func() {
				stop() // a second signal kills the process, as it would without us
				log.Info("draining; a second signal ends at once")
			})
			defer unwatch()
			hangup := make(chan os.Signal, 1)
			signal.Notify(hangup, syscall.SIGHUP)
			defer signal.Stop(hangup)
			err = Run(ctx, Options{
				Config: file, Log: log, Stdout: cmd.OutOrStdout(), Version: version, Pprof: pprof, Hangup: hangup, Unwatched: !watch,
			})
			if err == nil {
				log.Info("drained")
			}
			return refused(cmd.ErrOrStderr(), file, err)
		},
	}
	c.Flags().StringVar(&file, "config", "", "configuration file (required)")
	c.Flags().StringVar(&logFormat, "log", "text", "form of the log on standard error: text or json")
	c.Flags().BoolVar(&watch, "watch", true, "reload when the configuration's files change")
	c.Flags().StringVar(&pprof, "pprof", "", "loopback address at which Go's profiles are served (default nowhere)")
	return c
}

// InitCommand is candor init.
func InitCommand() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "init --config FILE",
		Short: "Make the store that a configuration names, once",
		Long: `Make the store that a configuration names and write store.identity into it: a file, or
tables in an empty database.

An existing store is never touched: it holds review items, the decision log, and the
latches of action limits, which nothing but a named person may release.`,
		Example: `  candor init --config candor.yaml`,
		Args:    cli.Args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return cli.Usage("candor init --config candor.yaml", "--config is missing")
			}
			name, identity, err := Init(cmd.Context(), file)
			if err != nil {
				return refused(cmd.ErrOrStderr(), file, err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "made store %s with identity %s; candor serve --config %s serves from it\n", name, identity, file)
			return err
		},
	}
	c.Flags().StringVar(&file, "config", "", "configuration file (required)")
	return c
}

// Init makes the store that a configuration file names, and answers what it is called and whose.
func Init(ctx context.Context, file string) (name, identity string, err error) {
	cfg, err := load(file, slog.New(slog.DiscardHandler))
	if err != nil {
		return "", "", err
	}
	if name, err = stores.Init(ctx, cfg); err != nil {
		return "", "", err
	}
	return name, cfg.GetStore().GetIdentity(), nil
}

// Load reads a configuration file for another command. Its faults are written to w, its names of files start at its folder.
func Load(file string, w io.Writer) (*candorv1.Config, error) {
	cfg, err := load(file, slog.New(slog.DiscardHandler))
	return cfg, refused(w, file, err)
}

// refused lists the faults of a configuration that was refused, and answers the error that sums them up. Other errors pass.
func refused(w io.Writer, file string, err error) error {
	var faults config.Faults
	if !errors.As(err, &faults) {
		return err
	}
	for _, f := range faults {
		if _, err := fmt.Fprintln(w, f); err != nil {
			return err
		}
	}
	return cli.Fail("correct them; candor check "+file+" lists them again", "%s has %s", file, cli.Count(len(faults.Errors()), "fault"))
}

func newLog(format string, w io.Writer) (*slog.Logger, error) {
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, nil)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, nil)), nil
	}
	return nil, cli.Usage("write --log text or --log json", "--log %q is no form of a log", format)
}
