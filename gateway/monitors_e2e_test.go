package gateway_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
)

const (
	monitorRows  = 100
	insufficient = candorv1.MonitorState_MONITOR_STATE_INSUFFICIENT_DATA
	calm         = candorv1.MonitorState_MONITOR_STATE_OK
	warning      = candorv1.MonitorState_MONITOR_STATE_WARNING
	kindPSI      = candorv1.MonitorKind_MONITOR_KIND_PSI
	kindKS       = candorv1.MonitorKind_MONITOR_KIND_KS
	kindLabels   = candorv1.MonitorKind_MONITOR_KIND_LABEL_SHIFT
	kindCBPE     = candorv1.MonitorKind_MONITOR_KIND_CBPE
	kindBias     = candorv1.MonitorKind_MONITOR_KIND_PREDICTION_BIAS
	kindShare    = candorv1.MonitorKind_MONITOR_KIND_FALLBACK_SHARE
)

// watchedModel edits a world: windows of monitorRows, and a second model on the same servers.
func watchedModel(more string) []string {
	monitors := fmt.Sprintf("monitors: {min_rows: %d, psi: 0.3%s}", monitorRows, more)
	return []string{
		"models:\n  fraud:", "models:\n  other: {primary: primary, policy: {mode: observe, accept: {threshold: {probability: 0.9}}, " + monitors + "}}\n  fraud:",
		"on_defer: withhold", "on_defer: withhold\n      " + monitors,
		"models: [fraud]}", "models: [fraud, other]}",
	}
}

// monitors by stage and kind.
func (w *world) monitors(model string) map[string]*candorv1.MonitorStatus {
	w.t.Helper()
	resp, err := candorv1.NewExplainServiceClient(w.conn).ListMonitors(as(operatorToken), &candorv1.ListMonitorsRequest{Model: model})
	if err != nil {
		w.t.Fatal(err)
	}
	out := map[string]*candorv1.MonitorStatus{}
	for _, s := range resp.GetMonitors() {
		if model != "" && s.GetModel() != model {
			w.t.Errorf("asked for %s, and got %v", model, s)
		}
		out[monitorKey(s.GetModel(), s.GetStage(), s.GetKind())] = s
	}
	return out
}

func monitorKey(model, stage string, kind candorv1.MonitorKind) string {
	return model + " " + stage + " " + kind.String()
}

// feed asks a model for rows in one batch: the primary is as sure as sure says, of either label.
func (w *world) feed(model string, rows int, sure func() float32) {
	w.t.Helper()
	batch := make([][4]float32, rows)
	for i := range batch {
		p := sure()
		if i%2 == 0 {
			p = 1 - p
		}
		batch[i] = row(p, .95, .5)
	}
	req := request(batch)
	req.ModelName = model
	ctx, cancel := context.WithTimeout(as(clientToken), 20*time.Second)
	defer cancel()
	if _, err := inference.NewGRPCInferenceServiceClient(w.conn).ModelInfer(ctx, req); err != nil {
		w.t.Fatal(err)
	}
}

// sureBetween answers confidences in an interval, evenly.
func sureBetween(low, high float32) func() float32 {
	rng := rand.New(rand.NewPCG(1, 2))
	return func() float32 { return low + (high-low)*rng.Float32() }
}

func wantState(t *testing.T, all map[string]*candorv1.MonitorStatus, key string, want candorv1.MonitorState) {
	t.Helper()
	if s := all[key]; s.GetState() != want || s.GetSays() == "" {
		t.Errorf("%s: %v, want %v", key, s, want)
	}
}

// monitorLog hands on what is logged about monitors.
type monitorLog struct {
	slog.Handler
	out chan slog.Record
}

func (l monitorLog) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "monitor" {
			l.out <- r
			return false
		}
		return true
	})
	return nil
}

func (l monitorLog) Enabled(context.Context, slog.Level) bool { return true }

