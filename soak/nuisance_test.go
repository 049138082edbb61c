package soak

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/candor-gateway/candor/gen/inference"
)

// badRequests are refused by the gateway, by the model server, or by neither; no way of being wrong is a fault of the model server.
var badRequests = []struct {
	name string
	make func() *inference.ModelInferRequest
	want codes.Code
}{
	{"three numbers where four belong", func() *inference.ModelInferRequest { return row(1, 2, 3) }, codes.InvalidArgument},
	{"another datatype", func() *inference.ModelInferRequest { r := sure(); r.Inputs[0].Datatype = "FP64"; return r }, codes.InvalidArgument},
	{"a shape that promises more", func() *inference.ModelInferRequest { r := sure(); r.Inputs[0].Shape[0] = 1 << 40; return r }, codes.InvalidArgument},
	{"a negative shape", func() *inference.ModelInferRequest { r := sure(); r.Inputs[0].Shape[0] = -1; return r }, codes.InvalidArgument},
	{"no inputs", func() *inference.ModelInferRequest { return &inference.ModelInferRequest{ModelName: "fraud"} }, codes.InvalidArgument},
	{"an output that the model server doesn't have", func() *inference.ModelInferRequest {
		r := sure()
		r.Outputs = []*inference.ModelInferRequest_InferRequestedOutputTensor{{Name: "nothing"}}
		return r
	}, codes.InvalidArgument},
	{"numbers that the model refuses", func() *inference.ModelInferRequest { return row(float32(math.NaN()), 1, 2, 3) }, codes.InvalidArgument},
	{"an unknown model", func() *inference.ModelInferRequest { r := sure(); r.ModelName = "nope"; return r }, codes.NotFound},
}

// nuisances are what a client does again and again that is wrong, or in vain; an error says that it was answered otherwise than it should be.
var nuisances = []struct {
	name string
	once func(conn *grpc.ClientConn, i int) error
}{
	{"bad requests", badRequest},
	{"cancelled calls", cancelledCall},
}

func badRequest(conn *grpc.ClientConn, i int) error {
	b := badRequests[i%len(badRequests)]
	_, _, err := infer(conn, b.make(), patience)
	for shed(err) {
		_, _, err = infer(conn, b.make(), patience)
	}
	if status.Code(err) != b.want {
		return fmt.Errorf("%s: %v, want %v", b.name, err, b.want)
	}
	return nil
}

// shed says that a nuisance was refused because it and its like are too many at once, as it may be where the machine is slow: it is one again.
func shed(err error) bool { return status.Code(err) == codes.ResourceExhausted }

// slow is the parameter that asks the model server to take as long as the caller waits.
const slow = "slow"

// cancelledCall begins a call that the model server would take for ever, and cancels it when it has got there, or before.
func cancelledCall(conn *grpc.ClientConn, i int) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	req := sure()
	req.Parameters = map[string]*inference.InferParameter{slow: {ParameterChoice: &inference.InferParameter_BoolParam{BoolParam: true}}}
	done := make(chan error, 1)
	go func() {
		_, err := inference.NewGRPCInferenceServiceClient(conn).ModelInfer(ctx, req)
		done <- err
	}()
	select {
	case err := <-done:
		if shed(err) {
			return cancelledCall(conn, i)
		}
		return fmt.Errorf("before it was cancelled: %w", err)
	case <-time.After(2 * time.Millisecond): // about when it has got to the model server
	}
	cancel()
	if err := <-done; shed(err) {
		return cancelledCall(conn, i)
	} else if status.Code(err) != codes.Canceled {
		return fmt.Errorf("a cancelled call: %w", err)
	}
	return nil
}

// beNuisance is a client that is one, sixteen times at once, until its input ends and for so many calls at least. It says how many there were,
// or fails with the first that was answered otherwise than it should be.
func beNuisance(number, addr, least string) error {
	n, err := strconv.Atoi(number)
	if err != nil {
		return err
	}
	atLeast, err := strconv.ParseInt(least, 10, 64)
	if err != nil {
		return err
	}
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if _, err := fmt.Println("ready"); err != nil {
		return err
	}
	var over atomic.Bool
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		over.Store(true)
	}()
	var calls atomic.Int64
	var wrong atomic.Pointer[error]
	var crowd sync.WaitGroup
	for range 16 {
		crowd.Go(func() {
			for wrong.Load() == nil {
				i := calls.Add(1)
				if i > atLeast && over.Load() {
					calls.Add(-1)
					return
				}
				if err := nuisances[n].once(conn, int(i)); err != nil {
					wrong.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	crowd.Wait()
	if err := wrong.Load(); err != nil {
		return *err
	}
	_, err = fmt.Println(calls.Load())
	return err
}

// startNuisance begins one at an address. What is answered ends it and says how many calls it made.
func startNuisance(t *testing.T, number int, addr string, least int) (stop func() int) {
	t.Helper()
	return strike(t, roleNuisance, strconv.Itoa(number), addr, strconv.Itoa(least))
}
