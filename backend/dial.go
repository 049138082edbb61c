package backend

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/experimental"
	"google.golang.org/grpc/keepalive"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
)

// Reconnecting. A model server that is back must get calls again within a second: gRPC's default waits up to two minutes.
// 800 ms with 20 % jitter stays below it.
var reconnect = grpc.ConnectParams{
	Backoff: backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 800 * time.Millisecond},
	// For an address that doesn't even refuse: long enough for TLS across a continent.
	MinConnectTimeout: 2 * time.Second,
}

// A ping is sent only while a call waits and nothing has come for this long, and not more often than gRPC servers bear by
// default. What ends a connection to a vanished host sooner is Timeout, which gRPC also sets as TCP_USER_TIMEOUT.
var keepAlive = keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 5 * time.Second}

// window is how much a model server may send before we have read it, for each stream and each connection. Constant: without it
// gRPC measures the path's bandwidth by a ping for almost every message. Both are set, since the connection's falls back to
// 64 KiB when the stream's alone is. It bounds an answer's speed to a window for each round trip, a GiB a second at a millisecond.
const window = 1 << 20

// dialer answers what makes the connections to one target, lazily: errors are about the configuration, never about the model server.
// name is whom to expect there; empty: who the target says.
func dialer(s settings, tlsCfg *candorv1.ClientTLS, o Options) (func(target, name string) (conns, error), error) {
	creds, err := transportCredentials(tlsCfg)
	if err != nil {
		return nil, err
	}
	opts := []grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		grpc.WithConnectParams(reconnect),
		grpc.WithKeepaliveParams(keepAlive),
		grpc.WithStaticStreamWindowSize(window), grpc.WithStaticConnWindowSize(window),
		experimental.WithBufferPool(wire.Buffers),
		// Retries, hedging and ejection must count failures as we do: none of gRPC's, and none that a DNS record asks for. The
		// transparent retry of a call that never reached the model server stays.
		grpc.WithDisableRetry(),
		grpc.WithDisableServiceConfig(),
		// The address in the configuration is the one that is dialled, whatever HTTPS_PROXY says.
		grpc.WithNoProxy(),
		grpc.WithDefaultCallOptions(
			grpc.MaxCallSendMsgSize(o.MaxMessageBytes),
			grpc.MaxCallRecvMsgSize(o.MaxMessageBytes),
			grpc.ForceCodecV2(wire.Codec{}),
		),
	}
	opts = append(opts, o.DialOptions...)
	return func(target, name string) (conns, error) {
		opts := opts
		if name != "" && tlsCfg.GetServerName() == "" {
			opts = append(slices.Clip(opts), grpc.WithAuthority(name))
		}
		var cs conns
		for range s.connections {
			conn, err := grpc.NewClient(target, opts...)
			if err != nil {
				return nil, errors.Join(fmt.Errorf("%q can't be used: %w; write host:port", target, err), cs.close())
			}
			cs = append(cs, &sharedConn{ClientConn: conn})
		}
		return cs, nil
	}, nil
}

// connect makes the fleet that the settings describe.
func (b *Backend) connect(tlsCfg *candorv1.ClientTLS, o Options) (*fleet, error) {
	dial, err := dialer(b.set, tlsCfg, o)
	if err != nil {
		return nil, err
	}
	f := newFleet(b.set.replicas, b.set.timeout, b.log)
	f.guard = b.guard
	f.ask = b.askReady
	switch at := b.set.place; {
	case len(at.addresses) > 0:
		f.dial = func(address string) (conns, error) { return dial(byName+address, "") }
		err = f.setAddresses(at.addresses)
	case at.name != "":
		// Until the name has been looked up gRPC does it, so that nobody waits for it who doesn't call. The records' connections
		// expect whom the name says.
		address := net.JoinHostPort(at.name, at.port)
		f.dial = func(address string) (conns, error) { return dial(byName+address, "") }
		err = f.setAddresses([]string{address})
		f.dial = func(record string) (conns, error) { return dial("passthrough:///"+record, address) }
		f.lookup = lookupOf(at.name, at.port, o.Lookup)
	default:
		f.only, err = dial(byName+at.address, "")
		f.renew()
	}
	if err != nil {
		field := "address"
		if len(b.set.place.addresses) > 0 {
			field = "addresses"
		}
		return nil, errors.Join(fmt.Errorf("%s: %w", field, err), f.close())
	}
	if b.set.warm {
		f.warm()
	}
	return f, nil
}

// transportCredentials reads the files once to refuse what is broken. They are read again for each new connection, so that renewed ones
// are used without a restart.
func transportCredentials(cfg *candorv1.ClientTLS) (credentials.TransportCredentials, error) {
	if cfg == nil {
		return insecure.NewCredentials(), nil
	}
	out := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: cfg.GetServerName()}
	certFile, keyFile := cfg.GetCertFile(), cfg.GetKeyFile()
	switch {
	case certFile == "" && keyFile == "":
	case certFile == "":
		return nil, fmt.Errorf("tls.cert_file: is empty but tls.key_file is set; set both or neither")
	case keyFile == "":
		return nil, fmt.Errorf("tls.key_file: is empty but tls.cert_file is set; set both or neither")
	default:
		if _, err := tls.LoadX509KeyPair(certFile, keyFile); err != nil {
			return nil, fmt.Errorf("tls.cert_file: %w; write the PEM files of a certificate and its key", err)
		}
		out.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			cert, err := tls.LoadX509KeyPair(certFile, keyFile)
			return &cert, err
		}
	}
	if file := cfg.GetCaFile(); file != "" {
		return newAuthorities(file, out)
	}
	return credentials.NewTLS(out), nil
}
