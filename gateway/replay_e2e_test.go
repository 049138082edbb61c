package gateway_test

import (
	"context"
	"iter"
	"math/rand/v2"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/candor-gateway/candor/calibration/certificate"
	"github.com/candor-gateway/candor/config"
	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/replay"
	"github.com/candor-gateway/candor/router"
	"github.com/candor-gateway/candor/store/sqlite"
)

// readOnly is the world's store, beside the gateway that serves from it.
func (w *world) readOnly() *sqlite.Store {
	w.t.Helper()
	s, err := sqlite.OpenReadOnly(w.t.Context(), w.db())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = s.Close(context.Background()) })
	return s
}

// log has the records of the world's log, which is whole.
func (w *world) log() iter.Seq[*candorv1.Record] {
	return func(yield func(*candorv1.Record) bool) {
		w.t.Helper()
		s := w.readOnly()
		if report, err := s.VerifyLog(w.t.Context()); err != nil || report.Fault() != nil {
			w.t.Errorf("the log: %v, %v", report.Fault(), err)
		}
		scan, err := s.Scan(w.t.Context(), time.Time{}, time.Time{})
		if err != nil {
			w.t.Fatal(err)
		}
		for rec, err := range scan.All(w.t.Context()) {
			if err != nil {
				w.t.Fatal(err)
			}
			if !yield(rec) {
				return
			}
		}
	}
}

// replayed is the world's log under its own configuration.
func (w *world) replayed() replay.ModelReport {
	w.t.Helper()
	cfg, _ := config.Parse("test.yaml", []byte(w.yaml))
	s := w.readOnly()
	states, err := s.Certificates(w.t.Context(), "", false)
	if err != nil {
		w.t.Fatal(err)
	}
	licensed, err := gateway.Licensed(cfg, "fraud", nil, states, s.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	policies, large := map[string]router.Policy{}, map[string]router.Policy{}
	for _, l := range licensed {
		policies[l.Segment], large[l.Segment] = l.Policy, l.Large
	}
	m, err := replay.NewModel(cfg, "fraud", config.Digest(cfg, "fraud"), policies)
	if err != nil {
		w.t.Fatal(err)
	}
	if p := cfg.GetModels()["fraud"].GetPolicy().GetAccept().GetPromise(); p != nil {
		m.Larger(int(p.GetMaxRows()), large)
	}
	r := replay.New([]*replay.Model{m}, replay.Options{Limit: 10, Until: s.Now()})
	scan, err := s.Scan(w.t.Context(), time.Time{}, time.Time{})
	if err != nil {
		w.t.Fatal(err)
	}
	for rec, err := range scan.All(w.t.Context()) {
		if err != nil {
			w.t.Fatal(err)
		}
		r.Decide(rec)
	}
	report := r.Report()
	if len(report.Models) != 1 {
		w.t.Fatalf("%+v", report)
	}
	return report.Models[0]
}

// What the gateway has decided and recorded is decided again as it was: accepts, fallbacks, deferrals, remedial stages, conditions,
// answers held by limits, broken answers, calls that failed.
func TestRecordsAreDecidedAgainAsTheyWere(t *testing.T) {
	edits := withConditions(`{name: large-amounts, when: "has(params.amount) && params.amount > 1000.0", route: defer}`)
	edits = append(edits, "queues: {desk", "limits: {declines: {action: decline, window: 1h, max_count: 20}}\nqueues: {desk",
		"version: \"1\", members: [{backend: a}, {backend: b}], quorum: 2, combiner: mean, remedial: {backend: old}",
		"version: \"1\", members: [{backend: a}, {backend: b}], quorum: 2, combiner: mean, remedial: {constant_label: good}")
	w := start(t, edits...)
	rng := rand.New(rand.NewPCG(8, 9))
	for i := range 150 {
		switch i {
		case 90:
			w.a.FailWith(status.Error(codes.Unavailable, "down"))
		case 120:
			w.primary.FailWith(status.Error(codes.Unavailable, "down"))
		}
		var rows [][4]float32
		for range 1 + rng.IntN(3) {
			rows = append(rows, [4]float32{rng.Float32(), rng.Float32(), rng.Float32(), float32(i)})
		}
		w.ask([]float64{-1, 20, 5000}[rng.IntN(3)], rows...)
	}
	got := w.replayed()
	if got.Changed != 0 || len(got.Undecided) != 0 {
		t.Errorf("%+v\n%+v\n%+v", got.Decided, got.Undecided, got.Changes)
	}
	if len(got.Decided) < 3 {
		t.Errorf("the rows took few ways: %+v", got.Decided)
	}
}

// Licensed answers what a gateway would license, from the store alone.
func TestLicensedIsWhatTheGatewayLicenses(t *testing.T) {
	w := start(t, promised("")...)
	w.earn(0)
	cfg, _ := config.Parse("test.yaml", []byte(w.yaml))
	s := w.readOnly()
	states, err := s.Certificates(t.Context(), "", false)
	if err != nil {
		t.Fatal(err)
	}
	primary := func(states []*candorv1.CertificateState) router.License {
		t.Helper()
		got, err := gateway.Licensed(cfg, "fraud", nil, states, s.Now())
		if err != nil || len(got) != 1 {
			t.Fatal(got, err)
		}
		return got[0].Policy.Primary
	}
	want, ok := certificate.Threshold(states[0])
	if l := primary(states); !ok || l.Threshold == nil || *l.Threshold != want {
		t.Errorf("%+v, want %v", l, want)
	}
	if l := primary(nil); l.Threshold != nil || l.Missing != candorv1.Reason_REASON_UNCERTIFIED {
		t.Errorf("without certificates: %+v", l)
	}
	// Another promise has to earn its own.
	cfg.Models["fraud"].Policy.Accept.GetPromise().Alpha = .1
	if l := primary(states); l.Threshold != nil || l.Missing != candorv1.Reason_REASON_UNCERTIFIED {
		t.Errorf("under another alpha: %+v", l)
	}
}

// A call with more rows than max_rows is licensed nothing, then and now.
func TestLargeCallsAreDecidedAgainAsTheyWere(t *testing.T) {
	w := start(t, promised(", max_rows: 2")...)
	w.earn(0)
	before := w.replayed().Changed // what was deferred while nothing was certified
	row := func(n float32) [4]float32 { return [4]float32{.95, .5, .5, n} }
	for rows, route := range map[int]candorv1.Route{2: candorv1.Route_ROUTE_ACCEPT, 3: candorv1.Route_ROUTE_DEFER} {
		a := w.infer(as(clientToken), request([][4]float32{row(301), row(302), row(303)}[:rows], "candor_route"))
		if a.err != nil {
			t.Fatal(a.err)
		}
		for _, p := range a.predictions {
			if p.GetDecision().GetRoute() != route {
				t.Errorf("a row of %d: %v", rows, p.GetDecision())
			}
		}
	}
	if got := w.replayed(); got.Changed != before || len(got.Undecided) > 0 {
		t.Errorf("%d changed, %d before: %+v, undecided %+v", got.Changed, before, got.Changes, got.Undecided)
	}
}
