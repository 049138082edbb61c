package gateway_test

import (
	"context"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/config"
	"github.com/candor-gateway/candor/gen/inference"
)

// Beyond listen.max_connections_per_address an address gets no other connection, which its client sees as a server that can't be reached; the
// one that it has goes on. A reload changes the number for those who come later.
func TestConnectionsPerAddress(t *testing.T) {
	w := start(t, "reflection: true}", "reflection: true, max_connections_per_address: 1}")
	ask := func(client inference.GRPCInferenceServiceClient) error {
		_, err := client.ModelInfer(as(clientToken), request([][4]float32{sureRow}))
		return err
	}
	first := inference.NewGRPCInferenceServiceClient(w.conn)
	if err := ask(first); err != nil {
		t.Fatal(err)
	}
	conn := w.dial()
	defer func() { _ = conn.Close() }()
	second := inference.NewGRPCInferenceServiceClient(conn)
	if err := ask(second); status.Code(err) != codes.Unavailable {
		t.Errorf("a second connection: %v", err)
	}
	if n := w.metric(`candor_connections_refused_total{why="open"}`); n < 1 {
		t.Errorf("%v refused connections were counted", n)
	}
	if err := ask(first); err != nil {
		t.Errorf("the first connection: %v", err)
	}
	cfg, faults := config.Parse("test.yaml", []byte(w.yaml))
	if errs := faults.Errors(); len(errs) > 0 {
		t.Fatal(errs)
	}
	cfg.Listen.MaxConnectionsPerAddress = proto.Uint32(2)
	if _, err := w.gateway.Reload(context.Background(), cfg, nil); err != nil {
		t.Fatal(err)
	}
	w.eventually(func() bool { return ask(second) == nil })
}
