package browsertest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// kindsYAML has a model that answers numbers and one that answers one of LABELS: each once with a queue that gives time to change an
// answer, and once with one whose answers are final at once.
const kindsYAML = `
listen: {grpc: "127.0.0.1:0", web: "127.0.0.1:0"}
store: {identity: browser, sqlite: {path: candor.db}}
consumers: {anyone: {identity: {anonymous: true}, models: ["*"]}}
operators: {root: {identity: {token_sha256: ROOT}, roles: [admin]}, vera: {identity: {token_sha256: VERA}, roles: [auditor]}}
people: {local: true}
backends:
  topics: {address: MODEL, model: m, version: "3", timeout: 2s, card: {
    created_at: "2026-01-02T03:04:05Z", owner: risk, rows: first_dim,
    inputs: [{name: x, datatype: FP32, shape: [-1, 2]}],
    outputs: [{name: probabilities, datatype: FP32, shape: [-1, COUNT]}],
    scores: [{output: probabilities, kind: probability, labels: [LABELS]}]}}
  sums: {address: SUMS, model: v, version: "7", timeout: 2s, card: {
    created_at: "2026-01-02T03:04:05Z", owner: risk, rows: first_dim,
    inputs: [{name: x, datatype: FP32, shape: [-1, 2]}],
    outputs: [{name: value, datatype: FP32, shape: [-1]}, {name: low, datatype: FP32, shape: [-1]}, {name: high, datatype: FP32, shape: [-1]}],
    scores: [{output: value, kind: regression, regression: {unit: EUR, lower_output: low, upper_output: high}}]}}
models:
  topic: {primary: topics, policy: {TOPIC, review: {queue: desk, on_expire: reject}}}
  topic-final: {primary: topics, policy: {TOPIC, review: {queue: once, on_expire: reject}}}
  sum: {primary: sums, policy: {SUM, review: {queue: desk, on_expire: reject}}}
  sum-final: {primary: sums, policy: {SUM, review: {queue: once, on_expire: reject}}}
queues:
  desk: {deadline: 2h, undo_window: 30m, reasons: [clear, doubtful], require_reason: true}
  once: {deadline: 2h, undo_window: 0s}
`

// manyTopics are more labels than there are keys, one of which is long.
func manyTopics() []string {
	out := []string{"an enquiry about something that none of the others is about"}
	for i := range 23 {
		out = append(out, fmt.Sprintf("topic %c", 'a'+i))
	}
	return out
}

// kinds is a gateway with one item of each model of kindsYAML.
func kinds(t *testing.T) *world {
	t.Helper()
	topics := manyTopics()
	scores := slices.Repeat([]float32{1 / float32(len(topics))}, len(topics))
	model := oiptest.Start(t, oiptest.Model{Name: "m", Version: "3", Infer: oiptest.Const(scores...)})
	sums := oiptest.Start(t, oiptest.Model{Name: "v", Version: "7", Infer: func(_ context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
		one := []int64{1}
		return oiptest.Reply(req, oiptest.FP32("value", one, 1234.5), oiptest.FP32("low", one, 900), oiptest.FP32("high", one, 2400.25)), nil
	}})
	w := startWith(t, kindsYAML,
		"address: MODEL", "address: "+model.Addr(), "SUMS", sums.Addr(), "COUNT", fmt.Sprint(len(topics)), "LABELS", `"`+strings.Join(topics, `", "`)+`"`,
		"TOPIC", "mode: enforce, on_defer: provisional, accept: {threshold: {probability: 0.9}}, answers: [{output: probabilities, fill: scores}]",
		"SUM", "mode: enforce, on_defer: provisional, interval_scale: 5000, accept: {threshold: {interval_width: 100}}, "+
			"answers: [{output: value, fill: value}, {output: low, fill: neutral}, {output: high, fill: neutral}]")
	for i, name := range []string{"topic", "topic-final", "sum", "sum-final"} {
		w.infer(name, oiptest.FP32("x", []int64{1, 2}, float32(i), 2.5))
	}
	return w
}

// all makes a user of all queues, and answers their enrolment code.
func (w *world) all(name string, role candorv1.Role) (code string) {
	w.Helper()
	made, err := w.people.CreateUser(w.as(rootToken), &candorv1.CreateUserRequest{User: &candorv1.User{Name: name, Roles: []candorv1.Role{role}}})
	if err != nil {
		w.Fatal(err)
	}
	return made.GetEnrolmentCode()
}

