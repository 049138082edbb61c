package main

import (
	"bufio"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func TestServesUntilTold(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := run(ctx, []string{"--model", "linear,kernel", "--listen", "127.0.0.1:0"}, in)
		_ = in.Close()
		done <- err
	}()
	lines := bufio.NewScanner(out)
	var addr string
	for _, name := range []string{"linear", "kernel"} {
		if !lines.Scan() {
			t.Fatalf("no line about %s: %v", name, <-done)
		}
		prefix := "serving " + name + " version 1 on "
		if !strings.HasPrefix(lines.Text(), prefix) {
			t.Fatalf("got %q, want %q…", lines.Text(), prefix)
		}
		addr = strings.TrimPrefix(lines.Text(), prefix)
	}
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	call, cancelCall := context.WithTimeout(ctx, 30*time.Second)
	defer cancelCall()
	ready, err := inference.NewGRPCInferenceServiceClient(conn).ModelReady(call, &inference.ModelReadyRequest{Name: "kernel"})
	if err != nil || !ready.GetReady() {
		t.Fatalf("%v, %v", ready, err)
	}
	cancel() // what a SIGTERM does
	if err := <-done; err != nil {
		t.Errorf("after the signal: %v", err)
	}
}

func TestRefusesWhatItCannotServe(t *testing.T) {
	for says, args := range map[string][]string{
		"resnet":          {"--model", "resnet"},
		"twice":           {"--model", "mlp,mlp"},
		"--listen":        {"--listen", "nowhere"},
		"negative":        {"--latency", "-1s"},
		"unexpected":      {"linear"},
		"not defined":     {"--port", "1"},
		"no model \"\"; ": {"--model", ""},
	} {
		err := run(t.Context(), args, io.Discard)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: got %v, want …%s…", args, err, says)
		}
	}
}
