package proxy

import (
	"runtime/debug"

	"google.golang.org/grpc"
)

// What Candor sets (gateway/serve.go, backend/dial.go, cmd/candor/internal/server/heap.go). A proxy that is set up alike and does
// nothing shows what of Candor's cost is grpc-go's.
const (
	tunedWindow  = 1 << 20
	tunedWorkers = 64
	// tunedPercent lets the heap grow to 128 MiB before it is collected: Go counts from 4 MiB where less is alive.
	tunedPercent = 3100
)

var tunedDial = []grpc.DialOption{
	grpc.WithStaticStreamWindowSize(tunedWindow), grpc.WithStaticConnWindowSize(tunedWindow),
	grpc.WithDisableRetry(), grpc.WithDisableServiceConfig(),
}

func tunedProxy(upstream *grpc.ClientConn) ([]grpc.ServerOption, func(*grpc.Server)) {
	options, register := unaryProxy(upstream)
	return append(options,
		grpc.StaticStreamWindowSize(tunedWindow), grpc.StaticConnWindowSize(tunedWindow), grpc.NumStreamWorkers(tunedWorkers),
	), register
}

func tunedHeap() { debug.SetGCPercent(tunedPercent) }