// Confidences of one model shift: its monitors warn, and no other's do.
func TestMonitorsWarnOfAShift(t *testing.T) {
	logged := monitorLog{slog.DiscardHandler, make(chan slog.Record, 100)}
	w := startWith(t, options{deps: func(d *gateway.Deps) { d.Log = slog.New(logged) }}, watchedModel("")...)
	before := sureBetween(.91, .999)
	for _, model := range []string{"fraud", "other"} {
		w.feed(model, monitorRows, before)
		w.feed(model, monitorRows-1, before)
	}
	all := w.monitors("")
	for key, s := range all {
		if s.GetKind() != kindShare && s.GetState() != insufficient {
			t.Errorf("%s: %v", key, s)
		}
	}
	if s := all[monitorKey("fraud", "primary", kindPSI)]; s.GetReferenceRows() != monitorRows || s.GetWindowRows() != monitorRows-1 || s.GetBound() != .3 {
		t.Errorf("%v", s)
	}
	if v := w.metric(`candor_monitor_value{field="",kind="psi",model="fraud",segment="",stage="primary"}`); v != -1 {
		t.Errorf("a metric of too few rows: %v", v)
	}
	for _, model := range []string{"fraud", "other"} {
		w.feed(model, 1, before)
	}
	for _, kind := range []candorv1.MonitorKind{kindPSI, kindKS, kindLabels, kindCBPE} {
		wantState(t, w.monitors(""), monitorKey("fraud", "primary", kind), calm)
	}

	w.feed("other", monitorRows, before)
	w.feed("fraud", monitorRows, sureBetween(.9, .93))
	all = w.monitors("")
	for _, kind := range []candorv1.MonitorKind{kindPSI, kindKS, kindCBPE} {
		wantState(t, all, monitorKey("fraud", "primary", kind), warning)
		wantState(t, all, monitorKey("other", "primary", kind), calm)
	}
	for _, model := range []string{"fraud", "other"} {
		wantState(t, all, monitorKey(model, "primary", kindLabels), calm)
		wantState(t, all, monitorKey(model, "primary", kindShare), calm)
		wantState(t, all, monitorKey(model, "primary", kindBias), insufficient)
	}
	wantState(t, all, monitorKey("fraud", "both", kindPSI), insufficient)
	if s := all[monitorKey("fraud", "primary", kindKS)]; s.GetPValue() >= s.GetBound() || s.GetValue() < .5 {
		t.Errorf("%v", s)
	}
	if v := w.metric(`candor_monitor_value{field="",kind="psi",model="fraud",segment="",stage="primary"}`); v < .3 {
		t.Errorf("the metric of PSI is %v", v)
	}
	if f, o := w.metric(`candor_monitor_warning{field="",kind="ks",model="fraud",segment="",stage="primary"}`), w.metric(`candor_monitor_warning{field="",kind="ks",model="other",segment="",stage="primary"}`); f != 1 || o != 0 {
		t.Errorf("the metrics of KS are %v and %v", f, o)
	}
	told := map[string]bool{}
	for len(told) < 3 {
		select {
		case r := <-logged.out:
			r.Attrs(func(a slog.Attr) bool {
				if a.Key == "model" && a.Value.String() != "fraud" {
					t.Errorf("a line about %v", a.Value)
				}
				if a.Key == "monitor" {
					if told[a.Value.String()] || r.Level != slog.LevelWarn {
						t.Errorf("%v of %v twice, or not as a warning", r.Level, a.Value)
					}
					told[a.Value.String()] = true
				}
				return true
			})
		case <-time.After(20 * time.Second):
			t.Fatalf("only told of %v", told)
		}
	}

	// Nothing of it changes a route.
	if a := w.infer(as(clientToken), request([][4]float32{sureRow}, "candor_route")); a.err != nil || a.param("candor_route") != "ACCEPT" {
		t.Errorf("%v %v", a.resp, a.err)
	}
	// A restart begins a new reference.
	w.restart()
	wantState(t, w.monitors("fraud"), monitorKey("fraud", "primary", kindPSI), insufficient)
}

