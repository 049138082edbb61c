package gateway

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// registered keeps what would be registered with a server.
type registered []*grpc.ServiceDesc

func (r *registered) RegisterService(desc *grpc.ServiceDesc, _ any) { *r = append(*r, desc) }

// A panic while a message of a unary method is being received, in the handler's goroutine or in the one that waits for it, fails its call
// alone.
func TestPanicWhileReceivingFailsItsCall(t *testing.T) {
	g := &Gateway{log: slog.New(slog.DiscardHandler), metrics: newMetrics(prometheus.NewRegistry())}
	var all registered
	candorv1.RegisterLimitServiceServer(registrar{&all, g}, candorv1.UnimplementedLimitServiceServer{})
	conn := &calmConn{memory: &memory{limit: 1 << 20}}
	coming := &coming{Context: peer.NewContext(t.Context(), &peer.Peer{Addr: calmAddr{new(net.TCPAddr), conn}}), conn: conn}
	for what, ctx := range map[string]context.Context{"at once": t.Context(), "while it is still coming": coming} {
		for _, method := range all[0].Methods {
			resp, err := method.Handler(candorv1.UnimplementedLimitServiceServer{}, ctx, func(any) error { panic("a defect") }, g.unaryGuard)
			if resp != nil || status.Code(err) != codes.Internal || !strings.Contains(err.Error(), "a defect of the gateway") {
				t.Errorf("%s, %s: %v, %v", method.MethodName, what, resp, err)
			}
		}
	}
}
