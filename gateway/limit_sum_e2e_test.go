package gateway_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc/codes"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// withLimits puts limits into the configuration.
func withLimits(limits string) []string {
	const queues = "queues: {desk: {deadline: 1h, lease: 5m}}"
	return []string{queues, queues + "\nlimits: {" + limits + "}"}
}

// sumOf is a limit that adds up the last number of each row, in hundredths.
func sumOf(most int, more string) string {
	return fmt.Sprintf("spent: {action: decline, window: 1h, sum: {amount: {input: {name: x, column: 3}, scale: 100}, unit: USD cents, max: %d}%s}", most, more)
}

// order is a row that the primary declines, about so many dollars.
func order(dollars float32) [4]float32 { return [4]float32{.99, .5, .5, dollars} }

// Knight Capital in small, in money: a model that orders now and then begins to order a hundred times as often. What leaves comes to
// the limit's bound exactly where the orders divide it, and to no more where they don't; then nothing, over a restart, until two
// people have reset it; then half. One alert for each trip, and the log has all of it.
func TestRunawaySum(t *testing.T) {
	const bound, runaway = 5000, 200
	for name, tc := range map[string]struct {
		dollars           float32
		released, halfway int64
	}{
		"orders that divide the bound": {2.5, 5000, 2500},
		"orders that don't":            {3.3, 4950, 2310},
	} {
		t.Run(name, func(t *testing.T) {
			in := newInbox(t, 0)
			w := start(t, withLimits(sumOf(bound, fmt.Sprintf(", on_trip: reject, reset: {people: 2}, probation: {share: 0.5, for: 10m}, alerts: [{name: desk, webhook: %q, allow_private: true}]", in.URL)))...)
			w.stop()
			w.yaml = replaceOnce(t, w.yaml, "window: 1h", "window: 3s")
			w.run()
			cents := int64(tc.dollars*100 + .5)
			spend := func(n int) int64 {
				var out atomic.Int64
				var wg sync.WaitGroup
				for range 8 {
					wg.Go(func() {
						for range n / 8 {
							if w.infer(t.Context(), request([][4]float32{order(tc.dollars)})).err == nil {
								out.Add(cents)
							}
						}
					})
				}
				wg.Wait()
				return out.Load()
			}
			for range 2 {
				if err := w.infer(t.Context(), request([][4]float32{order(tc.dollars)})).err; err != nil {
					t.Fatal(err)
				}
			}
			w.eventually(func() bool { return w.limit("spent").GetUsed() == 0 })
			if got := spend(runaway); got != tc.released {
				t.Errorf("%d cents left, want exactly %d", got, tc.released)
			}
			l := w.limit("spent")
			if !l.GetTripped() || l.GetKind() != candorv1.LimitKind_LIMIT_KIND_SUM || l.GetUnit() != "USD cents" || l.GetAmount() != "input:x[3]*100" || l.GetMaxCount() != bound {
				t.Fatalf("limit %v", l)
			}
			w.eventually(func() bool { return len(in.of("limit.tripped")) == 1 })
			if a := in.of("limit.tripped")[0]; int64(a.Data.Count) != tc.released || a.Data.MaxCount != bound || a.Data.Unit != "USD cents" ||
				a.Data.Kind != "sum" || a.Data.Amount == nil || *a.Data.Amount != cents || a.Data.Denominator != nil {
				t.Errorf("alert %+v", a)
			}
			w.restart()
			w.eventually(func() bool { return w.limit("spent").GetUsed() == 0 })
			if got := spend(runaway); got != 0 {
				t.Errorf("%d cents left after a restart, with an empty window", got)
			}
			if _, err := w.reset(operatorToken, "spent", "r1"); err != nil {
				t.Fatal(err)
			}
			if got := spend(8); got != 0 {
				t.Errorf("%d cents left when one had asked for the reset", got)
			}
			_, err := w.confirm(operatorToken, "spent", "r1", "c1")
			wantError(t, err, codes.PermissionDenied, "LIMIT_RESET_SAME_PERSON")
			if _, err := w.confirm(adminToken, "spent", "r1", "c1"); err != nil {
				t.Fatal(err)
			}
			if got := spend(runaway); got != tc.halfway {
				t.Errorf("%d cents left in probation, want %d", got, tc.halfway)
			}
			w.eventually(func() bool { return len(in.of("limit.tripped")) == 2 && len(in.of("limit.reset")) == 1 })
			w.stop()
			if all := in.got(); len(all) != 3 {
				t.Errorf("%d alerts for two trips and a reset: %+v", len(all), all)
			}
			released, events := auditOf(t, w)
			want := []string{
				fmt.Sprintf("LIMIT_EVENT_TRIPPED %d of 5000 USD cents, and %d", tc.released, cents), "LIMIT_EVENT_RESET_ASKED 0 of 0", "LIMIT_EVENT_RESET 0 of 0",
				fmt.Sprintf("LIMIT_EVENT_TRIPPED %d of 2500 USD cents, and %d", tc.halfway, cents),
			}
			if !slices.Equal(events, want) {
				t.Errorf("the log has %q, want %q", events, want)
			}
			if most := 2*cents + tc.released + tc.halfway; released != most {
				t.Errorf("by the log %d cents were released, want %d", released, most)
			}
		})
	}
}

