package desk

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	"github.com/candor-gateway/candor/cmd/candor/internal/server"
	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// patience is how long something may take on a slow machine. Reaching it is a failure.
const patience = 2 * time.Minute

const deskConfig = `
listen: {grpc: "$LISTEN"}
store: {identity: s, sqlite: {path: candor.db}}
consumers: {caller: {identity: {anonymous: true}, models: ["*"]}}
operators: {ann: {identity: {token_sha256: $ANN}, roles: [reviewer]}}
backends:
  m:
    address: $MODEL
    model: m
    version: "1"
    card:
      created_at: 2026-01-01T00:00:00Z
      owner: test
      rows: first_dim
      inputs: [{name: x, datatype: FP32, shape: [-1, 1]}]
      outputs: [{name: probabilities, datatype: FP32, shape: [-1, 2]}]
      scores: [{output: probabilities, kind: probability, labels: [bad, good]}]
models:
  m:
    primary: m
    policy:
      mode: enforce
      accept: {threshold: {probability: 0.9}}
      answers: [{output: probabilities, fill: scores}]
      review: {queue: q, on_expire: reject}
queues:
  q: {$QUEUE}
`

// desk is a gateway on a socket with a store in a file, and a connection as its reviewer.
type desk struct {
	t      *testing.T
	folder string
	model  string
	listen string
	queue  string
	conn   *remote.Conn
	client candorv1.ReviewServiceClient
	stop   func()
}

// openDesk serves a queue of these settings, with so many items.
func openDesk(t *testing.T, queue string, items int) *desk {
	d := &desk{t: t, folder: t.TempDir(), listen: "127.0.0.1:0", queue: queue}
	d.model = oiptest.Start(t, oiptest.Model{Name: "m", Infer: oiptest.Const(0.4, 0.6)}).Addr()
	d.write()
	if _, _, err := server.Init(t.Context(), d.config()); err != nil {
		t.Fatal(err)
	}
	d.serve()
	token := filepath.Join(d.folder, "ann.token")
	if err := os.WriteFile(token, []byte("ann-token"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.conn = d.dial("--token-file", token)
	d.client = candorv1.NewReviewServiceClient(d.conn)
	caller := candorv1.NewPredictionServiceClient(d.dial())
	for range items {
		ctx, cancel := d.conn.Context(t.Context())
		_, err := caller.Predict(ctx, &candorv1.PredictRequest{Request: &inference.ModelInferRequest{
			ModelName: "m",
			Inputs: []*inference.ModelInferRequest_InferInputTensor{{
				Name: "x", Datatype: "FP32", Shape: []int64{1, 1}, Contents: &inference.InferTensorContents{Fp32Contents: []float32{1}},
			}},
		}})
		cancel()
		if err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func (d *desk) config() string { return filepath.Join(d.folder, "candor.yaml") }

func (d *desk) write() {
	d.t.Helper()
	text := strings.NewReplacer("$LISTEN", d.listen, "$MODEL", d.model, "$QUEUE", d.queue, "$ANN", gateway.HashToken("ann-token")).Replace(deskConfig)
	if err := os.WriteFile(d.config(), []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// serve runs the gateway until stop, or the end of the test.
func (d *desk) serve() {
	d.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan gateway.Addrs, 1), make(chan error, 1)
	go func() {
		ended <- server.Run(ctx, server.Options{Config: d.config(), Stdout: d.t.Output(), Version: "test", Ready: func(a gateway.Addrs) { ready <- a }})
	}()
	d.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			d.t.Errorf("the gateway did not end cleanly: %v", err)
		}
	})
	d.t.Cleanup(d.stop)
	select {
	case a := <-ready:
		d.listen = a.GRPC
	case <-time.After(patience):
		d.t.Fatal("the gateway does not listen")
	}
}

func (d *desk) dial(args ...string) *remote.Conn {
	d.t.Helper()
	var f remote.Flags
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	f.Register(fs)
	if err := fs.Parse(append(args, "--server", d.listen)); err != nil {
		d.t.Fatal(err)
	}
	conn, err := f.Dial()
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// person sits at a session: types lines, and reads what is shown.
type person struct {
	t     *testing.T
	typed chan string
	ended chan error

	mu     sync.Mutex
	screen strings.Builder
	// read is how much of the screen expect has gone over.
	read  int
	wrote chan struct{}
}

// sit starts a session.
func (d *desk) sit() *person {
	p := &person{t: d.t, typed: make(chan string), ended: make(chan error, 1), wrote: make(chan struct{}, 1)}
	s := &session{client: d.client, conn: d.conn, out: p, lines: p.typed}
	ctx, cancel := context.WithCancel(context.Background())
	d.t.Cleanup(cancel)
	go func() { p.ended <- s.loop(ctx) }()
	return p
}

func (p *person) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.screen.Write(b)
	select {
	case p.wrote <- struct{}{}:
	default:
	}
	return len(b), nil
}

// expect waits until one of the texts is shown, below those that were expected before, and answers which.
func (p *person) expect(texts ...string) string {
	p.t.Helper()
	timeout := time.After(patience)
	for {
		p.mu.Lock()
		screen := p.screen.String()
		p.mu.Unlock()
		for _, text := range texts {
			if i := strings.Index(screen[p.read:], text); i >= 0 {
				p.read += i + len(text)
				return text
			}
		}
		select {
		case <-p.wrote:
		case <-timeout:
			p.t.Fatalf("%q is not shown after\n%s", texts, screen)
		}
	}
}

func (p *person) types(line string) {
	p.t.Helper()
	select {
	case p.typed <- line:
	case <-time.After(patience):
		p.t.Fatalf("nobody reads %q", line)
	}
}

// leaves ends the session, and wants that it ended cleanly.
func (p *person) leaves() {
	p.t.Helper()
	close(p.typed)
	select {
	case err := <-p.ended:
		if err != nil {
			p.t.Error(err)
		}
	case <-time.After(patience):
		p.t.Fatal("the session doesn't end")
	}
}
