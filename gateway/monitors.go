package gateway

import (
	"context"
	"log/slog"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/candor-gateway/candor/audit"
	"github.com/candor-gateway/candor/calibration/monitor"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
	"github.com/candor-gateway/candor/router"
)

// monitors are what is watched and only warned of. They are told of rows and verdicts after the fact, and nothing asks them on
// the way of an answer.
type monitors struct {
	set *monitor.Set
	// full wakes the one who tells of warnings.
	full chan struct{}
}

// watchedModel has the stages of a model that are watched: the primary, once for each field, and the tiers; none where monitors are off.
type watchedModel struct{ primary, tiers []watched }

// watched is a stage whose answers to a field are watched.
type watched struct {
	stage, version string
	field          string
	labels         []string
	method         candorv1.ConfidenceMethod
	stream         *monitor.Stream
}

func newMonitors() *monitors { return &monitors{set: monitor.New(), full: make(chan struct{}, 1)} }

// watch finds the streams of every stage that is watched: those of the plan before, where the stage and what warns of it are the same.
func (pl *plan) watch(before *plan) {
	for name, m := range pl.models {
		spec := m.cfg.GetPolicy().GetMonitors()
		if spec.GetOff() {
			continue
		}
		o := monitor.Options{
			MinRows: uint64(spec.GetMinRows()), PSI: spec.GetPsi(), FalseAlerts: spec.GetFalseAlerts(), MaxFallbackShare: spec.GetMaxFallbackShare(),
		}
		watch := func(stage, version string, f *field, primary bool) watched {
			w := watched{stage: stage, version: version, field: f.Name, labels: f.Labels, method: f.policy.Method}
			of := monitor.Spec{Model: name, Stage: stage, Version: version, Field: f.Name, Labels: f.Labels, Scored: f.Output != "", Primary: primary}
			if w.stream = before.streamOf(of, o); w.stream == nil {
				w.stream = monitor.NewStream(of, o)
			}
			return w
		}
		for k := range m.fields {
			m.watched.primary = append(m.watched.primary, watch(m.primary.Name(), m.backendCfg.GetVersion(), &m.fields[k], true))
		}
		for _, tier := range m.tiers {
			// A cascade may ask one ensemble twice.
			if !slices.ContainsFunc(m.watched.all(), func(w watched) bool { return w.stage == tier.Name }) {
				m.watched.tiers = append(m.watched.tiers, watch(tier.Name, pl.cfg.GetEnsembles()[tier.Name].GetVersion(), &m.fields[0], false))
			}
		}
		if m.alone != nil {
			m.alone.watched = m.watched
		}
	}
}

func (w watchedModel) all() []watched { return slices.Concat(w.primary, w.tiers) }

// streams are all that the plan's models feed.
func (pl *plan) streams() []*monitor.Stream {
	var out []*monitor.Stream
	for _, m := range pl.models {
		for _, w := range m.watched.all() {
			out = append(out, w.stream)
		}
	}
	return out
}

// streamOf finds a stream of a stage; nil: there is none like that.
func (pl *plan) streamOf(spec monitor.Spec, o monitor.Options) *monitor.Stream {
	if pl == nil {
		return nil
	}
	for _, st := range pl.streams() {
		if st.Watches(spec, o) {
			return st
		}
	}
	return nil
}

// rows tells of the rows of a call that has ended.
func (m *monitors) rows(c *call) {
	stages := c.model.watched
	if len(stages.primary) == 0 || c.record == nil {
		return
	}
	full := false
	for i := range c.rows {
		r := &c.rows[i]
		first := rowOf(r.evidence)
		if r.released && r.answeredBy >= 0 {
			first.From = monitor.Other
			if r.answeredBy == 0 {
				first.From = monitor.Primary
			}
		}
		full = stages.primary[r.field].stream.Row(r.segment, first) || full
		if len(r.stageEvidence) < 2 {
			continue
		}
		for j := range r.stageEvidence {
			se := &r.stageEvidence[j]
			if c.stages[se.stage].Kind != candorv1.StepKind_STEP_KIND_ENSEMBLE {
				continue
			}
			for _, w := range stages.tiers {
				if w.stage == c.stages[se.stage].Name {
					full = w.stream.Row(r.segment, rowOf(se.evidence)) || full
				}
			}
		}
	}
	m.wake(full)
}

func (m *monitors) wake(full bool) {
	if full {
		select {
		case m.full <- struct{}{}:
		default:
		}
	}
}

func rowOf(ev *router.Evidence) monitor.Row {
	out := monitor.Row{Confidence: math.NaN(), Label: ev.Top, Right: math.NaN()}
	if len(ev.Faults) > 0 {
		return out
	}
	if ev.Confidence != nil {
		out.Confidence = *ev.Confidence
	}
	switch {
	case claims(ev.Method):
		out.Right = out.Confidence
	case ev.Top >= 0 && ev.Top < len(ev.Probs):
		out.Right = ev.Probs[ev.Top]
	}
	return out
}

