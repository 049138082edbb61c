// Package inside is a connection from a process to its own gRPC server, that no network carries: a [Pipe] is the listener that the
// server serves beside its port, and the connection to it; [Credentials] are the server's, which know the pipe's connections from
// those of the network. Who can reach a pipe is in the process, so what is said there can be believed.
package inside

import (
	"context"
	"errors"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
)

// buffer is what may be on its way, in bytes each way.
const buffer = 1 << 20

// Pipe is a listener and the one connection to it. Safe for concurrent use.
type Pipe struct {
	listener *bufconn.Listener
	conn     *grpc.ClientConn
}

// New makes a Pipe whose messages have at most so many bytes. Close it.
func New(maxMessage int) (*Pipe, error) {
	lis := bufconn.Listen(buffer)
	conn, err := grpc.NewClient("passthrough:///inside",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)))
	if err != nil {
		return nil, errors.Join(err, lis.Close())
	}
	return &Pipe{lis, conn}, nil
}

// Conn is the client's side. Calls wait until the server serves the listener.
func (p *Pipe) Conn() grpc.ClientConnInterface { return p.conn }

// Listener is the server's side.
func (p *Pipe) Listener() net.Listener { return listener{p.listener} }

// Close ends both sides; calls fail from then on.
func (p *Pipe) Close() error { return errors.Join(p.conn.Close(), p.listener.Close()) }

type listener struct{ *bufconn.Listener }

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return within{c}, nil
}

// within marks the connections of a pipe. Only listener.Accept makes one.
type within struct{ net.Conn }

// info is the AuthInfo of a connection that is within. Only its handshake makes one.
type info struct{ credentials.CommonAuthInfo }

func (info) AuthType() string { return "inside" }

// Is says whether it is the AuthInfo of a pipe's connection.
func Is(i credentials.AuthInfo) bool {
	_, ok := i.(info)
	return ok
}

// Credentials are the network's for all connections but those of a pipe. On a pipe nothing is encrypted: it is memory.
func Credentials(network credentials.TransportCredentials) credentials.TransportCredentials {
	return front{network}
}

type front struct {
	credentials.TransportCredentials
}

func (f front) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	if c, ok := raw.(within); ok {
		return c, info{credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}}, nil
	}
	return f.TransportCredentials.ServerHandshake(raw)
}

func (f front) Clone() credentials.TransportCredentials { return front{f.TransportCredentials.Clone()} }
