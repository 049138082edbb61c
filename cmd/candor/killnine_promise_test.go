package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	"github.com/candor-gateway/candor/cmd/candor/internal/server"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// judgements is callers and reviewers of a model whose policy promises an error rate, who remember what was acknowledged.
type judgements struct {
	*workload
	mu sync.Mutex
	// said are acknowledged verdicts by item; unheard those whose answer did not arrive, each with its reviewer.
	said    map[string]string
	unheard []unheard
	next    float32
}

type unheard struct {
	reviewer string
	req      *candorv1.ResolveReviewItemRequest
}

// one sends a row that nobody has sent before: a row is evidence once.
func (j *judgements) one() error {
	j.mu.Lock()
	j.next++
	x := j.next
	j.mu.Unlock()
	ctx, cancel := j.context()
	defer cancel()
	_, err := j.predictions.Predict(ctx, &candorv1.PredictRequest{Request: &inference.ModelInferRequest{
		ModelName: "coin",
		Inputs: []*inference.ModelInferRequest_InferInputTensor{{
			Name: "x", Datatype: "FP32", Shape: []int64{1, 1}, Contents: &inference.InferTensorContents{Fp32Contents: []float32{x}},
		}},
	}})
	return err
}

// review claims what is next and resolves it: mostly as the model says, so that evidence is earned and some of it is against.
func (j *judgements) review(reviewer string) error {
	ctx, cancel := j.as(reviewer)
	defer cancel()
	claimed, err := j.reviews.ClaimReviewItem(ctx, &candorv1.ClaimReviewItemRequest{Queue: "coins"})
	if remote.Reason(err) == candorv1.ErrorReason_ERROR_REASON_QUEUE_EMPTY {
		return nil
	}
	if err != nil {
		return err
	}
	label := "heads"
	if rand.IntN(10) == 0 {
		label = "tails"
	}
	req := &candorv1.ResolveReviewItemRequest{
		Name: claimed.GetItem().GetName(), Epoch: claimed.GetItem().GetEpoch(), RequestId: uuid.NewString(),
		Verdict: &candorv1.Verdict{Answer: &candorv1.Verdict_Label{Label: label}},
	}
	_, err = j.reviews.ResolveReviewItem(ctx, req)
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil {
		j.unheard = append(j.unheard, unheard{reviewer, req})
		return err
	}
	j.said[req.GetName()] = label
	j.workload.resolved(req)
	return nil
}

// certificates in force and ended.
func (j *judgements) certificates() []*candorv1.Certificate {
	j.t.Helper()
	ctx, cancel := j.as("ana")
	defer cancel()
	resp, err := candorv1.NewCertificateServiceClient(j.conn).ListCertificates(ctx, &candorv1.ListCertificatesRequest{IncludeEnded: true})
	if err != nil {
		j.t.Fatal(err)
	}
	return resp.GetCertificates()
}

// compare wants the certificate to be what the verdicts in the store make: each once, in the order of their rows, as far as there
// is no gap.
func (j *judgements) compare(when string) *candorv1.Certificate {
	j.t.Helper()
	all := j.certificates()
	if len(all) != 1 {
		j.t.Fatalf("%s: %d certificates: %v", when, len(all), all)
	}
	c := all[0]
	items, judged, wrong := j.list(), uint64(0), uint64(0)
	for _, it := range items {
		if it.GetState() == candorv1.ReviewState_REVIEW_STATE_RESOLVED {
			judged++
			if it.GetVerdict().GetLabel() != "heads" {
				wrong++
			}
		}
	}
	if drawn := c.GetUnits() + c.GetUnitsOpen(); drawn != uint64(len(items)) {
		j.t.Errorf("%s: %d units are consumed and %d are open; %d rows were drawn", when, c.GetUnits(), c.GetUnitsOpen(), len(items))
	}
	if c.GetUnits() > judged {
		j.t.Errorf("%s: %d units are consumed, and only %d verdicts given", when, c.GetUnits(), judged)
	}
	level := c.GetLevels()[0]
	if level.GetLabels() != c.GetUnits() || level.GetMissing() != 0 || level.GetErrors() > wrong {
		j.t.Errorf("%s: %d verdicts, %d errors and %d missing of %d units; %d errors were found", when, level.GetLabels(), level.GetErrors(),
			level.GetMissing(), c.GetUnits(), wrong)
	}
	if c.GetUnitsOpen() == 0 && level.GetErrors() != wrong {
		j.t.Errorf("%s: all is judged, with %d errors; the certificate counts %d", when, wrong, level.GetErrors())
	}
	for name, label := range j.said {
		if got := items[name]; got.GetVerdict().GetLabel() != label {
			j.t.Errorf("%s: %s was acknowledged as %q and is %q", when, name, label, got.GetVerdict().GetLabel())
		}
	}
	return c
}

