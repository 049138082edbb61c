package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/health" // the client's side of health checks
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	"github.com/candor-gateway/candor/cmd/candor/internal/server"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/heldport"
	"github.com/candor-gateway/candor/internal/oiptest"
	"github.com/candor-gateway/candor/store/postgres/pgtest"
)

// crowd calls without pause, through a client that spreads its calls over all addresses that say that they serve.
type crowd struct {
	conn   *grpc.ClientConn
	stop   atomic.Bool
	calls  atomic.Int64
	ending sync.WaitGroup

	mu     sync.Mutex
	failed []error
}

func startCrowd(t *testing.T, addresses ...string) *crowd {
	t.Helper()
	r := manual.NewBuilderWithScheme("replicas")
	var state resolver.State
	for _, a := range addresses {
		state.Addresses = append(state.Addresses, resolver.Address{Addr: a})
	}
	r.InitialState(state)
	conn, err := grpc.NewClient("replicas:///gateways", grpc.WithResolvers(r), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": "inference.GRPCInferenceService"}}`))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	c := &crowd{conn: conn}
	for range callers {
		c.ending.Go(func() {
			for !c.stop.Load() {
				if err := c.call(); err != nil {
					c.mu.Lock()
					c.failed = append(c.failed, err)
					c.mu.Unlock()
				}
				c.calls.Add(1)
			}
		})
	}
	return c
}

func (c *crowd) call() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := candorv1.NewPredictionServiceClient(c.conn).Predict(ctx, &candorv1.PredictRequest{Request: &inference.ModelInferRequest{
		ModelName: "coin",
		Inputs: []*inference.ModelInferRequest_InferInputTensor{{
			Name: "x", Datatype: "FP32", Shape: []int64{1, 1}, Contents: &inference.InferTensorContents{Fp32Contents: []float32{1}},
		}},
	}})
	return err
}

// end stops the calls, and wants that none failed.
func (c *crowd) end(t *testing.T) {
	t.Helper()
	c.stop.Store(true)
	c.ending.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.failed) > 0 {
		t.Errorf("%d of %d calls failed; the first: %v", len(c.failed), c.calls.Load(), c.failed[0])
	}
}

// served says how many rows the gateway has decided, by its metrics.
func (p *process) served(t *testing.T) bool {
	t.Helper()
	resp, err := http.Get("http://" + p.http + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(body), `candor_decisions_total{`)
}

// eventually waits until f holds. The pause only saves processor time.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !f(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never came true: %s", what)
		}
	}
}

// TestRollingRestart restarts two gateways on one PostgreSQL in turn, and reloads another policy in between, while clients call without
// pause: not one call may fail.
func TestRollingRestart(t *testing.T) {
	pgtest.Skip(t)
	model := oiptest.Start(t, oiptest.Model{Name: "coin", Infer: oiptest.Const(0.3, 0.7)})
	url := pgtest.Database(t)
	var files, addresses []string
	for range 2 {
		address := heldport.For(t) // where it listens again after its restarts
		file := filepath.Join(t.TempDir(), "candor.yaml")
		text := strings.NewReplacer("$MODEL", model.Addr(), "$ADDRESS", address, "$URL", url).Replace(rollingConfig)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		files, addresses = append(files, file), append(addresses, address)
	}
	if _, _, err := server.Init(t.Context(), files[0]); err != nil {
		t.Fatal(err)
	}
	gateways := []*process{startGateway(t, files[0]), startGateway(t, files[1])}
	c := startCrowd(t, addresses...)
	for round := range 2 {
		for i, file := range files {
			eventually(t, "both serve", func() bool { return gateways[0].served(t) && gateways[1].served(t) })
			reloadOther(t, gateways[i], file, round)
			before := c.calls.Load()
			if err := gateways[i].terminate(); err != nil {
				t.Errorf("candor serve: %v\n%s", err, gateways[i].log())
			}
			gateways[i] = startGateway(t, file)
			eventually(t, "calls go on", func() bool { return c.calls.Load() > before+100 })
		}
	}
	eventually(t, "both serve", func() bool { return gateways[0].served(t) && gateways[1].served(t) })
	c.end(t)
	for _, g := range gateways {
		if err := g.terminate(); err != nil {
			t.Errorf("candor serve: %v\n%s", err, g.log())
		}
	}
}

// reloadOther gives a gateway the other one of two policies, and waits until it is in force.
func reloadOther(t *testing.T, g *process, file string, round int) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	from, to := "probability: 0.5", "probability: 0.6"
	if round%2 == 1 {
		from, to = to, from
	}
	if err := os.WriteFile(file+".new", []byte(strings.Replace(string(text), from, to, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
	if err := g.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the policy is in force", func() bool { return strings.Contains(g.log(), "configuration reloaded") })
}

// terminate asks the process to end as an orchestrator does, and answers how it did.
func (p *process) terminate() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.ended:
		return p.err
	case <-time.After(patience):
		p.kill()
		return fmt.Errorf("it did not drain within %v", patience)
	}
}

const rollingConfig = `
listen: {grpc: "$ADDRESS", http: "127.0.0.1:0"}
store: {identity: rolling, postgres: {url: "$URL"}}
consumers: {caller: {identity: {anonymous: true}, models: ["*"]}}
backends:
  coin:
    address: $MODEL
    model: coin
    version: "1"
    card:
      created_at: 2026-01-01T00:00:00Z
      owner: test
      rows: first_dim
      inputs: [{name: x, datatype: FP32, shape: [-1, 1]}]
      outputs: [{name: probabilities, datatype: FP32, shape: [-1, 2]}]
      scores: [{output: probabilities, kind: probability, labels: [heads, tails]}]
models:
  coin:
    primary: coin
    policy:
      mode: enforce
      accept: {threshold: {probability: 0.5}}
      answers: [{output: probabilities, fill: scores}]
`
