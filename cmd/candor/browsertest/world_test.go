package browsertest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/candor-gateway/candor/cmd/candor/internal/server"
	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
)

const (
	rootToken = "root-token"
	// auditorToken is of somebody who may see everything: whoever may judge doesn't.
	auditorToken = "auditor-token"
	password     = "a long enough passphrase"
	// patience bounds a whole test: far more than a loaded machine needs.
	patience = 6 * time.Minute
	// sureness is the width of the bar by which the model's confidence of 0.637 is shown.
	sureness = "63.7"
	// attack is what a caller sends as text.
	attack = `<script>document.title="taken"</script><img src=x onerror=alert(1)>`
)

const worldYAML = `
listen: {grpc: "127.0.0.1:0", web: "127.0.0.1:0"}
store: {identity: browser, sqlite: {path: candor.db}}
consumers: {anyone: {identity: {anonymous: true}, models: [fraud]}}
operators: {root: {identity: {token_sha256: ROOT}, roles: [admin]}, vera: {identity: {token_sha256: VERA}, roles: [auditor]}}
people: {local: true}
backends:
  net: {address: MODEL, model: m, version: "3", timeout: 2s, card: {
    created_at: "2026-01-02T03:04:05Z", owner: risk, rows: first_dim,
    inputs: [
      {name: x, datatype: FP32, shape: [-1, 2], view: table, features: [
        {name: amount, unit: EUR, typical_min: 1, typical_max: 500}, {name: age, unit: days}]},
      {name: message, datatype: BYTES, shape: [-1], view: text}],
    outputs: [{name: probabilities, datatype: FP32, shape: [-1, 2]}],
    scores: [{output: probabilities, kind: probability, labels: [good, bad]}]}}
models:
  fraud:
    primary: net
    policy:
      mode: enforce
      accept: {threshold: {probability: 0.9}}
      review: {queue: desk, on_expire: reject}
      on_defer: provisional
      answers: [{output: probabilities, fill: scores}]
queues:
  desk: {description: Payments, deadline: 2h, lease: LEASE, undo_window: 30m, escalate_to: [legal]}
  legal: {deadline: 2h}
`

// world is a gateway with its pages, its model server, and root's connection to it.
type world struct {
	*testing.T
	url    string
	conn   *grpc.ClientConn
	review candorv1.ReviewServiceClient
	people candorv1.PeopleServiceClient
	// file of the configuration.
	file string
	// ctx ends with the test or with patience.
	ctx context.Context
}

// start runs a gateway whose desk has a lease as in a configuration. It skips where no browser was asked for.
func start(t *testing.T, lease string) *world {
	t.Helper()
	return startWith(t, worldYAML, "LEASE", lease)
}

// startWith runs a gateway of a configuration in which old values are replaced by new ones, given in pairs.
func startWith(t *testing.T, config string, values ...string) *world {
	t.Helper()
	if os.Getenv("CANDOR_BROWSER") == "" {
		t.Skip("it needs Chromium: CANDOR_BROWSER=1 runs it")
	}
	model := oiptest.Start(t, oiptest.Model{Name: "m", Version: "3", Infer: oiptest.Const(0.363, 0.637)})
	file := filepath.Join(t.TempDir(), "candor.yaml")
	values = append(values, "MODEL", model.Addr(), "ROOT", gateway.HashToken(rootToken), "VERA", gateway.HashToken(auditorToken))
	text := strings.NewReplacer(values...).Replace(config)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := server.Init(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, file: file}
	running, stop := context.WithCancel(context.Background())
	ready, done := make(chan string, 1), make(chan error, 1)
	go func() {
		done <- server.Run(running, server.Options{
			Config: file, Version: "test", Pages: func(url string) { w.url = url }, Ready: func(a gateway.Addrs) { ready <- a.GRPC },
		})
	}()
	var addr string
	select {
	case addr = <-ready:
	case err := <-done:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	var cancel context.CancelFunc
	w.ctx, cancel = context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	w.conn, w.review, w.people = conn, candorv1.NewReviewServiceClient(conn), candorv1.NewPeopleServiceClient(conn)
	return w
}

// as is a context of a call with a token.
func (w *world) as(token string) context.Context {
	return metadata.AppendToOutgoingContext(w.ctx, "authorization", "Bearer "+token)
}

// deferSome sends rows that the model is not sure of.
func (w *world) deferSome(n int) {
	w.Helper()
	var numbers []float32
	var texts []string
	for i := range n {
		numbers = append(numbers, float32(1000+i), float32(i))
		texts = append(texts, fmt.Sprintf("payment %d %s", i, attack))
	}
	_, err := inference.NewGRPCInferenceServiceClient(w.conn).ModelInfer(w.ctx, oiptest.Request("fraud", "", oiptest.TypedForm,
		oiptest.FP32("x", []int64{int64(n), 2}, numbers...), oiptest.BYTES("message", []int64{int64(n)}, texts...)))
	if err != nil {
		w.Fatal(err)
	}
}

// user makes a user of the desk with these roles, none being a reviewer's, and answers their enrolment code.
func (w *world) user(name string, roles ...candorv1.Role) (code string) {
	w.Helper()
	if roles == nil {
		roles = []candorv1.Role{candorv1.Role_ROLE_REVIEWER}
	}
	made, err := w.people.CreateUser(w.as(rootToken), &candorv1.CreateUserRequest{
		User: &candorv1.User{Name: name, Roles: roles, Queues: []string{"desk"}},
	})
	if err != nil {
		w.Fatal(err)
	}
	return made.GetEnrolmentCode()
}

// items are all items by the path of their page.
func (w *world) items() map[string]*candorv1.ReviewItem {
	w.Helper()
	resp, err := w.review.ListReviewItems(w.as(auditorToken), &candorv1.ListReviewItemsRequest{PageSize: 1000})
	if err != nil {
		w.Fatal(err)
	}
	out := map[string]*candorv1.ReviewItem{}
	for _, it := range resp.GetItems() {
		out["/items/"+strings.TrimPrefix(it.GetName(), "reviewItems/")] = it
	}
	return out
}

// events counts what happened to an item, by kind.
func (w *world) events(it *candorv1.ReviewItem) map[candorv1.ReviewEventKind]int {
	w.Helper()
	resp, err := w.review.ListReviewEvents(w.as(auditorToken), &candorv1.ListReviewEventsRequest{Name: it.GetName()})
	if err != nil {
		w.Fatal(err)
	}
	out := map[candorv1.ReviewEventKind]int{}
	for _, e := range resp.GetEvents() {
		out[e.GetKind()]++
	}
	return out
}
