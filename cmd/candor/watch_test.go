package main

import (
	"context"
	"net"
	"testing"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
)

// An interrupt is how candor watch ends, also before there is an answer.
func TestWatchIsInterruptedWhileItConnects(t *testing.T) {
	t.Setenv("CANDOR_TOKEN", "")
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, interrupt := context.WithCancel(t.Context())
	go func() {
		// Whoever has connected waits for the first frame, which never comes.
		conn, err := silent.Accept()
		interrupt()
		if err == nil {
			<-ctx.Done()
			_ = conn.Close()
		}
	}()
	root := newRoot("test")
	root.SetContext(ctx)
	if err := cli.Execute(root, []string{"watch", "--server", silent.Addr().String()}); err != nil {
		t.Error(err)
	}
}
