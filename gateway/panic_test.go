package gateway

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/candor-gateway/candor/calibration/certificate"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/people"
	"github.com/candor-gateway/candor/review"
	"github.com/candor-gateway/candor/router"
)

// metricOf answers a metric without labels of a registry, which is collected for it; -1: there is none.
func metricOf(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue() + f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	return -1
}

// quiet is a gateway for work beside the calls, and its registry.
func quiet() (*Gateway, *prometheus.Registry) {
	reg := prometheus.NewRegistry()
	return &Gateway{log: slog.New(slog.DiscardHandler), metrics: newMetrics(reg)}, reg
}

// brokenReviews panic when they are listed for the first time.
type brokenReviews struct {
	review.Store
	asked atomic.Int64
}

func (r *brokenReviews) List(context.Context, review.Filter) (review.Page, error) {
	if r.asked.Add(1) == 1 {
		panic("a defect of the list")
	}
	return review.Page{}, nil
}

// Items of a replaced model are looked for again after a defect, without waiting for another configuration.
func TestPanicInReplacing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, reg := quiet()
		reviews := new(brokenReviews)
		g.reviews = reviews
		pl := &plan{replaced: make(chan struct{}), models: map[string]*model{}, modelNames: []string{"m"}}
		pl.models["m"] = &model{name: "m", plan: pl, review: &candorv1.ReviewPolicy{}}
		pl.holders.Store(1)
		g.current.Store(pl)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); g.replaceItems(ctx) }()
		time.Sleep(replacedEvery + time.Second)
		cancel()
		<-ended
		// The second look is one at those that wait, and one at those that somebody has.
		if reviews.asked.Load() != 3 || metricOf(t, reg, "candor_panics_total") != 1 || pl.holders.Load() != 1 {
			t.Errorf("%d lists, %v panics, %d holders", reviews.asked.Load(), metricOf(t, reg, "candor_panics_total"), pl.holders.Load())
		}
	})
}

// onlyNow is a ledger that knows the time.
type onlyNow struct{ Ledger }

func (onlyNow) Now() time.Time { return time.Now() }

// storedCertificates is the interface under a name that is not its method's.
type storedCertificates = Certificates

// brokenCertificates panic when they are read while they are broken.
type brokenCertificates struct {
	storedCertificates
	states []*candorv1.CertificateState
	broken atomic.Bool
}

func (c *brokenCertificates) CertificatesChanged() <-chan struct{} { return nil }

func (c *brokenCertificates) Certificates(context.Context, string, bool) ([]*candorv1.CertificateState, error) {
	if c.broken.Load() {
		panic("a defect of the certificates")
	}
	return c.states, nil
}

// A defect in reading the certificates is no reason to go on by them: after a while nothing is licensed, as where they can't be read.
func TestPanicInPromises(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _ := quiet()
		key := viewKey("2", 0)
		certificates := &brokenCertificates{states: []*candorv1.CertificateState{stateOf(t, key, 1, 2)}}
		g.ledger, g.certificates = onlyNow{}, certificates
		g.coins.Store(new(coins))
		p := &promise{cfg: &candorv1.Promise{}, reviewed: true, staleAfter: staleTime, budget: &auditBudget{}}
		p.budget.set(&candorv1.AuditSampling{Budget: &candorv1.AuditSampling_Rate{Rate: viewRate}})
		m := &model{policy: router.Policy{Mode: enforce, HasReview: true}, promise: p}
		m.fields = []field{{policy: m.policy}}
		p.places = []place{{slots: []*slot{{key: key, digest: certificate.Digest(key)}}}}
		g.current.Store(&plan{promises: true, models: map[string]*model{"m": m}})
		licensed := func() router.License { return (*p.views.Load())[0].policy.Primary }
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); g.keepPromises(ctx) }()
		synctest.Wait()
		if l := licensed(); l.Threshold == nil {
			t.Fatalf("nothing is licensed at first: %+v", l)
		}
		certificates.broken.Store(true)
		time.Sleep(blindAfter - time.Second)
		if l := licensed(); l.Threshold == nil {
			t.Errorf("%+v before it is over", l)
		}
		time.Sleep(3 * time.Second)
		if l := licensed(); l.Threshold != nil || l.Missing != unavailable {
			t.Errorf("%+v is licensed by what can't be read", l)
		}
		certificates.broken.Store(false)
		time.Sleep(2 * lookEvery)
		if l := licensed(); l.Threshold == nil {
			t.Errorf("%+v when they can be read again", l)
		}
		cancel()
		<-ended
	})
}

// brokenMetric panics when it is collected.
type brokenMetric struct{ desc *prometheus.Desc }

func (c brokenMetric) Describe(ch chan<- *prometheus.Desc) { ch <- c.desc }

func (c brokenMetric) Collect(chan<- prometheus.Metric) { panic("a defect of a metric") }

// Whoever scrapes gets the other metrics.
func TestPanicInAMetric(t *testing.T) {
	g, reg := quiet()
	g.metrics.guard = g.guard()
	g.metrics.collects(brokenMetric{prometheus.NewDesc("candor_broken", "It is.", nil, nil)})
	if n := metricOf(t, reg, "candor_reset_waits_total"); n != 0 {
		t.Errorf("another metric is %v", n)
	}
	if n := metricOf(t, reg, "candor_panics_total"); n < 1 {
		t.Errorf("%v panics counted", n)
	}
}

// fragile panics when somebody is asked for, and then knows nobody.
type fragile struct{ asked atomic.Int64 }

func (f *fragile) Authenticate(context.Context, string) (people.Person, error) {
	if f.asked.Add(1) == 1 {
		panic("a defect of people")
	}
	return people.Person{}, people.ErrNotFound
}

// A defect in asking again who a caller is leaves the stream as a store that can't be asked does, until it is asked the next time.
func TestPanicWhileKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, reg := quiet()
		g.current.Store(&plan{principals: newPrincipals(&candorv1.Config{}, new(fragile), nil), replaced: make(chan struct{})})
		began := time.Now()
		ctx, why, stop := g.whileKnown(bearer(t.Context(), "x"), g.plan(), &Principal{Name: "ann", method: "token"})
		defer stop()
		<-ctx.Done()
		var e *Error
		if time.Since(began) != 2*recheckEvery || !errors.As(context.Cause(ctx), &e) || why() == nil || metricOf(t, reg, "candor_panics_total") != 1 {
			t.Errorf("ended after %v, %v", time.Since(began), why())
		}
	})
}
