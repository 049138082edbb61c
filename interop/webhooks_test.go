package interop_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/durationpb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
)

// reviewerToken is ana's, whose hash is in the example.
const reviewerToken = "ana-digits-demo"

// request is what the Python receiver tells of one.
type request struct {
	Port         int
	ID, Type     string
	Path         string
	PredictionID string `json:"prediction_id"`
	Label, Error string
	Status       int
}

// pythonReceiver is a running clients/webhooks.py.
type pythonReceiver struct {
	t        *testing.T
	stdin    io.WriteCloser
	requests chan request
	port     int
}

func startReceiver(t *testing.T, python string) *pythonReceiver {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), python, filepath.Join("clients", "webhooks.py"))
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	cmd.Stderr = t.Output()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := &pythonReceiver{t: t, stdin: stdin, requests: make(chan request, 100)}
	go func() {
		defer close(r.requests)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			var q request
			if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
				t.Errorf("%s: %v", lines.Bytes(), err)
			}
			r.requests <- q
		}
	}()
	t.Cleanup(func() {
		_ = stdin.Close()
		for range r.requests {
			// Until it ends.
		}
		_ = cmd.Wait()
	})
	r.port = r.next().Port
	return r
}

func (r *pythonReceiver) next() request {
	r.t.Helper()
	select {
	case q, ok := <-r.requests:
		if !ok {
			r.t.Fatal("the receiver has ended")
		}
		return q
	case <-time.After(clientTimeout):
		r.t.Fatal("nothing came")
		return request{}
	}
}

// TestWebhooks delivers to a receiver in Python that verifies with the specification's own library: after a failure, and by the old
// secret while both sign.
func TestWebhooks(t *testing.T) {
	needsInterop(t)
	in := startReceiver(t, required(t, "CANDOR_PYTHON_WEBHOOKS"))
	w := startWith(t, func(cfg *candorv1.Config) {
		cfg.Webhooks = map[string]*candorv1.Webhook{"python": {
			Url: fmt.Sprintf("http://127.0.0.1:%d/candor", in.port), AllowPrivate: true, Timeout: durationpb.New(10 * time.Second),
		}}
		cfg.Operators["omar"].Roles = append(cfg.Operators["omar"].Roles, candorv1.Role_ROLE_ADMIN)
	})
	p := newPlan(t, w)
	conn, err := grpc.NewClient(w.gateway, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	rotate := func() string {
		t.Helper()
		resp, err := candorv1.NewWebhookServiceClient(conn).RotateWebhookSecret(as(t.Context(), operatorToken), &candorv1.RotateWebhookSecretRequest{Webhook: "python"})
		if err != nil {
			t.Fatal(err)
		}
		return resp.GetSecret()
	}
	if _, err := fmt.Fprintln(in.stdin, rotate()); err != nil {
		t.Fatal(err)
	}
	first := deferAndAnswer(t, conn, p)
	one, again := in.next(), in.next()
	if one.Status != 503 || again.Status != 204 || one.ID != again.ID || again.Type != "prediction.final" || again.PredictionID != first || again.Label == "" {
		t.Errorf("got %+v, then %+v, about prediction %s", one, again, first)
	}
	rotate()
	second := deferAndAnswer(t, conn, p)
	if q := in.next(); q.Status != 204 || q.Error != "" || q.PredictionID != second || q.ID == one.ID {
		t.Errorf("by the old secret: %+v, about prediction %s", q, second)
	}
}

func as(ctx context.Context, token string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
}

// deferAndAnswer makes a prediction that nobody is sure of, answers it as ana, and answers its id.
func deferAndAnswer(t *testing.T, conn *grpc.ClientConn, p *plan) string {
	t.Helper()
	var pixels []float32
	for _, v := range p.Defer.Pixels {
		pixels = append(pixels, float32(v))
	}
	resp, err := candorv1.NewPredictionServiceClient(conn).Predict(t.Context(), &candorv1.PredictRequest{Request: &inference.ModelInferRequest{
		ModelName: p.Model,
		Inputs: []*inference.ModelInferRequest_InferInputTensor{{
			Name: "image", Datatype: "FP32", Shape: []int64{1, int64(len(pixels))}, Contents: &inference.InferTensorContents{Fp32Contents: pixels},
		}},
	}})
	if err != nil || resp.GetPredictions()[0].GetDecision().GetReviewItem() == "" {
		t.Fatalf("%v, %v", resp.GetPredictions(), err)
	}
	reviews := candorv1.NewReviewServiceClient(conn)
	claimed, err := reviews.ClaimReviewItem(as(t.Context(), reviewerToken), &candorv1.ClaimReviewItemRequest{
		Name: resp.GetPredictions()[0].GetDecision().GetReviewItem(),
	})
	if err != nil {
		t.Fatal(err)
	}
	item := claimed.GetItem()
	if _, err := reviews.ResolveReviewItem(as(t.Context(), reviewerToken), &candorv1.ResolveReviewItemRequest{
		Name: item.GetName(), Epoch: item.GetEpoch(), RequestId: uuid.NewString(),
		Verdict: &candorv1.Verdict{Answer: &candorv1.Verdict_Label{Label: slices.Min(item.GetLabels())}},
	}); err != nil {
		t.Fatal(err)
	}
	// The item doesn't say it to a reviewer who judges blind.
	return resp.GetPredictions()[0].GetPredictionId()
}
