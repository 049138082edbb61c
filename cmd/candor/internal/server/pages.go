package server

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/defect"
	"github.com/candor-gateway/candor/internal/listening"
	"github.com/candor-gateway/candor/people"
	"github.com/candor-gateway/candor/web"
)

// pages is the HTTP server of the pages for people. Its zero value serves none.
type pages struct {
	server *http.Server
	lis    net.Listener
	site   *web.Server
	url    string
	log    *slog.Logger
	guard  defect.Guard
	users  people.Store
	door   door
	// done is closed when nothing is served any more; nil: nothing ever was.
	done chan struct{}
}

// Bounds on browsers. A stream of events sets its own, from one event to the next.
const (
	pageHeaderTimeout = 5 * time.Second
	pageReadTimeout   = 30 * time.Second
	pageWriteTimeout  = time.Minute
	pageIdleTimeout   = 2 * time.Minute
	// pageHeaderBytes is far more than cookies and addresses of ours take.
	pageHeaderBytes = 64 << 10
)

// openPages listens at listen.web; without it there are no pages. moved tells of changes in the queue.
func openPages(cfg *candorv1.Config, g *gateway.Gateway, store people.Store, moved func() <-chan struct{}, guard defect.Guard) (*pages, error) {
	listen := cfg.GetListen()
	if listen.GetWeb() == "" {
		return &pages{}, nil
	}
	site, err := web.New(web.Deps{Conn: g.InProcess(), As: gateway.OutgoingAs, Moved: moved, Log: guard.Log, Panicked: guard.Count})
	if err != nil {
		return nil, err
	}
	lis, err := net.Listen("tcp", listen.GetWeb())
	if err != nil {
		return nil, listening.Refused("listen.web", err)
	}
	p := &pages{lis: lis, site: site, log: guard.Log, guard: guard, users: store, url: people.PublicURL(listen, lis.Addr().String())}
	if err := p.prepare(cfg, g); err != nil {
		return nil, errors.Join(err, lis.Close())
	}
	return p, nil
}

func (p *pages) prepare(cfg *candorv1.Config, g *gateway.Gateway) error {
	gate, err := p.gateOf(cfg)
	if err != nil {
		return err
	}
	p.use(gate)
	if cfg.GetListen().GetTls() != nil {
		p.lis = tls.NewListener(p.lis, &tls.Config{
			GetCertificate: g.Certificate, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		})
	}
	p.server = &http.Server{
		Handler: p.site.Behind(&p.door), ReadHeaderTimeout: pageHeaderTimeout, ReadTimeout: pageReadTimeout, WriteTimeout: pageWriteTimeout,
		IdleTimeout: pageIdleTimeout, MaxHeaderBytes: pageHeaderBytes, ErrorLog: slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
	}
	p.server.RegisterOnShutdown(p.site.Close)
	return nil
}

// gateOf makes the gate of a configuration, after the one in use; nil: there are no pages. Errors name the field.
func (p *pages) gateOf(cfg *candorv1.Config) (*people.Gate, error) {
	if p.site == nil {
		return nil, nil
	}
	return people.NewGate(people.GateOptions{
		Config: cfg, Store: p.users, PublicURL: p.url, Pages: p.site, Open: web.OpenPaths(), Log: p.log, Panicked: p.guard.Count, Before: p.gate(),
	})
}

// gate is the one in use; nil: there are no pages.
func (p *pages) gate() *people.Gate { return p.door.gate.Load() }

// use has whoever comes from now on meet this gate.
func (p *pages) use(gate *people.Gate) {
	if gate != nil {
		p.door.gate.Store(gate)
	}
}

// serve begins to answer, and stops when ctx ends: requests in flight finish within the time to drain, which is asked for then.
func (p *pages) serve(ctx context.Context, drain func() time.Duration) {
	if p.server == nil {
		return
	}
	p.done = make(chan struct{})
	go func() {
		if err := p.server.Serve(p.lis); !errors.Is(err, http.ErrServerClosed) {
			p.log.Error("the pages are not served any more", slog.Any("error", err))
		}
	}()
	context.AfterFunc(ctx, func() {
		defer close(p.done)
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain())
		defer cancel()
		if err := p.server.Shutdown(closing); err != nil {
			p.log.Warn("pages were still being read when the time to drain was over", slog.Any("error", errors.Join(err, p.server.Close())))
		}
	})
}

// wait until nothing is served any more.
func (p *pages) wait() {
	if p.done != nil {
		<-p.done
	}
}

// close gives the listener back where serve was never called.
func (p *pages) close() error {
	if p.lis == nil {
		return nil
	}
	if err := p.lis.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}
