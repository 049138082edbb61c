package oiptest_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
)

func twice(ctx context.Context, req *inference.ModelInferRequest, send func(*inference.ModelInferResponse) error) error {
	resp, err := oiptest.Const(1)(ctx, req)
	if err != nil {
		return err
	}
	return errors.Join(send(resp), send(resp))
}

func TestStreamOfModels(t *testing.T) {
	s := oiptest.Start(t, oiptest.Model{Name: "m", Infer: oiptest.Const(1)}, oiptest.Model{Name: "d", Stream: twice})
	stream, err := dial(t, s).ModelStreamInfer(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"m", "d", "nope", "m"} {
		req := twoRows(oiptest.RawForm)
		req.ModelName, req.Id = name, name
		req.Parameters = oiptest.Mark(&inference.ModelInferResponse{}, true).GetParameters()
		req.Parameters[oiptest.WantFinalParam] = req.Parameters[oiptest.FinalParam]
		if err := stream.Send(req); err != nil {
			t.Fatal(err)
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		id             string
		outputs        int
		final, errored bool
	}{{"m", 1, true, false}, {"d", 1, false, false}, {"d", 1, false, false}, {"d", 0, true, false}, {"nope", 0, false, true}, {"m", 1, true, false}} {
		got, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		resp := got.GetInferResponse()
		if resp.GetId() != want.id || len(resp.GetOutputs()) != want.outputs || resp.GetParameters()[oiptest.FinalParam].GetBoolParam() != want.final ||
			(got.GetErrorMessage() != "") != want.errored {
			t.Errorf("%d: %v, want %v", i, got, want)
		}
	}
	if got, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("%v %v", got, err)
	}
	if s.Streams() != 1 || s.Calls() != 4 || s.CallsTo("m") != 2 {
		t.Errorf("%d streams, %d requests", s.Streams(), s.Calls())
	}
}

func TestStreamScriptAndFrames(t *testing.T) {
	s := oiptest.StartWith(t, oiptest.Options{Bare: true}, oiptest.Model{Name: "m", Stream: twice})
	s.ScriptStream(func(st *oiptest.Stream) error {
		req, err := st.Recv()
		if err != nil {
			return err
		}
		if st.SendError(req.GetId(), "no") == nil {
			t.Error("an error in a frame that has no place for it")
		}
		bytes, err := proto.Marshal(&inference.ModelInferResponse{Id: "exact"})
		if err != nil {
			return err
		}
		if err := st.SendBytes(bytes); err != nil {
			return err
		}
		return status.Error(codes.DataLoss, "the end")
	})
	client := dial(t, s)
	for _, want := range []codes.Code{codes.DataLoss, codes.OK} {
		stream, err := client.ModelStreamInfer(bounded(t))
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Send(twoRows(oiptest.TypedForm)); err != nil {
			t.Fatal(err)
		}
		if err := stream.CloseSend(); err != nil {
			t.Fatal(err)
		}
		n := 0
		for err == nil {
			bare := new(inference.ModelInferResponse)
			if err = stream.RecvMsg(bare); err == nil {
				n++
			}
			if err == nil && want == codes.DataLoss && bare.GetId() != "exact" {
				t.Errorf("%v", bare)
			}
		}
		if errors.Is(err, io.EOF) {
			err = nil
		}
		if status.Code(err) != want || n != map[codes.Code]int{codes.DataLoss: 1, codes.OK: 2}[want] {
			t.Errorf("%d responses, %v, want %v", n, err, want)
		}
	}
}

// FailWith answers a request on a stream as the server's software would: in band, and the stream goes on; where frames have no place for an
// error it ends the stream.
func TestFailWithOnStreams(t *testing.T) {
	for _, bare := range []bool{false, true} {
		s := oiptest.StartWith(t, oiptest.Options{Bare: bare}, oiptest.Model{Name: "m", Infer: oiptest.Const(1)})
		s.FailWith(status.Error(codes.Internal, "CUDA error"))
		stream, err := dial(t, s).ModelStreamInfer(bounded(t))
		if err != nil {
			t.Fatal(err)
		}
		ask := func(id string) (*inference.ModelStreamInferResponse, error) {
			req := twoRows(oiptest.RawForm)
			req.Id = id
			if err := stream.Send(req); err != nil {
				return nil, err
			}
			return stream.Recv()
		}
		got, err := ask("a")
		if bare {
			if status.Code(err) != codes.Internal {
				t.Errorf("bare: %v, %v", got, err)
			}
			continue
		}
		if err != nil || got.GetErrorMessage() != "CUDA error" || got.GetInferResponse().GetId() != "a" {
			t.Fatalf("%v, %v", got, err)
		}
		s.FailWith(nil)
		if got, err = ask("b"); err != nil || got.GetErrorMessage() != "" || len(got.GetInferResponse().GetOutputs()) != 1 {
			t.Errorf("%v, %v", got, err)
		}
	}
}
