package gateway_test

import (
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
)

type inferResponse = inference.ModelInferResponse

// eventually tries f until it holds. The pause between tries is not what makes the test right: it only saves processor time.
func (w *world) eventually(f func() bool) {
	w.t.Helper()
	w.within(time.Minute, f)
}

// within is eventually for what has a period of its own to wait for.
func (w *world) within(bound time.Duration, f func() bool) {
	w.t.Helper()
	deadline := time.Now().Add(bound)
	for !f() {
		if time.Now().After(deadline) {
			w.t.Fatal("it never came true")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (w *world) backend(name string) *candorv1.BackendStatus {
	w.t.Helper()
	resp, err := candorv1.NewExplainServiceClient(w.conn).ListBackends(as(operatorToken), &candorv1.ListBackendsRequest{})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, b := range resp.GetBackends() {
		if b.GetName() == name {
			return b
		}
	}
	w.t.Fatalf("no backend %q", name)
	return nil
}
