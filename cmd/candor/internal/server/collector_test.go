package server

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"

	"github.com/candor-gateway/candor/internal/oiptest"
)

// collector receives spans over OTLP, as a real one does.
type collector struct {
	collectorpb.UnimplementedTraceServiceServer
	mu    sync.Mutex
	spans map[string]int
}

func (c *collector) Export(_ context.Context, in *collectorpb.ExportTraceServiceRequest) (*collectorpb.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range in.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				c.spans[span.GetName()]++
			}
		}
	}
	return &collectorpb.ExportTraceServiceResponse{}, nil
}

// Spans arrive at an OTLP collector, the last ones at the latest when the gateway ends.
func TestCollector(t *testing.T) {
	t.Parallel()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &collector{spans: map[string]int{}}
	srv := grpc.NewServer()
	collectorpb.RegisterTraceServiceServer(srv, c)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(lis) }()
	t.Cleanup(func() {
		srv.Stop()
		<-served
	})

	model := oiptest.Start(t, oiptest.Model{Name: "m", Infer: oiptest.Const(0.2, 0.8)})
	file := filepath.Join(t.TempDir(), "candor.yaml")
	write(t, file, strings.Replace(plainConfig, "$MODEL", model.Addr(), 1)+"telemetry: {otlp_endpoint: \""+lis.Addr().String()+"\"}\n")
	if _, _, err := Init(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	addrs, stop := start(t, file)
	predict(t, dial(t, "--server", addrs.GRPC))
	stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.spans["candor.predict"] != 1 || c.spans["candor.backend"] != 1 {
		t.Errorf("the collector got %v", c.spans)
	}
}
