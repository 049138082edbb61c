package main

import (
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/candor-gateway/candor/cmd/candor/internal/server"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/oiptest"
	"github.com/candor-gateway/candor/store/sqlite"
)

const (
	deferredRows = 1000
	// claimedItems are held by a reviewer over the kill, in a queue of their own: half of them until long after, half of them by
	// a lease that ends soon.
	claimedItems = 20
	// lostLease ends soon, but not before all of them are claimed: who claims goes on with the oldest that nobody holds.
	lostLease = 5 * time.Second
	// killAfter rows have been acknowledged and killAfterVerdicts given, the process is killed in the middle of both.
	killAfter         = 400
	killAfterVerdicts = 5
)

// TestKillNine kills a real candor serve in the middle of deferring rows and taking verdicts, as kill -9 does, and starts it
// again on the same store. What was acknowledged must be there: no item lost, none resolved twice, leases held.
func TestKillNine(t *testing.T) {
	model := oiptest.Start(t, oiptest.Model{Name: "coin", Infer: oiptest.Const(0.5, 0.5)})
	folder := t.TempDir()
	config := filepath.Join(folder, "candor.yaml")
	if err := os.WriteFile(config, []byte(strings.ReplaceAll(coinConfig, "$MODEL", model.Addr())), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := server.Init(t.Context(), config); err != nil {
		t.Fatal(err)
	}

	// First life.
	gateway := startGateway(t, config)
	w := newWorkload(t, gateway.grpc)
	w.deferSome("penny", claimedItems)
	kept := w.claim("ana", claimedItems/2, longLease)
	lost := w.claim("ana", claimedItems/2, lostLease)
	crowd := w.start()
	w.await(killAfter, killAfterVerdicts)
	gateway.kill()
	crowd.Wait()

	// Second life.
	gateway = startGateway(t, config)
	w.connect(gateway.grpc)
	w.retryVerdict()
	w.deferSome("coin", deferredRows-w.acknowledged())

	items := w.list()
	for name := range w.items {
		if items[name] == nil {
			t.Errorf("%s was acknowledged and is lost", name)
		}
	}
	for name, label := range w.verdicts {
		item := items[name]
		if item.GetState() != candorv1.ReviewState_REVIEW_STATE_RESOLVED || item.GetVerdict().GetLabel() != label {
			t.Errorf("%s was resolved as %q, and now is %v %q", name, label, item.GetState(), item.GetVerdict().GetLabel())
		}
		w.refuseSecondVerdict(item)
	}
	for _, claim := range slices.Concat(kept, lost) {
		if now := items[claim.GetName()]; now.GetEpoch() != claim.GetEpoch() || now.GetHolder() != "ana" {
			t.Errorf("%s was claimed by ana with epoch %d, and now is %q's with %d", claim.GetName(), claim.GetEpoch(), now.GetHolder(), now.GetEpoch())
		}
	}
	for _, claim := range kept {
		w.resolve("ana", claim)
	}
	for _, claim := range lost {
		again := w.reclaim("omar", claim.GetName())
		if again.GetEpoch() <= claim.GetEpoch() {
			t.Errorf("%s came back with epoch %d after %d: the fence doesn't rise", claim.GetName(), again.GetEpoch(), claim.GetEpoch())
		}
		w.refuseStale("ana", claim)
		w.resolve("omar", again)
	}
	if err := gateway.interrupt(); err != nil {
		t.Fatalf("candor serve: %v\n%s", err, gateway.log())
	}

	checkFinals(t, filepath.Join(folder, "candor.db"), w.verdicts)
	if out, err := exec.Command("candor", "audit", "verify", "--data-dir", folder).CombinedOutput(); err != nil {
		t.Errorf("candor audit verify: %v\n%s", err, out)
	}
}

// startGateway starts candor serve, and ends it with the test.
func startGateway(t *testing.T, config string) *process {
	t.Helper()
	p, err := startServe(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return p
}

// checkFinals wants every verdict in the feed of final answers, once.
func checkFinals(t *testing.T, path string, verdicts map[string]string) {
	t.Helper()
	store, err := sqlite.OpenReadOnly(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := store.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	finals, err := store.Finals(t.Context(), 0, 2*deferredRows)
	if err != nil {
		t.Fatal(err)
	}
	left := maps.Clone(verdicts)
	for _, f := range finals {
		name := "reviewItems/" + f.Item.ID
		label, ok := left[name]
		switch {
		case !ok:
			t.Errorf("%s is in the feed without a verdict, or twice", name)
		case f.Item.Verdict.GetLabel() != label:
			t.Errorf("%s is in the feed with %q, the verdict was %q", name, f.Item.Verdict.GetLabel(), label)
		}
		delete(left, name)
	}
	for name := range left {
		t.Errorf("the verdict on %s is not in the feed", name)
	}
}

// coinConfig is a model that is never sure, so that every row waits for a person.
const coinConfig = `
listen: {grpc: "127.0.0.1:0"}
store: {identity: coin, sqlite: {path: candor.db}}
consumers: {caller: {identity: {anonymous: true}, models: ["*"]}}
operators:
  ana: {identity: {token_sha256: fdb19af2cd8f3f7de8c00cbdd4c4838366cbe4fa2e7ae38ba7f5847e75ad4bb5}, roles: [reviewer]}
  omar: {identity: {token_sha256: 267ec9164e18dd3f3b0778bc303f5702c31f29eeaec18202d10da99b0f8f2a22}, roles: [reviewer]}
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
      accept: {threshold: {probability: 0.9}}
      review: {queue: coins}
      answers: [{output: probabilities, fill: scores}]
  penny:
    primary: coin
    policy:
      mode: enforce
      accept: {threshold: {probability: 0.9}}
      review: {queue: pennies}
      answers: [{output: probabilities, fill: scores}]
queues: {coins: {undo_window: 0s, audit_share: 1}, pennies: {undo_window: 0s}}
`
