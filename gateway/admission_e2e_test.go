package gateway_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// bounds give the queue of a world a capacity.
func bounds(capacity string, more ...string) []string {
	return append([]string{"desk: {deadline: 1h, lease: 5m", "desk: {deadline: 5m, lease: 5m, capacity: {" + capacity + "}"}, more...)
}

// rows are n different rows that nobody is sure of: what the primary says of them is worth less from one to the next.
func unsureRows(n int) [][4]float32 {
	out := make([][4]float32, n)
	for i := range out {
		out[i] = [4]float32{.6, .55, .55, float32(i)}
	}
	return out
}

// routesOf counts the rows by where they went.
func (a answer) routesOf(t *testing.T) map[string]int {
	t.Helper()
	if a.err != nil {
		t.Fatal(a.err)
	}
	out := map[string]int{}
	for _, route := range a.texts(t, "candor_route") {
		out[route]++
	}
	return out
}

// predict sends rows as an anonymous caller who is told everything.
func (w *world) predict(rows [][4]float32) []*candorv1.Prediction {
	w.t.Helper()
	resp, err := w.predictions().Predict(bounded(w.t, ""), &candorv1.PredictRequest{Request: request(rows, "candor_route")})
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.GetPredictions()
}

func routesOf(predictions []*candorv1.Prediction) map[string]int {
	out := map[string]int{}
	for _, p := range predictions {
		out[strings.TrimPrefix(p.GetDecision().GetAppliedRoute().String(), "ROUTE_")]++
	}
	return out
}

// Ten people who need a minute an item do fifty in five minutes. The other rows have the fallback's answer at once, and a restart knows
// that the queue is full.
func TestRowsThatCantBeReachedTakeTheFallback(t *testing.T) {
	w := start(t, bounds("reviewers: 10, service_time: 1m")...)
	predictions := w.predict(unsureRows(80))
	if got := routesOf(predictions); got["DEFER"] != 50 || got["FALLBACK"] != 30 {
		t.Fatalf("routes %v, want 50 and 30", got)
	}
	for _, p := range predictions {
		shed := p.GetDecision().GetAppliedRoute() == candorv1.Route_ROUTE_FALLBACK
		if shed != hasReason(p.GetDecision(), candorv1.Reason_REASON_REVIEW_CAPACITY) || shed != (p.GetAnsweredBy() == "both") ||
			shed != (p.GetState() == candorv1.AnswerState_ANSWER_STATE_FINAL) || shed != (p.GetDecision().GetReviewItem() == "") {
			t.Fatalf("row %d: %v", p.GetRow(), p)
		}
		if shed && (p.GetClassProbabilities().GetLabel() != "bad" || p.GetDecision().GetRoute() != candorv1.Route_ROUTE_FALLBACK) {
			t.Errorf("row %d: %v", p.GetRow(), p)
		}
	}
	if got := w.metric(`candor_review_shed_total{queue="desk"}`); got != 30 {
		t.Errorf("%v rows are counted as shed", got)
	}
	if q := w.queue(auditorToken, "desk"); q.GetShedCount() != 30 || q.GetPendingCount() != 50 || q.BudgetLeft != nil {
		t.Errorf("the queue: %v", q)
	}
	// Until the store is asked again what was stored meanwhile may count twice.
	w.eventually(func() bool {
		q := w.queue(auditorToken, "desk")
		return q.GetExpectedWait().AsDuration().Minutes() == 5 && q.GetAtRiskCount() == 0
	})
	told := w.explain(predictions[0].GetPredictionId())
	if n := len(told.GetRecord().GetRows()); n != 80 || len(told.GetReviewItems()) != 50 {
		t.Errorf("the record has %d rows and %d items", n, len(told.GetReviewItems()))
	}
	w.restart()
	after := w.infer(t.Context(), request([][4]float32{{.6, .55, .55, 100}}, "candor_route"))
	if after.param("candor_route") != "FALLBACK" || after.param("candor_reasons") != "LOW_CONFIDENCE,REVIEW_CAPACITY" {
		t.Errorf("after a restart: %v", after.resp.GetParameters())
	}
	// Somebody takes an item in hand: half of it is done, so that there is room for one row.
	w.claim(reviewerToken, "")
	w.eventually(func() bool {
		return w.infer(t.Context(), request([][4]float32{{.6, .55, .55, 101}}, "candor_route")).param("candor_route") == "DEFER"
	})
	// What is worth more than all that wait comes before them.
	dear := w.infer(t.Context(), request([][4]float32{{.6, .5, .5, 102}}, "candor_route"))
	if dear.param("candor_route") != "DEFER" {
		t.Errorf("a row of higher loss: %v", dear.resp.GetParameters())
	}
}

