package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/candor-gateway/candor/bench/payload"
	"github.com/candor-gateway/candor/bench/process"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
)

// behindGateway is a candor serve in a process of its own, which people call by gRPC, each with a token and a connection.
type behindGateway struct {
	predictions candorv1.PredictionServiceClient
	reviews     []candorv1.ReviewServiceClient
	conns       []*grpc.ClientConn
}

// startTime is how long a gateway may take to listen.
const startTime = 20 * time.Second

// serve starts candor serve on a new store, and a queue for each measurement. store is the configuration's store, people how many work
// there at most.
func (b *bench) serve(ctx context.Context, name, store string, people int, queues []string) (*behindGateway, error) {
	addr, err := process.FreeAddr()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(b.dir, name+".yaml")
	if err := os.WriteFile(file, []byte(gatewayConfig(addr, b.model, store, people, queues)), 0o600); err != nil {
		return nil, err
	}
	if out, err := exec.CommandContext(ctx, b.candor, "init", "--config", file).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("candor init: %w\n%s", err, bytes.TrimSpace(out))
	}
	p, err := process.Start(process.Options{Name: name, Core: -1, Dir: b.dir, Command: []string{b.candor, "serve", "--config", file}})
	if err != nil {
		return nil, err
	}
	b.stops = append(b.stops, p.Stop)
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if err := p.Await(ctx, addr); err != nil {
		return nil, err
	}
	g := &behindGateway{}
	b.stops = append(b.stops, g.close)
	for range people {
		conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return nil, err
		}
		g.conns, g.reviews = append(g.conns, conn), append(g.reviews, candorv1.NewReviewServiceClient(conn))
	}
	g.predictions = candorv1.NewPredictionServiceClient(g.conns[0])
	return g, nil
}

func (g *behindGateway) close() error {
	var errs []error
	for _, c := range g.conns {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// threshold that the stub's models never reach: every row waits for a person.
const threshold = 0.999

// gatewayConfig has a model and a queue for each measurement, and people who may work on all of them. Verdicts are final at once.
func gatewayConfig(addr, model, store string, people int, queues []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "listen: {grpc: %q}\nstore: %s\n", addr, store)
	b.WriteString("consumers: {anyone: {identity: {anonymous: true}, models: [\"*\"]}}\noperators:\n")
	for i := range people {
		fmt.Fprintf(&b, "  %s: {identity: {token_sha256: %x}, roles: [reviewer]}\n", name(i), sha256.Sum256([]byte(token(i))))
	}
	fmt.Fprintf(&b, `backends:
  unsure:
    address: %s
    model: %s
    version: "1"
    card:
      created_at: 2026-11-01T00:00:00Z
      owner: bench
      rows: first_dim
      inputs: [{name: x, datatype: FP32, shape: [-1, %d]}]
      outputs: [{name: probabilities, datatype: FP32, shape: [-1, 2]}]
      scores: [{output: probabilities, kind: probability, labels: [good, fraud]}]
`, model, payload.Tabular, payload.Features)
	b.WriteString("models:\n")
	for _, q := range queues {
		fmt.Fprintf(&b, "  %s: {primary: unsure, policy: {mode: enforce, accept: {threshold: {probability: %g}}, review: {queue: %s}, "+
			"answers: [{output: probabilities, fill: scores}]}}\n", q, threshold, q)
	}
	b.WriteString("queues:\n")
	for _, q := range queues {
		fmt.Fprintf(&b, "  %s: {undo_window: 0s}\n", q)
	}
	return b.String()
}

func token(person int) string { return name(person) + "-token" }

// as is a context of a person's call.
func as(ctx context.Context, person int) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token(person))
}

func (g *behindGateway) fill(ctx context.Context, queue string, n int) error {
	for ; n > 0; n -= perRecord {
		rows := min(n, perRecord)
		resp, err := g.predictions.Predict(ctx, &candorv1.PredictRequest{Request: &inference.ModelInferRequest{
			ModelName:        queue,
			Inputs:           []*inference.ModelInferRequest_InferInputTensor{{Name: "x", Datatype: "FP32", Shape: []int64{int64(rows), payload.Features}}},
			RawInputContents: [][]byte{floats(rows)},
		}})
		if err != nil {
			return err
		}
		if slices.ContainsFunc(resp.GetPredictions(), func(p *candorv1.Prediction) bool { return p.GetDecision().GetReviewItem() == "" }) {
			return errors.New("a row was not deferred")
		}
	}
	return nil
}

// floats are rows of features, all different.
func floats(rows int) []byte {
	var b []byte
	for i := range rows * payload.Features {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(i)))
	}
	return b
}

func (g *behindGateway) claim(ctx context.Context, person int, queue string) (held, error) {
	resp, err := g.reviews[person].ClaimReviewItem(as(ctx, person), &candorv1.ClaimReviewItemRequest{Queue: queue, Lease: durationpb.New(lease)})
	if status.Code(err) == codes.NotFound {
		return held{}, errEmpty
	}
	return held{resp.GetItem().GetName(), resp.GetItem().GetEpoch()}, err
}

func (g *behindGateway) finish(ctx context.Context, person int, h held) error {
	resp, err := g.reviews[person].ResolveReviewItem(as(ctx, person), &candorv1.ResolveReviewItemRequest{
		Name: h.id, Epoch: h.epoch, RequestId: uuid.NewString(), Verdict: &candorv1.Verdict{Answer: &candorv1.Verdict_Label{Label: "good"}},
	})
	if err == nil && resp.GetItem().GetFinalTime() == nil {
		return fmt.Errorf("%s has a verdict and no final answer", h.id)
	}
	return err
}