// A primary that is hidden behind its fallback shows in the share of answers, and the ensemble's answers are watched too.
func TestMonitorsFallbackShare(t *testing.T) {
	w := start(t, watchedModel(", max_fallback_share: 0.6")...)
	unsure := sureBetween(.55, .85)
	w.feed("fraud", monitorRows/2, sureBetween(.91, .999))
	w.feed("fraud", monitorRows/2, unsure)
	wantState(t, w.monitors("fraud"), monitorKey("fraud", "primary", kindShare), calm)
	w.feed("fraud", monitorRows, unsure)
	all := w.monitors("fraud")
	wantState(t, all, monitorKey("fraud", "primary", kindShare), warning)
	if s := all[monitorKey("fraud", "primary", kindShare)]; s.GetValue() != 1 || s.GetBound() != .6 || s.PValue != nil {
		t.Errorf("%v", s)
	}
	if s := all[monitorKey("fraud", "both", kindPSI)]; s.GetReferenceRows() != monitorRows || s.GetWindowRows() != monitorRows/2 {
		t.Errorf("the ensemble's rows: %v", s)
	}
	// A model server that is away: rows without a confidence are counted, and compared with nothing.
	w.primary.FailWith(status.Error(codes.Internal, "boom"))
	w.feed("fraud", 3, unsure)
	if s := w.monitors("fraud")[monitorKey("fraud", "primary", kindPSI)]; s.GetReferenceRows() != monitorRows || s.GetWindowRows() != monitorRows {
		t.Errorf("%v", s)
	}
}

// Verdicts score the primary and the ensemble: both said about one in two, and nobody was right.
func TestMonitorsPredictionBias(t *testing.T) {
	const verdicts = 50
	w := start(t, append(watchedModel(""), "min_rows: 100", fmt.Sprintf("min_rows: %d", verdicts), "psi: 0.3", "psi: 0.4")...)
	for i := range verdicts {
		// The primary, and a and b behind it, say bad at 0.6 and 0.7.
		item, _ := w.deferOne(row(.6, .7, .55))
		if i == verdicts-1 {
			wantState(t, w.monitors("fraud"), monitorKey("fraud", "primary", kindBias), insufficient)
		}
		held := w.claim(reviewerToken, item)
		req := &candorv1.ResolveReviewItemRequest{Name: held.GetName(), Epoch: held.GetEpoch(), Verdict: label("good"), RequestId: "r" + held.GetName()}
		// A retry is no second verdict.
		for range 2 {
			if _, err := w.reviews().ResolveReviewItem(as(reviewerToken), req); err != nil {
				t.Fatal(err)
			}
		}
	}
	all := w.monitors("fraud")
	for stage, claimed := range map[string]float64{"primary": .6, "both": .7} {
		s := all[monitorKey("fraud", stage, kindBias)]
		wantState(t, all, monitorKey("fraud", stage, kindBias), warning)
		if s.GetWindowRows() != verdicts || s.GetValue() < claimed-.01 || s.GetValue() > claimed+.01 {
			t.Errorf("%v, want a bias of %v", s, claimed)
		}
	}
}

func TestMonitorsOff(t *testing.T) {
	w := start(t, watchedModel(", off: true")...)
	w.feed("fraud", monitorRows, sureBetween(.91, .99))
	if all := w.monitors(""); len(all) > 0 {
		t.Errorf("%v", all)
	}
}

func TestListMonitorsRefuses(t *testing.T) {
	w := start(t)
	explain := candorv1.NewExplainServiceClient(w.conn)
	_, err := explain.ListMonitors(as(clientToken), &candorv1.ListMonitorsRequest{})
	wantError(t, err, codes.PermissionDenied, "PERMISSION_DENIED")
	_, err = explain.ListMonitors(as(operatorToken), &candorv1.ListMonitorsRequest{Model: "fruad"})
	wantError(t, err, codes.NotFound, "MODEL_NOT_FOUND")
}