// What a row gets that was shed: the fallback's answer, asked for where it was not; the policy's default; nothing.
func TestWhatARowGetsThatWasShed(t *testing.T) {
	const noFallback = "      fallback: {ensemble: both, threshold: {probability: 0.8}}\n"
	full := bounds("reviewers: 1, service_time: 10m")
	for name, c := range map[string]struct {
		edits        []string
		row          [4]float32
		route, label string
		by           string
	}{
		"unsure fallback": {nil, deferredRow, "FALLBACK", "bad", "both"},
		"fallback that a condition passed over": {[]string{"on_defer: withhold", "on_defer: withhold\n      conditions: [{name: all, when: \"true\", route: defer}]"},
			row(.99, .2, .2), "FALLBACK", "good", "both"},
		"default":            {[]string{noFallback, "", "on_expire: reject", "on_expire: default, default_label: good"}, deferredRow, "FALLBACK", "good", "policy/default"},
		"nothing":            {[]string{noFallback, ""}, deferredRow, "REJECT", "", ""},
		"default only if so": {[]string{noFallback, "", "on_expire: reject", "on_expire: reject, default_label: good"}, deferredRow, "REJECT", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, append(slices.Clone(full), c.edits...)...)
			a := w.infer(t.Context(), request([][4]float32{c.row}, "candor_route"))
			if a.err != nil {
				t.Fatal(a.err)
			}
			p := a.predictions[0]
			label := p.GetLabel() + p.GetClassProbabilities().GetLabel()
			if a.param("candor_route") != c.route || label != c.label || p.GetAnsweredBy() != c.by || !hasReason(p.GetDecision(), candorv1.Reason_REASON_REVIEW_CAPACITY) {
				t.Errorf("%v", p)
			}
			if rr := w.explain(p.GetPredictionId()).GetRecord().GetRows()[0]; rr.GetRoute().String() != "ROUTE_"+c.route || rr.GetAppliedRoute() != rr.GetRoute() {
				t.Errorf("record %v", rr)
			}
			if q := w.queue(auditorToken, "desk"); q.GetPendingCount() != 0 || q.GetShedCount() != 1 {
				t.Errorf("queue %v", q)
			}
		})
	}
}

// What is released instead of a review passes the limits, and a row that a limit sends to people is never shed.
func TestLimitsOfShedRows(t *testing.T) {
	w := start(t, append(withLimit(1, ", on_trip: review"), bounds("reviewers: 1, service_time: 10m")...)...)
	first := w.infer(t.Context(), request([][4]float32{deferredRow}, "candor_route"))
	if first.param("candor_route") != "FALLBACK" || first.param("candor_action") != "decline" || w.limit("declines").GetUsed() != 1 {
		t.Fatalf("the first: %v, used %v", first.resp.GetParameters(), w.limit("declines").GetUsed())
	}
	for name, r := range map[string][4]float32{"shed": {.6, .55, .55, 1}, "accepted": {.99, .5, .5, 1}} {
		a := w.infer(t.Context(), request([][4]float32{r}, "candor_route"))
		d := a.predictions[0].GetDecision()
		if d.GetAppliedRoute() != candorv1.Route_ROUTE_DEFER || d.GetReviewItem() == "" || !hasReason(d, candorv1.Reason_REASON_LIMIT_TRIPPED) ||
			a.predictions[0].GetState() != candorv1.AnswerState_ANSWER_STATE_PENDING {
			t.Errorf("%s: %v", name, a.predictions[0])
		}
	}
	if q := w.queue(auditorToken, "desk"); q.GetPendingCount() != 2 {
		t.Errorf("queue %v", q)
	}
}

// A day's budget is never passed, not even over a restart.
func TestBudgetOfADay(t *testing.T) {
	// People who are always there, in a zone where it is about noon: their day doesn't end during the test.
	west := time.Now().UTC().Hour() - 12
	hours := fmt.Sprintf(`desk: {hours: {time_zone: "Etc/GMT%+d", shifts: [{from: "00:00", until: "24:00"}]}, `, west)
	w := start(t, bounds("reviewers: 100, service_time: 1s, per_day: 12", "desk: {deadline: 5m", hours+"deadline: 5m")...)
	deferred := 0
	for call := range 8 {
		a := w.infer(t.Context(), request(unsureRows(10), "candor_route"))
		deferred += a.routesOf(t)["DEFER"]
		if call == 3 {
			w.restart()
		}
	}
	if q := w.queue(auditorToken, "desk"); deferred < 4 || deferred > 12 || q.GetPendingCount() != int64(deferred) {
		t.Errorf("%d rows of a budget of 12 were deferred: %v", deferred, q)
	}
	// Until the store is asked again what was stored meanwhile may count twice.
	w.eventually(func() bool { return w.queue(auditorToken, "desk").GetBudgetLeft() == int64(12-deferred) })
}