// auditOf reads the world's log, which is whole: the amounts of what was released, and what became of limits.
func auditOf(t *testing.T, w *world) (released int64, events []string) {
	t.Helper()
	for rec := range w.log() {
		if l := rec.GetLimit(); l != nil {
			what := fmt.Sprintf("%s %d of %d", l.GetEvent(), l.GetCount(), l.GetMaxCount())
			if l.GetEvent() == candorv1.LimitEvent_LIMIT_EVENT_TRIPPED && l.GetUnit() != "" {
				what += fmt.Sprintf(" %s, and %d", l.GetUnit(), l.GetAmount())
			}
			events = append(events, what)
		}
		for _, r := range rec.GetPrediction().GetRows() {
			if r.GetAnsweredBy() == 0 || r.GetAction() != "decline" {
				continue
			}
			for _, in := range r.GetLimitInputs() {
				released += in.GetAmount()
			}
		}
	}
	return released, events
}

// with adds parameters to a request.
func with(req *inference.ModelInferRequest, params map[string]any) *inference.ModelInferRequest {
	for k, v := range params {
		if req.Parameters == nil {
			req.Parameters = map[string]*inference.InferParameter{}
		}
		p := &inference.InferParameter{}
		switch v := v.(type) {
		case int:
			p.ParameterChoice = &inference.InferParameter_Int64Param{Int64Param: int64(v)}
		case string:
			p.ParameterChoice = &inference.InferParameter_StringParam{StringParam: v}
		case float64:
			p.ParameterChoice = &inference.InferParameter_DoubleParam{DoubleParam: v}
		}
		req.Parameters[k] = p
	}
	return req
}

// A person's answer, a policy's default and one that replaces another pass the limit with the amount of the row that they are about,
// over a restart.
func TestAmountsOfLaterAnswers(t *testing.T) {
	w := start(t, append(withLimits(sumOf(2000, ", on_trip: reject")), "review: {queue: desk, on_expire: reject}", "review: {queue: desk, on_expire: reject, default_label: bad}")...)
	unsure := func(dollars float32) [4]float32 { return [4]float32{.6, .55, .55, dollars} }
	first, _ := w.deferOne(unsure(7))
	second, _ := w.deferOne(unsure(8))
	third, id := w.deferOne(unsure(9))
	if used := w.limit("spent").GetUsed(); used != 0 {
		t.Errorf("%d cents of what nobody has answered", used)
	}
	w.restart()
	for i, name := range []string{first, second} {
		if item := w.resolve(reviewerToken, name, "bad"); item.GetReleaseState() != candorv1.ReleaseState_RELEASE_STATE_RELEASED || len(item.GetLimitInputs()) > 0 {
			t.Errorf("verdict %d: %v", i, item)
		}
	}
	w.eventually(func() bool { return w.limit("spent").GetUsed() == 1500 })
	// 9 dollars more would be 24 of 20.
	if item := w.resolve(reviewerToken, third, "good"); item.GetReleaseState() != candorv1.ReleaseState_RELEASE_STATE_RELEASED {
		t.Errorf("an answer without an action: %v", item)
	}
	item, err := w.reviews().SupersedeVerdict(as(seniorToken), &candorv1.SupersedeVerdictRequest{
		Name: third, RequestId: "s1", Verdict: &candorv1.Verdict{Answer: &candorv1.Verdict_Label{Label: "bad"}, Reason: "it is bad"},
	})
	if err != nil || item.GetItem().GetReleaseState() != candorv1.ReleaseState_RELEASE_STATE_HELD || item.GetItem().GetHeldBy() != "limits/spent" {
		t.Errorf("what replaces an answer: %v, %v", item, err)
	}
	if l := w.limit("spent"); !l.GetTripped() || l.GetUsed() != 1500 {
		t.Errorf("limit %v", l)
	}
	rows := w.explain(id).GetRecord().GetRows()
	if in := rows[0].GetLimitInputs(); len(in) != 1 || in[0].GetAmount() != 900 || in[0].GetSource() != "input:x[3]*100" {
		t.Errorf("the record has %v", in)
	}
}

