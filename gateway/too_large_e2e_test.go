package gateway_test

import (
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"

	"github.com/candor-gateway/candor/gen/inference"
)

// A connection on which messages come that are larger than they may be, which is found only by decompressing them, is read more and
// more slowly; nothing else changes for it, and nothing for others.
func TestTooLargeMessagesAreSlowed(t *testing.T) {
	const limit, most = 1 << 16, 100
	w := start(t, "reflection: true", "reflection: true, max_message_bytes: 65536")
	conn, err := grpc.NewClient(w.addr.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	client := inference.NewGRPCInferenceServiceClient(conn)
	bomb := request(make([][4]float32, 4*limit/16))
	for sent := 0; w.metric("candor_reset_waits_total") <= 0; sent++ {
		if sent == most {
			t.Fatalf("after %d messages that are too large nothing is slowed", sent)
		}
		if _, err := client.ModelInfer(bounded(t, clientToken), bomb, grpc.UseCompressor(gzip.Name)); status.Code(err) != codes.ResourceExhausted {
			t.Fatalf("a message of four times the limit: %v", err)
		}
	}
	if a := w.infer(t.Context(), request([][4]float32{sureRow})); a.err != nil {
		t.Errorf("another connection: %v", a.err)
	}
	if _, err := client.ModelInfer(bounded(t, clientToken), request([][4]float32{sureRow})); err != nil {
		t.Errorf("a good message after bad ones: %v", err)
	}
}
