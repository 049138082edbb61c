package remote

import (
	"context"
	"net"
	"time"

	"google.golang.org/grpc"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
)

// maxMessageBytes holds a review item with the largest payload that a gateway keeps, and its default bound on messages.
const maxMessageBytes = 64 << 20

// Conn is a connection to a gateway. Its calls fail with a *cli.Error in the words of the command line, whose cause is the
// gRPC status. Safe for concurrent use. Close it.
type Conn struct {
	*grpc.ClientConn
	timeout time.Duration
}

// Dial makes a connection; nothing is sent until the first call.
func (f *Flags) Dial() (*Conn, error) {
	server := f.Server()
	_, port, err := net.SplitHostPort(server)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return nil, cli.Usage("give host:port, such as "+DefaultServer, "--server: %q is no address", server)
	}
	if f.timeout <= 0 {
		return nil, cli.Usage("write a span such as "+defaultTimeout.String(), "--timeout is %v", f.timeout)
	}
	transport, err := f.transport()
	if err != nil {
		return nil, err
	}
	token, err := f.token()
	if err != nil {
		return nil, err
	}
	opts := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithUserAgent("candor-cli"),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessageBytes), grpc.MaxCallSendMsgSize(maxMessageBytes)),
		grpc.WithUnaryInterceptor(f.unary),
		grpc.WithStreamInterceptor(f.stream),
	}
	if token != "" {
		if err := f.checkToken(); err != nil {
			return nil, err
		}
		opts = append(opts, grpc.WithPerRPCCredentials(bearer(token)))
	}
	conn, err := grpc.NewClient(server, opts...)
	if err != nil {
		return nil, cli.Usage("give host:port, such as "+DefaultServer, "--server: %v", err)
	}
	return &Conn{ClientConn: conn, timeout: f.timeout}, nil
}

// Context bounds one call by --timeout.
func (c *Conn) Context(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, c.timeout)
}

// bearer is a token in the metadata of every call. checkToken has seen to it that nobody can read it on the way, so it doesn't
// ask for TLS again.
type bearer string

func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

func (b bearer) RequireTransportSecurity() bool { return false }

func (f *Flags) unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	return f.explain(invoke(ctx, method, req, reply, cc, opts...))
}

func (f *Flags) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	s, err := streamer(ctx, desc, cc, method, opts...)
	if err != nil {
		return nil, f.explain(err)
	}
	return &stream{ClientStream: s, flags: f}, nil
}

type stream struct {
	grpc.ClientStream
	flags *Flags
}

func (s *stream) RecvMsg(m any) error { return s.flags.explain(s.ClientStream.RecvMsg(m)) }

// Call makes a connection for one call, which is bounded by --timeout and by ctx.
func (f *Flags) Call(ctx context.Context, call func(context.Context, *Conn) error) error {
	conn, err := f.Dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := conn.Context(ctx)
	defer cancel()
	return call(ctx, conn)
}
