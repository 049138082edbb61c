// Package proxy has the proxies that the benchmark compares with, written on grpc-go: what a team would write in an afternoon.
// They use grpc-go as it comes, except for the limit on messages, which would refuse pictures otherwise; and one as Candor uses it.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// kinds of proxies by name.
var kinds = map[string]kind{
	"stream": {build: streamProxy},
	"unary":  {build: unaryProxy},
	"typed":  {build: typedProxy},
	"tuned":  {build: tunedProxy, dial: tunedDial, prepare: tunedHeap},
}

type kind struct {
	build   func(upstream *grpc.ClientConn) (options []grpc.ServerOption, register func(*grpc.Server))
	dial    []grpc.DialOption
	prepare func() // nil: nothing is to be done before
}

// maxMessage is that of Candor's default configuration.
const maxMessage = 64 << 20

// Serve runs the proxy of this name from lis to the address upstream until ctx ends.
func Serve(ctx context.Context, name string, lis net.Listener, upstream string) error {
	kind, ok := kinds[name]
	if !ok {
		return fmt.Errorf("there is no proxy %q; there are %s", name, strings.Join(slices.Sorted(maps.Keys(kinds)), ", "))
	}
	if kind.prepare != nil {
		kind.prepare()
	}
	conn, err := grpc.NewClient(upstream, append([]grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage))}, kind.dial...)...)
	if err != nil {
		return err
	}
	options, register := kind.build(conn)
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
