// Package proxy has the proxies that the benchmark compares with, written on grpc-go: what a team would write in an afternoon.
// They use grpc-go as it comes, except for the limit on messages, which would refuse pictures otherwise.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// kinds of proxies by name.
var kinds = map[string]func(upstream *grpc.ClientConn) (options []grpc.ServerOption, register func(*grpc.Server)){
	"stream": streamProxy,
	"unary":  unaryProxy,
	"typed":  typedProxy,
}

// maxMessage is that of Candor's default configuration.
const maxMessage = 64 << 20

// Serve runs the proxy of a kind from lis to the address upstream until ctx ends.
func Serve(ctx context.Context, kind string, lis net.Listener, upstream string) error {
	build, ok := kinds[kind]
	if !ok {
		return fmt.Errorf("there is no proxy %q; there are stream, unary and typed", kind)
	}
	conn, err := grpc.NewClient(upstream, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)))
	if err != nil {
		return err
	}
	options, register := build(conn)
	srv := grpc.NewServer(append(options, grpc.MaxRecvMsgSize(maxMessage))...)
	if register != nil {
		register(srv)
	}
	stop := context.AfterFunc(ctx, srv.Stop)
	defer stop()
	err = srv.Serve(lis)
	if ctx.Err() != nil {
		err = nil
	}
	return errors.Join(err, conn.Close())
}