// TestAccessibleKinds holds the pages of items whose answer is a number, or one of more labels than there are keys, against the rules:
// before they are claimed, to be answered, refused, answered, and as those see them who judge nothing.
func TestAccessibleKinds(t *testing.T) {
	w := kinds(t)
	b, reader := w.browser(), w.browser()
	b.refusals = true // of answers that can't be taken
	b.logIn("eve", w.all("eve", candorv1.Role_ROLE_ADMIN))
	reader.enrol(w.all("vic", candorv1.Role_ROLE_AUDITOR))
	reader.open("/items") // whoever judges nothing has no work
	reader.await(`location.pathname === "/login" && document.activeElement.id === "name"`)
	reader.keys("vic\t" + password + "\r")
	reader.await(loaded("/items"))
	items := w.items()
	if len(items) != 4 {
		t.Fatalf("there are %d items, want 4", len(items))
	}
	for path, it := range items {
		name, number := it.GetModel(), len(it.GetLabels()) == 0
		b.open(path)
		b.accessible(name + "-claim")
		b.press("c", asked)
		b.accessible(name)
		b.refused()
		b.accessible(name + "-refused")
		if number {
			b.do(chromedp.SetValue(`[name="value"]`, "1200.25", chromedp.ByQuery))
		} else {
			b.find("answer", "TOPIC Q", "topic q")
			b.accessible(name + "-found")
		}
		if strings.HasSuffix(it.GetQueue(), "desk") {
			b.do(chromedp.SetValue(`#reason-answer`, "doubtful", chromedp.ByQuery))
		}
		b.do(chromedp.Click(`[data-enter]`, chromedp.ByQuery))
		b.await(answered)
		b.text(`document.querySelectorAll("details").forEach(e => { if (!e.matches(".menu")) e.open = true })`)
		b.accessible(name + "-after")
		reader.open(path)
		reader.accessible(name + "-read")
	}
	b.knownValue(items)
	for _, page := range []string{"/golden", "/items", "/work", "/ops/people-at-work"} {
		b.open(page)
		b.accessible("kinds" + page)
	}
}

// refused submits no answer at all, as a browser does that doesn't look at fields itself.
func (b *browser) refused() {
	b.w.Helper()
	b.text(`document.querySelector("#answer").noValidate = true`)
	b.do(chromedp.Click(`[data-enter]`, chromedp.ByQuery))
	b.await(`document.querySelector('#main .notice.bad') !== null && ` + settled)
}

// find types into the filter of a form and presses Enter, which chooses the first label that fits.
func (b *browser) find(form, text, label string) {
	b.w.Helper()
	b.do(chromedp.SendKeys("#filter-"+form, text, chromedp.ByQuery))
	// Without the character that a driver sends beside the key: a browser doesn't, where the page has taken the key for itself.
	for _, kind := range []input.KeyType{input.KeyRawDown, input.KeyUp} {
		b.do(input.DispatchKeyEvent(kind).WithKey("Enter").WithCode("Enter").WithWindowsVirtualKeyCode(13))
	}
	b.await(`document.querySelector('#` + form + ` [name="label"]:checked')?.value === "` + label + `"`)
}

// knownValue makes a known answer of the number that is final.
func (b *browser) knownValue(items map[string]*candorv1.ReviewItem) {
	b.w.Helper()
	for path, it := range items {
		if it.GetModel() == "sum-final" {
			b.open(path)
			b.fill("/golden", map[string]string{"tolerance": "50"})
			b.send("/golden")
			b.says("It is a known answer from now on")
		}
	}
}

// TestFindAnotherLabel changes an answer by the filter: the label that was chosen before stays in sight, and isn't what Enter chooses.
func TestFindAnotherLabel(t *testing.T) {
	w := kinds(t)
	b := w.browser()
	b.logIn("eve", w.all("eve", candorv1.Role_ROLE_ADMIN))
	for path, it := range w.items() {
		if it.GetModel() != "topic" {
			continue
		}
		b.open(path)
		b.press("c", asked)
		b.find("answer", "topic b", "topic b")
		b.do(chromedp.SetValue(`#reason-answer`, "clear", chromedp.ByQuery), chromedp.Click(`[data-enter]`, chromedp.ByQuery))
		b.await(answered)
		b.show("#again")
		b.find("change", "topic q", "topic q")
		b.do(chromedp.Click(`#change button:last-of-type`, chromedp.ByQuery))
		b.says("Changed.")
		if got := w.items()[path]; len(got.GetVerdicts()) != 1 || got.GetVerdicts()[0].GetLabel() != "topic q" || got.GetVerdicts()[0].GetFirstAnswer().GetLabel() != "topic b" {
			t.Errorf("the verdicts are %v", got.GetVerdicts())
		}
	}
}
