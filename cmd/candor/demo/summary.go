package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// summary is what happened, in the form of the JSON on standard output. Its fields are a promise to scripts: the command's
// help defines them.
type summary struct {
	Rows     int             `json:"rows"`
	Routes   routesSummary   `json:"routes"`
	Accuracy accuracySummary `json:"accuracy"`
	Promise  promiseSummary  `json:"promise"`
	Review   reviewSummary   `json:"review"`
	Breaker  breakerSummary  `json:"breaker"`
	Limit    limitSummary    `json:"limit"`
	Seconds  float64         `json:"seconds"`
}

type routesSummary struct {
	Accept   int `json:"accept"`
	Fallback int `json:"fallback"`
	Defer    int `json:"defer"`
	Reject   int `json:"reject"`
}

type accuracySummary struct {
	Accepted     float64 `json:"accepted"`
	All          float64 `json:"all"`
	PrimaryAlone float64 `json:"primary_alone"`
}

type reviewSummary struct {
	Deferred int   `json:"deferred"`
	Verdicts int64 `json:"verdicts"`
	InQueue  int64 `json:"in_queue"`
}

type breakerSummary struct {
	Opened int64 `json:"opened"`
	Closed int64 `json:"closed"`
}

type limitSummary struct {
	Tripped int  `json:"tripped"`
	Latched bool `json:"latched"`
}

// summarize puts together what the consumer counted and what the gateway says about itself.
func summarize(f figures, st state, c certified, verdicts int64, limit string, began time.Time, took time.Duration) summary {
	s := summary{
		Rows: f.rows,
		Routes: routesSummary{
			Accept: f.routes[candorv1.Route_ROUTE_ACCEPT], Fallback: f.routes[candorv1.Route_ROUTE_FALLBACK],
			Defer: f.routes[candorv1.Route_ROUTE_DEFER], Reject: f.routes[candorv1.Route_ROUTE_REJECT],
		},
		Accuracy: accuracySummary{Accepted: round(f.accepted.ratio(), 4), All: round(f.all.ratio(), 4), PrimaryAlone: round(f.alone.ratio(), 4)},
		Promise:  c.summary(),
		Review:   reviewSummary{Deferred: f.routes[candorv1.Route_ROUTE_DEFER], Verdicts: verdicts, InQueue: st.waiting},
		Limit:    limitSummary{Latched: st.limit(limit).GetTripped()},
		Seconds:  round(took.Seconds(), 1),
	}
	s.Breaker.Opened, s.Breaker.Closed = st.breakers()
	for _, l := range st.limits {
		if l.GetTripped() && !l.GetTripTime().AsTime().Before(began) {
			s.Limit.Tripped++
		}
	}
	return s
}

// round keeps so many decimals: more would only look exact.
func round(v float64, decimals int) float64 {
	scale := math.Pow10(decimals)
	return math.Round(v*scale) / scale
}

// checkSummary adds what the end shows of the promises.
func (s *stage) checkSummary(f figures, sum summary) {
	p := &s.broken
	p.check(f.failed == 0, "%d calls brought no answer within %v; the last: %s", f.failed, s.patience.call, f.lastFailure)
	p.check(f.accepted.ratio() >= f.alone.ratio(), "the released answers are right less often (%s) than the primary alone (%s)",
		percent(f.accepted), percent(f.alone))
	p.check(sum.Review.Deferred > 0, "no digit was deferred to a human")
	p.check(sum.Review.InQueue+sum.Review.Verdicts >= int64(sum.Review.Deferred), "%d digits were deferred, and only %d were judged or are in the queue",
		sum.Review.Deferred, sum.Review.InQueue+sum.Review.Verdicts)
	p.check(sum.Review.InQueue > 0, "no digit is left in the queue for a person")
	p.check(sum.Breaker.Opened > 0 && sum.Breaker.Closed > 0, "breakers opened %d and closed %d times", sum.Breaker.Opened, sum.Breaker.Closed)
	p.check(sum.Limit.Tripped > 0 || s.latchedBefore, "no action limit tripped")
	p.check(sum.Limit.Latched, "the tripped limit did not stay latched")
}

func (s summary) writeJSON(w io.Writer) error { return json.NewEncoder(w).Encode(s) }

// writeText is the same for people.
func (s summary) writeText(w io.Writer) error {
	pr := s.Promise
	_, err := fmt.Fprintf(w, `
%d rows in %.1f s: %d accepted, %d answered by the fallback, %d deferred to a human, %d rejected.
Right: %.1f %% of the answers that left without a human, %.1f %% of the machine's best answers to every row,
       %.1f %% of what the primary alone says.
Promised: at most %.3g %% of what is accepted is wrong, but for a probability of %.3g %%. Measured: %.1f %% (%d of %d accepted rows).
Certified %s; by now, on %d verdicts, all of them simulated, confidence %s or more is accepted.
Breakers: %d opened, %d closed again. Limits: %d tripped. Review queue: %d digits wait for a human.
`, s.Rows, s.Seconds, s.Routes.Accept, s.Routes.Fallback, s.Routes.Defer, s.Routes.Reject,
		100*s.Accuracy.Accepted, 100*s.Accuracy.All, 100*s.Accuracy.PrimaryAlone,
		100*pr.Alpha, 100*pr.Delta, 100*pr.MeasuredError, pr.AcceptedErrors, pr.Accepted, pr.earned(), pr.Verdicts, cli.Number(pr.Threshold),
		s.Breaker.Opened, s.Breaker.Closed, s.Limit.Tripped, s.Review.InQueue)
	return err
}

func (p promises) Error() string {
	return "what the demo promised did not happen: " + strings.Join(p, "; ")
}