// A row that was shed is judged by the coin of the rows that nobody waits for: with that probability, which is recorded, it stays for
// people, as an audit. None of them is shed.
func TestCoinsOfShedRows(t *testing.T) {
	edits := []string{
		"accept: {threshold: {probability: 0.9}}",
		"accept: {promise: {alpha: 0.2, delta: 0.2, audit: {rate: 0.5}, max_rows: 110, grid: {levels: [0.9, 0.6]}}}",
		"      fallback: {ensemble: both, threshold: {probability: 0.8}}\n", "",
		"on_expire: reject", "on_expire: default, default_label: good",
	}
	w := start(t, bounds("reviewers: 10, service_time: 1m", edits...)...)
	// So many that their coins, which no seed fixes, don't all fall on one side.
	a := w.infer(as(clientToken), request(unsureRows(110), "candor_route", "candor_sampling_probability"))
	if got := a.routesOf(t); got["DEFER"] != 50 || got["FALLBACK"] != 60 {
		t.Fatalf("routes %v", got)
	}
	audits := 0
	told := w.explain(a.param("candor_prediction_id"))
	for i, rr := range told.GetRecord().GetRows() {
		shed := rr.GetAppliedRoute() == candorv1.Route_ROUTE_FALLBACK
		if want := map[bool]uint32{true: 500_000, false: 1_000_000}[shed]; rr.GetSamplingPpm() != want {
			t.Errorf("row %d, shed %v: sampled with %d ppm", i, shed, rr.GetSamplingPpm())
		}
		if rr.GetAudited() {
			audits++
		}
		if rr.GetAudited() && !shed || rr.GetAudited() != (shed && len(rr.GetReviewItem()) > 0) {
			t.Errorf("row %d: %v", i, rr)
		}
	}
	kinds := map[candorv1.ReviewKind]int{}
	for _, it := range told.GetReviewItems() {
		kinds[it.GetKind()]++
		if want := map[bool]float64{true: .5, false: 1}[it.GetKind() == candorv1.ReviewKind_REVIEW_KIND_AUDIT]; it.GetSamplingProbability() != want {
			t.Errorf("an item of kind %v with probability %v", it.GetKind(), it.GetSamplingProbability())
		}
	}
	if audits == 0 || kinds[candorv1.ReviewKind_REVIEW_KIND_AUDIT] != audits || kinds[candorv1.ReviewKind_REVIEW_KIND_DEFERRED] != 50 {
		t.Errorf("items %v, %d audits", kinds, audits)
	}
	if got := w.metric(`candor_evidence_lost_total{model="fraud"}`); got > 0 {
		t.Errorf("%v rows are lost as evidence", got)
	}
}

// Outside of its hours a queue waits for the morning.
func TestHoursOfAQueue(t *testing.T) {
	// Two minutes a week.
	w := start(t, "desk: {deadline: 1h, lease: 5m", `desk: {deadline: 1h, lease: 5m, hours: {shifts: [{days: [mon], from: "03:00", until: "03:02"}]}, capacity: {reviewers: 1, service_time: 1s}`)
	a := w.infer(t.Context(), request([][4]float32{deferredRow}, "candor_route"))
	q := w.queue(auditorToken, "desk")
	if a.param("candor_route") == "DEFER" != (q.GetExpectedWait().AsDuration().Minutes() < 60) {
		t.Errorf("%v with a queue that is %v", a.resp.GetParameters(), q)
	}
}

// A replay decides rows that were shed as they were decided before people's time came into it.
func TestShedRowsAreReplayed(t *testing.T) {
	w := start(t, append(bounds("reviewers: 1, service_time: 1m"), withConditions(`{name: large, when: "has(params.amount) && params.amount > 10.0", route: defer}`)...)...)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		w.ask([]float64{-1, 5, 20}[rng.IntN(3)], [4]float32{rng.Float32(), rng.Float32(), rng.Float32(), 0})
	}
	if w.metric(`candor_review_shed_total{queue="desk"}`) < 5 {
		t.Fatal("nothing was shed")
	}
	if got := w.replayed(); got.Changed != 0 || len(got.Undecided) != 0 {
		t.Errorf("%+v\n%+v\n%+v", got.Decided, got.Undecided, got.Changes)
	}
}
