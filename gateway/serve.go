package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/experimental"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/inside"
	"github.com/candor-gateway/candor/internal/wire"
)

// Run serves until ctx ends, and then drains: health turns NOT_SERVING, new calls are refused after listen.drain_delay, calls in flight
// finish within listen.drain_timeout. ready, when not nil, is called once the listeners are open. A clean stop answers nil.
func (g *Gateway) Run(ctx context.Context, ready func(Addrs)) error {
	if err := g.Listen(ctx); err != nil {
		return err
	}
	if err := g.Begin(context.WithoutCancel(ctx)); err != nil {
		return err // Close closes the ports
	}
	p := g.ports
	g.ports = nil
	web := p.web
	srv, healthSrv := g.newServer() // it has goroutines from here on

	workCtx, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	work := g.startWork(workCtx)
	served := make(chan error, 3)
	go func() { served <- srv.Serve(g.arrivals(p.grpc)) }()
	go func() { served <- srv.Serve(g.inside.Listener()) }()
	if web != nil {
		go func() {
			if err := web.Serve(p.http); !errors.Is(err, http.ErrServerClosed) {
				served <- fmt.Errorf("http: %w", err)
			}
		}()
	}
	if ready != nil {
		ready(p.addrs())
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-served:
	}
	healthSrv.Shutdown()
	close(g.leaving)
	if err == nil {
		err = g.linger(served)
	}
	g.drain(srv)
	g.streaming.Wait()
	stopWork()
	work.Wait()
	if web != nil {
		closing, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = web.Shutdown(closing)
	}
	return err
}

// linger takes calls for as long as those who send them may take to notice that the gateway is leaving. An error is that of a listener
// which has ended.
func (g *Gateway) linger(served <-chan error) error {
	timer := time.NewTimer(g.plan().cfg.GetListen().GetDrainDelay().AsDuration())
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case err := <-served:
		return err
	}
}

// drain lets calls in flight finish, and ends them when the drain time has passed.
func (g *Gateway) drain(srv *grpc.Server) {
	g.stopOnce.Do(func() { close(g.stopping) })
	done := make(chan struct{})
	go func() { srv.GracefulStop(); close(done) }()
	timer := time.NewTimer(g.plan().cfg.GetListen().GetDrainTimeout().AsDuration())
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		srv.Stop()
		<-done
	}
}

func (g *Gateway) newServer() (*grpc.Server, *health.Server) {
	l := g.plan().cfg.GetListen()
	size := int(l.GetMaxMessageBytes())
	srv := grpc.NewServer(
		grpc.Creds(inside.Credentials(g.calmCredentials())),
		grpc.ForceServerCodecV2(wire.Codec{}),
		grpc.MaxRecvMsgSize(size), grpc.MaxSendMsgSize(size),
		grpc.MaxConcurrentStreams(l.GetMaxConcurrentStreams()),
		grpc.StaticStreamWindowSize(streamWindow), grpc.StaticConnWindowSize(streamWindow),
		grpc.NumStreamWorkers(streamWorkers),
		grpc.MaxHeaderListSize(headersMost),
		grpc.ReadBufferSize(0), // calmConn has one
		experimental.BufferPool(wire.Buffers),
		grpc.InTapHandle(begins),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionIdle: l.GetMaxConnectionIdle().AsDuration(), Time: pingAfter, Timeout: pingTimeout,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: clientPingMin, PermitWithoutStream: true}),
		grpc.ConnectionTimeout(handshakeTimeout),
		grpc.WaitForHandlers(true),
		grpc.ChainUnaryInterceptor(g.unaryGuard),
		grpc.ChainStreamInterceptor(g.streamGuard),
		grpc.UnknownServiceHandler(notServed),
	)
	reg := registrar{srv, g}
	registerOIP(reg, g)
	registerPredictions(reg, g)
	candorv1.RegisterReviewServiceServer(reg, &reviewService{g: g})
	candorv1.RegisterLimitServiceServer(reg, &limitService{g: g})
	candorv1.RegisterArtefactServiceServer(reg, &artefactService{g: g})
	candorv1.RegisterExplainServiceServer(reg, &explainService{g: g})
	candorv1.RegisterCertificateServiceServer(reg, &certificateService{g: g})
	candorv1.RegisterPeopleServiceServer(reg, &peopleService{g: g})
	candorv1.RegisterWebhookServiceServer(reg, &webhookService{g: g})
	h := health.NewServer()
	for service := range wire.Services() {
		h.SetServingStatus(service, healthpb.HealthCheckResponse_SERVING)
	}
	healthpb.RegisterHealthServer(reg, h)
	if l.GetReflection() {
		reflection.Register(srv)
	}
	return srv, h
}

// arrivals are those of a listener, bounded by the configuration in force.
func (g *Gateway) arrivals(lis net.Listener) *arrivals {
	return &arrivals{
		Listener: lis,
		most:     func() int { return int(g.plan().cfg.GetListen().GetMaxConnectionsPerAddress()) },
		refused:  func(why string) { g.metrics.connectionsRefused.WithLabelValues(why).Inc() },
	}
}

// calmCredentials are the network's. Handshakes that compute do so on some of the processors, as in turns.
func (g *Gateway) calmCredentials() calmCredentials {
	c := calmCredentials{TransportCredentials: g.serverCredentials(), waited: g.metrics.resetWaits.Inc, memory: &g.memory}
	if g.plan().tls != nil {
		c.turns = turns()
	}
	return c
}

// What makes many small calls cheap. Constant windows, for streams and connections: without them gRPC measures the path's
// bandwidth by a ping for almost every message; a MiB lets a request come at a GiB a second with a millisecond between us. Workers
// that live on spare a goroutine, and the growing of its stack, for each call; when all are busy gRPC starts more goroutines.
const (
	streamWindow  = 1 << 20
	streamWorkers = 64
)

// headersMost bounds the headers of one call, in bytes: gRPC reads 16 MiB of them by default, before anybody knows who calls. What it
// would take to fill it are some dozen tokens.
const headersMost = 64 << 10

// Connection care. A ping every two minutes finds dead peers behind a NAT; clients may ping every 10 s, the least that
// grpc-go's clients do by default; a handshake that takes longer is somebody holding sockets.
const (
	pingAfter        = 2 * time.Minute
	pingTimeout      = 20 * time.Second
	clientPingMin    = 10 * time.Second
	handshakeTimeout = 20 * time.Second
)