// claims says that a confidence of this method is a probability of being right. Others are beside the class probabilities.
func claims(method candorv1.ConfidenceMethod) bool {
	return method == candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MAX_PROB || method == candorv1.ConfidenceMethod_CONFIDENCE_METHOD_META
}

// verdict tells of the verdict that an item has got; segment is its row's. One verdict scores every stage that answered. A value has no
// right or wrong of its own, and an answer of another version than the one served is no evidence about it.
func (m *monitors) verdict(stages watchedModel, item *review.Item, segment string) {
	label, ok := item.Verdict.GetAnswer().(*candorv1.Verdict_Label)
	if !ok {
		return
	}
	full := false
	for _, a := range item.Answers {
		for _, w := range stages.all() {
			if w.stage != a.GetStage() || w.version != a.GetVersion() || w.field != item.Field || len(w.labels) == 0 {
				continue
			}
			full = w.stream.Verdict(segment, monitor.Verdict{
				Right: claimed(a, w.method), Correct: a.GetLabel() == label.Label, Probability: item.SamplingProbability,
			}) || full
			break
		}
	}
	m.wake(full)
}

// claimed is the probability that an answer gave itself to be right; NaN: none.
func claimed(a *candorv1.StageAnswer, method candorv1.ConfidenceMethod) float64 {
	switch {
	case claims(method) && a.Confidence != nil:
		return a.GetConfidence()
	case !claims(method) && len(a.GetProbabilities()) > 0:
		return slices.Max(a.GetProbabilities())
	}
	return math.NaN()
}

// segmentOf is the segment of an item's row; "": the rest. The record has it; where a policy has no segments it isn't asked.
func (g *Gateway) segmentOf(ctx context.Context, item *review.Item) string {
	m := g.plan().models[item.Model]
	if m == nil || len(m.cfg.GetPolicy().GetAccept().GetPromise().GetSegments()) == 0 {
		return ""
	}
	stored, err := g.ledger.Find(ctx, item.PredictionID)
	if err != nil {
		return ""
	}
	at := audit.Find(stored.Record.GetPrediction(), item.Row, item.Field)
	if at < 0 {
		return ""
	}
	return stored.Record.GetPrediction().GetRows()[at].GetSegment()
}

// tellEvery is how late a warning may be told when its wake-up was lost.
const tellEvery = time.Minute

// tellMonitors writes one line for every monitor that has begun to warn, and one for every that has ended. told is what it has
// told, and belongs to it.
func (g *Gateway) tellMonitors(ctx context.Context, told map[string]bool) {
	for _, s := range g.monitors.set.Status("") {
		key := strings.Join([]string{s.GetModel(), s.GetStage(), s.GetField(), s.GetSegment(), s.GetKind().String()}, "\x00")
		warns := s.GetState() == candorv1.MonitorState_MONITOR_STATE_WARNING
		if warns == told[key] {
			continue
		}
		told[key] = warns
		level, what := slog.LevelWarn, "a monitor warns"
		if !warns {
			level, what = slog.LevelInfo, "a monitor no longer warns"
		}
		g.log.Log(ctx, level, what, slog.String("monitor", monitorName(s.GetKind())), slog.String("model", s.GetModel()), slog.String("stage", s.GetStage()),
			slog.String("field", s.GetField()), slog.String("segment", s.GetSegment()), slog.Float64("value", s.GetValue()), slog.Float64("bound", s.GetBound()), slog.String("says", s.GetSays()))
	}
}

func monitorName(k candorv1.MonitorKind) string { return strings.ToLower(short(k.String())) }

func (m *metrics) watchMonitors(set *monitor.Set) {
	labels := []string{"model", "stage", "field", "segment", "kind"}
	m.collects(&monitorCollector{
		set:     set,
		value:   prometheus.NewDesc("candor_monitor_value", "What a monitor's last full window says; its meaning is the kind's. Absent: too little data.", labels, nil),
		warning: prometheus.NewDesc("candor_monitor_warning", "1 while a monitor warns.", labels, nil),
	})
}

// monitorCollector reads the monitors when it is scraped.
type monitorCollector struct {
	set            *monitor.Set
	value, warning *prometheus.Desc
}

func (c *monitorCollector) Describe(ch chan<- *prometheus.Desc) { ch <- c.value; ch <- c.warning }

func (c *monitorCollector) Collect(ch chan<- prometheus.Metric) {
	for _, s := range c.set.Status("") {
		labels := []string{s.GetModel(), s.GetStage(), s.GetField(), s.GetSegment(), monitorName(s.GetKind())}
		warns := 0.0
		switch s.GetState() {
		case candorv1.MonitorState_MONITOR_STATE_INSUFFICIENT_DATA:
			continue
		case candorv1.MonitorState_MONITOR_STATE_WARNING:
			warns = 1
		}
		ch <- prometheus.MustNewConstMetric(c.value, prometheus.GaugeValue, s.GetValue(), labels...)
		ch <- prometheus.MustNewConstMetric(c.warning, prometheus.GaugeValue, warns, labels...)
	}
}
