package gateway_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/wire"
)

// Bytes that are no message are the client's mistake, whichever method they are sent to.
func TestUnreadableMessage(t *testing.T) {
	w := start(t)
	garbage := []byte{0x0f, 0xff} // the wire type 7 does not exist
	for _, method := range []string{
		inference.GRPCInferenceService_ServerLive_FullMethodName, inference.GRPCInferenceService_ModelInfer_FullMethodName,
		candorv1.PredictionService_GetPrediction_FullMethodName, candorv1.PredictionService_Predict_FullMethodName,
		candorv1.LimitService_ResetLimit_FullMethodName,
	} {
		err := w.conn.Invoke(as(operatorToken), method, wire.NewFrame(garbage), new(wire.Frame), grpc.ForceCodecV2(wire.Codec{}))
		if md := wantError(t, err, codes.InvalidArgument, "INVALID_REQUEST"); md["field"] != "request" {
			t.Errorf("%s: field %q", method, md["field"])
		}
	}

	ctx, cancel := context.WithTimeout(as(operatorToken), 10*time.Second)
	defer cancel()
	desc := &candorv1.PredictionService_ServiceDesc.Streams[0]
	stream, err := w.conn.NewStream(ctx, desc, candorv1.PredictionService_WatchPredictions_FullMethodName, grpc.ForceCodecV2(wire.Codec{}))
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.SendMsg(wire.NewFrame(garbage)); err != nil {
		t.Fatal(err)
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	wantError(t, stream.RecvMsg(new(wire.Frame)), codes.InvalidArgument, "INVALID_REQUEST")
}
