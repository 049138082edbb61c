package browsertest

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net"
	"os"
	"testing"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/heldport"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// everythingYAML has a payload of every view, a promise, and a limit. Answers are final at once, and its pages are called by a name,
// so that browsers make passkeys.
const everythingYAML = `
listen: {grpc: "127.0.0.1:0", web: "127.0.0.1:WEBPORT", public_url: "http://localhost:WEBPORT"}
store: {identity: browser, sqlite: {path: candor.db}}
consumers: {anyone: {identity: {anonymous: true}, models: [claims, pay]}}
operators: {root: {identity: {token_sha256: ROOT}, roles: [admin]}, vera: {identity: {token_sha256: VERA}, roles: [auditor]}}
people: {local: true}
backends:
  net: {address: MODEL, model: m, version: "3", timeout: 2s, card: {
    created_at: "2024-01-02T03:04:05Z", owner: risk, rows: first_dim,
    inputs: [
      {name: x, datatype: FP32, shape: [-1, 2], view: table, features: [
        {name: amount, unit: EUR, typical_min: 1, typical_max: 500}, {name: age, unit: days}]},
      {name: scan, datatype: FP32, shape: [-1, 8, 8], view: gray_image, image_max: 16},
      {name: photo, datatype: BYTES, shape: [-1], view: image},
      {name: message, datatype: BYTES, shape: [-1], view: text},
      {name: document, datatype: BYTES, shape: [-1], view: json}],
    outputs: [{name: probabilities, datatype: FP32, shape: [-1, 2]}],
    scores: [{output: probabilities, kind: probability, labels: [good, bad]}]}}
  sure: {addresses: [SURE, GONE], replicas: {probe_every: 100ms}, hedge: {percentile: 0.9}, model: s, version: "1", timeout: 2s, card: {
    created_at: "2026-01-02T03:04:05Z", owner: risk, rows: first_dim,
    inputs: [{name: x, datatype: FP32, shape: [-1, 2]}],
    outputs: [{name: probabilities, datatype: FP32, shape: [-1, 2]}],
    scores: [{output: probabilities, kind: probability, labels: [good, bad]}]}}
models:
  claims:
    primary: net
    policy:
      mode: enforce
      accept: {promise: {alpha: 0.1, delta: 0.1, audit: {rate: 0.9}, grid: {levels: [0.9, 0.8, 0.6, 0.5]}}}
      review: {queue: desk, on_expire: reject}
      on_defer: provisional
      answers: [{output: probabilities, fill: scores}]
  pay:
    primary: sure
    policy:
      mode: enforce
      accept: {threshold: {probability: 0.9}}
      review: {queue: desk, on_expire: reject}
      on_defer: provisional
      answers: [{output: probabilities, fill: scores}]
      actions: [{name: payout, when: {label_in: [bad]}}]
queues:
  desk: {description: Claims, deadline: 2h, undo_window: 0s, reasons: [clear, doubtful], escalate_to: [legal]}
  legal: {deadline: 2h}
limits:
  payouts: {action: payout, model: pay, window: 1h, max_count: 2, on_trip: review}
`

// everything is a gateway whose queue has items of every payload, whose limit is tripped, and whose certificate has evidence to come.
func everything(t *testing.T) *world {
	t.Helper()
	sure := oiptest.Start(t, oiptest.Model{Name: "s", Version: "1", Infer: oiptest.Const(0.02, 0.98)})
	// Nobody listens at the second replica's address.
	_, port, err := net.SplitHostPort(heldport.For(t))
	if err != nil {
		t.Fatal(err)
	}
	w := startWith(t, everythingYAML, "WEBPORT", port, "SURE", sure.Addr(), "GONE", heldport.For(t))
	w.claims(4)
	pay := oiptest.FP32("x", []int64{2, 2}, 1, 2, 3, 4)
	w.infer("pay", pay)
	if err := w.try("pay", pay); err == nil {
		t.Fatal("the limit let four rows out")
	}
	return w
}

func (w *world) infer(model string, inputs ...oiptest.Tensor) {
	w.Helper()
	if err := w.try(model, inputs...); err != nil {
		w.Fatal(err)
	}
}

func (w *world) try(model string, inputs ...oiptest.Tensor) error {
	_, err := inference.NewGRPCInferenceServiceClient(w.conn).ModelInfer(w.ctx, oiptest.Request(model, "", oiptest.TypedForm, inputs...))
	return err
}

// claims sends rows, each a call of its own, whose photo is a picture and every second time none.
func (w *world) claims(n int) {
	w.Helper()
	for i := range n {
		var grey []float32
		for p := range 64 {
			grey = append(grey, float32((p+i)%17))
		}
		photo := w.photo()
		if i%2 == 1 {
			photo = attack
		}
		w.infer("claims", oiptest.FP32("x", []int64{1, 2}, float32(700+i), float32(3*i)), oiptest.FP32("scan", []int64{1, 8, 8}, grey...),
			oiptest.BYTES("photo", []int64{1}, photo), oiptest.BYTES("message", []int64{1}, fmt.Sprintf("claim %d\nof a \u202eperson %s", i, attack)),
			oiptest.BYTES("document", []int64{1}, fmt.Sprintf(`{"claim": {"number": %d, "parts": ["door", "window"], "old": null}, "paid": false, "a rather long name of a member": "and a text of some length that has to break somewhere"}`, i)))
	}
}

func (w *world) photo() string {
	w.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 48, 32))
	for x := range 48 {
		for y := range 32 {
			img.Set(x, y, color.RGBA{uint8(5 * x), uint8(7 * y), 120, 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		w.Fatal(err)
	}
	return b.String()
}

// tokenOf makes a bearer token of a user's.
func (w *world) tokenOf(name string) string {
	w.Helper()
	made, err := w.people.CreateUserToken(w.as(rootToken), &candorv1.CreateUserTokenRequest{Name: name, Description: "for a test"})
	if err != nil {
		w.Fatal(err)
	}
	return made.GetSecret()
}

// refuseConfiguration writes a configuration with faults, and waits until the gateway has refused it.
func (w *world) refuseConfiguration() {
	w.Helper()
	text, err := os.ReadFile(w.file)
	if err != nil {
		w.Fatal(err)
	}
	if err := os.WriteFile(w.file, append(text, "nonsense: true\n"...), 0o600); err != nil {
		w.Fatal(err)
	}
	explain := candorv1.NewExplainServiceClient(w.conn)
	for {
		resp, err := explain.GetConfiguration(w.as(auditorToken), &candorv1.GetConfigurationRequest{})
		if err != nil {
			w.Fatal(err)
		}
		if resp.GetRefuseTime() != nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}