// again sends every verdict whose answer did not arrive, with its request id: it must be taken, whether it was stored or not.
func (j *judgements) again() {
	j.t.Helper()
	for _, u := range j.unheard {
		ctx, cancel := j.as(u.reviewer)
		_, err := j.reviews.ResolveReviewItem(ctx, u.req)
		cancel()
		if err != nil {
			j.t.Errorf("%s, sent again: %v", u.req.GetName(), err)
		}
	}
}

// rest judges all that nobody has, those included whose claim was stored and not answered.
func (j *judgements) rest() {
	j.t.Helper()
	for name, it := range j.list() {
		if it.GetState() == candorv1.ReviewState_REVIEW_STATE_RESOLVED {
			continue
		}
		reviewer := it.GetHolder()
		if it.GetState() == candorv1.ReviewState_REVIEW_STATE_PENDING {
			reviewer = "ana"
			ctx, cancel := j.as(reviewer)
			claimed, err := j.reviews.ClaimReviewItem(ctx, &candorv1.ClaimReviewItemRequest{Name: name})
			cancel()
			if err != nil {
				j.t.Fatal(err)
			}
			it = claimed.GetItem()
		}
		j.resolve(reviewer, it)
	}
}

// TestKillNineWithAPromise kills a real candor serve, again and again, while callers draw rows and reviewers judge them. After each
// start the certificate is what the stored verdicts make: none is lost and none counts twice, however often it is sent.
func TestKillNineWithAPromise(t *testing.T) {
	model := oiptest.Start(t, oiptest.Model{Name: "coin", Infer: oiptest.Const(0.95, 0.05)})
	folder := t.TempDir()
	config := filepath.Join(folder, "candor.yaml")
	if err := os.WriteFile(config, []byte(strings.ReplaceAll(promisedCoinConfig(), "$MODEL", model.Addr())), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := server.Init(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	j := &judgements{said: map[string]string{}}
	reviewers := []string{"ana", "omar"}
	unheardInAll := 0
	for round, enough := range []int{25, 60, 110} {
		gateway := startGateway(t, config)
		if j.workload == nil {
			j.workload = newWorkload(t, gateway.grpc)
		}
		j.connect(gateway.grpc)
		var crowd sync.WaitGroup
		for range callers {
			crowd.Go(func() {
				for j.one() == nil {
				}
			})
		}
		for _, reviewer := range reviewers {
			crowd.Go(func() {
				for j.review(reviewer) == nil {
				}
			})
		}
		j.await(0, enough)
		gateway.kill()
		crowd.Wait()

		gateway = startGateway(t, config)
		j.connect(gateway.grpc)
		when := fmt.Sprintf("round %d", round)
		j.compare(when)
		j.again()
		before := j.compare(when + ", after what was unheard")
		j.again()
		if after := j.compare(when + ", and once more"); after.GetUnits() != before.GetUnits() || !proto.Equal(after.GetLevels()[0], before.GetLevels()[0]) {
			t.Errorf("%s: a verdict that is sent again counts again:\n%v\n%v", when, before, after)
		}
		for _, u := range j.unheard {
			j.said[u.req.GetName()] = u.req.GetVerdict().GetLabel()
		}
		unheardInAll += len(j.unheard)
		j.unheard = nil
		gateway.kill()
	}
	t.Logf("%d verdicts, of which %d were not acknowledged before the kill", len(j.said), unheardInAll)

	// All that is left is judged, and then all of it has counted.
	gateway := startGateway(t, config)
	j.connect(gateway.grpc)
	j.rest()
	if c := j.compare("at the end"); c.GetUnitsOpen() != 0 {
		t.Errorf("all is judged, and %d units are open", c.GetUnitsOpen())
	}
	if err := gateway.interrupt(); err != nil {
		t.Fatalf("candor serve: %v\n%s", err, gateway.log())
	}
	if out, err := exec.Command("candor", "audit", "verify", "--data-dir", folder).CombinedOutput(); err != nil {
		t.Errorf("candor audit verify: %v\n%s", err, out)
	}
}

// promisedCoinConfig is coinConfig with a promise that this test cannot earn and whose alarm stays quiet, so that one certificate
// takes all evidence.
func promisedCoinConfig() string {
	return strings.NewReplacer(
		"      accept: {threshold: {probability: 0.9}}\n      review: {queue: coins}",
		"      accept: {promise: {alpha: 0.01, delta: 0.01, audit: {rate: 1}, grid: {levels: [0.9]}}}\n      review: {queue: coins}",
		"coins: {}", "coins: {lease: 10m}",
	).Replace(coinConfig)
}
