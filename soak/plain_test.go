package soak

import (
	"context"
	"fmt"
	"net"
	"runtime/debug"
	"slices"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/candor-gateway/candor/gen/inference"
)

// The bounds of both servers under attack.
const (
	attackedBytes   = 4 << 20
	attackedStreams = 32
)

// plain passes calls on as a server does that is made with grpc-go and nothing else: what an attack does to it the gateway can hardly better.
type plain struct {
	inference.UnimplementedGRPCInferenceServiceServer
	model inference.GRPCInferenceServiceClient
}

func (p *plain) ModelInfer(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
	req.ModelName = "primary"
	return p.model.ModelInfer(ctx, req)
}

// bePlain serves until the process is killed. The address is the first line that it writes.
func bePlain(model string) error {
	conn, err := grpc.NewClient(model, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	srv := grpc.NewServer(grpc.MaxRecvMsgSize(attackedBytes), grpc.MaxConcurrentStreams(attackedStreams))
	inference.RegisterGRPCInferenceServiceServer(srv, &plain{model: inference.NewGRPCInferenceServiceClient(conn)})
	if _, err := fmt.Println(lis.Addr()); err != nil {
		return err
	}
	return srv.Serve(lis)
}

// startPlain starts one in a process of its own.
func startPlain(t *testing.T, model string) target {
	t.Helper()
	p := play(t, nil, rolePlain, model)
	name := "plain grpc-go"
	if raced() {
		name += " (slower: built with the race detector)"
	}
	return target{name, p.says(), p.cmd.Process.Pid}
}

// raced says whether this test's binary, and so what it plays, has the race detector. The gateway never has.
func raced() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}
