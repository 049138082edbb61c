package server

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/internal/listening"
)

const pprofRemedy = "write --pprof 127.0.0.1:6060; from elsewhere reach it through a tunnel"

// pprofHeaderTimeout bounds a client that connects and says nothing.
const pprofHeaderTimeout = 5 * time.Second

// startPprof serves Go's profiles at addr, which must be on loopback: a profile shows what the process has in memory and what
// its command line says, and making one slows it down. The empty address serves nothing.
func startPprof(addr string, log *slog.Logger) (stop func() error, err error) {
	if addr == "" {
		return func() error { return nil }, nil
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, cli.Usage(pprofRemedy, "--pprof %q is no host:port", addr)
	}
	// A name could turn out to be any address.
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return nil, cli.Usage(pprofRemedy, "--pprof %q is not an address of the loopback interface", addr)
	}
	lis, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, listening.Refused("--pprof", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	// No limit on writing: a profile takes as long as its reader asks for.
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: pprofHeaderTimeout}
	log.Info("serving profiles", slog.String("url", "http://"+lis.Addr().String()+"/debug/pprof/"))
	served := make(chan error, 1)
	go func() { served <- srv.Serve(lis) }()
	return func() error {
		err := srv.Close()
		if ended := <-served; !errors.Is(ended, http.ErrServerClosed) {
			err = errors.Join(err, ended)
		}
		return err
	}, nil
}
