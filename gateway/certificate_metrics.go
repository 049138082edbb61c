package gateway

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/candor-gateway/candor/calibration/certificate"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// certificateMetrics show the certificates in force as they were last looked at.
type certificateMetrics struct {
	states atomic.Pointer[[]*candorv1.CertificateState]
	looked prometheus.Gauge
	// evidenceLost: chosen rows that could not be evidence.
	evidenceLost                               *prometheus.CounterVec
	threshold, wealth, alarm, open, audits, ok *prometheus.Desc
}

func newCertificateMetrics() *certificateMetrics {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, []string{"model", "stage", "field", "segment"}, nil)
	}
	return &certificateMetrics{
		looked:       prometheus.NewGauge(prometheus.GaugeOpts{Name: "candor_certificates_looked_at_timestamp_seconds", Help: "When the certificates were last read."}),
		evidenceLost: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "candor_evidence_lost_total", Help: "Rows chosen to be judged that can't be evidence, because something kept them from the human who was sure to judge them."}, []string{"model"}),
		threshold:    desc("candor_certificate_threshold", "Lowest confidence that is licensed; absent while none is."),
		ok:           desc("candor_certificate_certified", "1 while the certificate licenses a threshold."),
		wealth:       desc("candor_certificate_wealth_ratio", "Wealth of the next threshold to be certified, divided by what it needs."),
		alarm:        desc("candor_certificate_alarm_ratio", "The drift alarm, divided by where it revokes."),
		open:         desc("candor_certificate_open_units", "Units of evidence that wait for verdicts."),
		audits:       desc("candor_certificate_audits", "Judged accepts, of this version of the certificate."),
	}
}

func (m *certificateMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.threshold, m.ok, m.wealth, m.alarm, m.open, m.audits} {
		ch <- d
	}
}

func (m *certificateMetrics) Collect(ch chan<- prometheus.Metric) {
	states := m.states.Load()
	if states == nil {
		return
	}
	for _, s := range *states {
		k := s.GetKey()
		send := func(d *prometheus.Desc, v float64) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, k.GetModel(), k.GetStage()+"@"+k.GetStageVersion(), k.GetField(), k.GetSegment())
		}
		certified := 0.0
		if tau, ok := certificate.Threshold(s); ok {
			certified = 1
			send(m.threshold, tau)
		}
		send(m.ok, certified)
		if next := int(s.GetCertified()); next < len(s.GetGrid()) {
			send(m.wealth, certificate.Wealth(s, next)*s.GetDelta())
		}
		send(m.alarm, certificate.Alarm(s)/k.GetAlarmRunLength())
		send(m.open, float64(s.GetNextNumber()-s.GetNextConsumed()))
		send(m.audits, float64(s.GetAudits()))
	}
}

// watchCertificates notes what there is; states of one place that differ in their key only would collide, so that each place shows
// its newest.
func (m *certificateMetrics) watchCertificates(states []*candorv1.CertificateState, now time.Time) {
	type shownAt struct{ model, stage, version, field, segment string }
	newest := map[shownAt]*candorv1.CertificateState{}
	for _, s := range states {
		k := s.GetKey()
		p := shownAt{k.GetModel(), k.GetStage(), k.GetStageVersion(), k.GetField(), k.GetSegment()}
		if have := newest[p]; have == nil || s.GetOpenedUs() > have.GetOpenedUs() {
			newest[p] = s
		}
	}
	shown := make([]*candorv1.CertificateState, 0, len(newest))
	for _, s := range newest {
		shown = append(shown, s)
	}
	m.states.Store(&shown)
	m.looked.Set(float64(now.UnixMicro()) / million)
}