// What can't be counted is withheld alone, says why, and trips nothing.
func TestBadAmounts(t *testing.T) {
	nan := float32(0)
	nan /= nan
	w := start(t, withLimits(sumOf(2000, ", on_trip: reject"))...)
	for says, dollars := range map[string]float32{"is not a number; send 0 or more": nan, "is -100, below 0; send 0 or more": -1, "more than can be counted": 3e38} {
		a := w.infer(t.Context(), request([][4]float32{order(dollars)}))
		if md := wantError(t, a.err, codes.InvalidArgument, "LIMIT_INPUT_INVALID"); md["limit"] != "spent" || md["action"] != "decline" || md["row"] != "0" || md["field"] != "inputs[x]" {
			t.Errorf("metadata %v", md)
		}
		if bad := toldBy(t, a.err).bad.GetFieldViolations(); len(bad) != 1 || bad[0].GetField() != "inputs[x]" || !strings.Contains(bad[0].GetDescription(), says) {
			t.Errorf("%v: %v, want %q", dollars, bad, says)
		}
		if p := a.predictions[0]; p.GetAbstention().GetReason() != candorv1.Reason_REASON_LIMIT_INPUT_INVALID {
			t.Errorf("the trailer says %v", p)
		}
	}
	// Each row is counted for itself, and who can read routes gets the others.
	a := w.infer(t.Context(), request([][4]float32{order(1), order(nan), {.02, .5, .5, nan}, order(2.005)}, "candor_route"))
	if a.err != nil || !slices.Equal(a.texts(t, "candor_route"), []string{"ACCEPT", "REJECT", "ACCEPT", "ACCEPT"}) {
		t.Errorf("%v %v", a.resp, a.err)
	}
	one := w.infer(t.Context(), request([][4]float32{order(nan)}, "candor_route"))
	if one.param("candor_limit") != "spent" || !strings.Contains(one.param("candor_fault"), "inputs[x] is not a number") {
		t.Errorf("parameters %v", one.resp.GetParameters())
	}
	w.eventually(func() bool { return w.limit("spent").GetUsed() == 100+201 }) // What is leased comes back.
	if w.limit("spent").GetTripped() {
		t.Error("what can't be counted has tripped the limit")
	}
	if n := w.metric(`candor_limit_bad_inputs_total{limit="spent"}`); n != 5 {
		t.Errorf("%v bad inputs are counted", n)
	}
	if n := w.metric(`candor_limit_bound{limit="spent"}`); n != 2000 {
		t.Errorf("a bound of %v", n)
	}
}

// A parameter holds for each row, in every form, and on streams.
func TestAmountsOfParameters(t *testing.T) {
	const limit = "spent: {action: decline, window: 1h, sum: {amount: {parameter: cents}, unit: USD cents, max: 1000}, on_trip: reject}"
	w := start(t, withLimits(limit)...)
	for _, form := range []oiptest.Form{oiptest.RawForm, oiptest.TypedForm} {
		if a := w.infer(t.Context(), with(requestIn(form, [][4]float32{sureRow, sureRow}), map[string]any{"cents": 100})); a.err != nil {
			t.Fatal(a.err)
		}
	}
	w.eventually(func() bool { return w.limit("spent").GetUsed() == 400 })
	for says, params := range map[string]map[string]any{
		"is missing; send it with the request, as an int64, 0 or more": nil,
		"is a string; send an int64, 0 or more":                        {"cents": "100"},
		"is a double; send an int64, 0 or more":                        {"cents": 100.},
		"is -1, below 0; send 0 or more":                               {"cents": -1},
	} {
		a := w.infer(t.Context(), with(request([][4]float32{sureRow}), params))
		wantError(t, a.err, codes.InvalidArgument, "LIMIT_INPUT_INVALID")
		if bad := toldBy(t, a.err).bad.GetFieldViolations(); len(bad) != 1 || bad[0].GetField() != "parameters[cents]" || !strings.Contains(bad[0].GetDescription(), says) {
			t.Errorf("%v: %v, want %q", params, bad, says)
		}
	}
	c := w.openStream()
	for range 2 {
		c.send(with(request([][4]float32{sureRow}), map[string]any{"cents": 200}))
		if a := c.next(); a.err != nil {
			t.Fatal(a.err)
		}
	}
	w.eventually(func() bool { return w.limit("spent").GetUsed() == 800 })
	wantError(t, w.infer(t.Context(), with(request([][4]float32{sureRow}), map[string]any{"cents": 201})).err, codes.FailedPrecondition, "ACTION_LIMIT_TRIPPED")
	if l := w.limit("spent"); !l.GetTripped() || l.GetUsed() != 800 {
		t.Errorf("limit %v", l)
	}
}

// withTexts adds an input of texts.
func withTexts(req *inference.ModelInferRequest, name string, texts ...string) *inference.ModelInferRequest {
	other := oiptest.Request("fraud", "", oiptest.RawForm, oiptest.BYTES(name, []int64{int64(len(texts))}, texts...))
	req.Inputs = append(req.Inputs, other.GetInputs()...)
	req.RawInputContents = append(req.RawInputContents, other.GetRawInputContents()...)
	return req
}
