package explain

import (
	"fmt"
	"strings"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Promise is what a policy that promises an error rate has to do with a row. The record keeps the certificate's id and the coin's
// probability; the rest is the certificate as it stands when the story is told.
type Promise struct {
	// Segment of the policy's; empty: the rest, or all.
	Segment string `json:"segment,omitempty"`
	// Certificate of the stage that was decided on last, without "certificates/"; empty: its threshold was typed by hand.
	Certificate string `json:"certificate,omitempty"`
	// SamplingProbability in [0,1] with which the row was chosen to be judged.
	SamplingProbability float64 `json:"sampling_probability"`
	// Audited: the coin did choose it, although nobody waited. Never set for those who may not know.
	Audited bool     `json:"audited,omitempty"`
	Now     *License `json:"now,omitempty"`
}

// License is a certificate in short.
type License struct {
	Status string `json:"status"`
	// Threshold that it licenses; absent: none.
	Threshold *float64 `json:"threshold,omitempty"`
	// Alpha is the promised error rate of accepted rows, Delta the probability with which this version may fail.
	Alpha float64 `json:"alpha"`
	Delta float64 `json:"delta"`
	// Labels and Errors are verdicts on rows at or above the threshold, or above the first that is to be earned.
	Labels  uint64  `json:"labels"`
	Errors  uint64  `json:"errors"`
	Audits  uint64  `json:"audits"`
	Wrong   uint64  `json:"audit_errors"`
	EndedBy string  `json:"ended_by,omitempty"`
	Reason  string  `json:"ended_reason,omitempty"`
	Wealth  float64 `json:"wealth"`
}

// promiseOf is nil where the policy promises nothing.
func promiseOf(s *source, rr *candorv1.RowRecord) *Promise {
	if rr.GetCertificate() == "" && rr.GetSamplingPpm() == 0 {
		return nil
	}
	return &Promise{
		Segment: rr.GetSegment(), Certificate: rr.GetCertificate(), SamplingProbability: float64(rr.GetSamplingPpm()) / million,
		Audited: rr.GetAudited(), Now: licenseOf(s.certificates[rr.GetCertificate()]),
	}
}

func licenseOf(c *candorv1.Certificate) *License {
	if c == nil {
		return nil
	}
	l := &License{
		Status: cli.Enum(c.GetStatus()), Threshold: c.Threshold, Alpha: c.GetKey().GetAlpha(), Delta: c.GetDelta(),
		Audits: c.GetAudits(), Wrong: c.GetAuditErrors(), EndedBy: c.GetEndedBy(), Reason: c.GetEndedReason(),
	}
	for i, level := range c.GetLevels() {
		if i == 0 || level.GetCertified() {
			l.Labels, l.Errors, l.Wealth = level.GetLabels(), level.GetErrors(), level.GetWealth()
		}
	}
	return l
}

// certificatesOf are the ids of the certificates that a record names.
func certificatesOf(r *candorv1.PredictionRecord) map[string]bool {
	ids := map[string]bool{}
	for _, row := range r.GetRows() {
		if id := row.GetCertificate(); id != "" {
			ids[id] = true
		}
	}
	return ids
}

// promise tells the row's part in the error promise.
func (p *printer) promise(r *Row) {
	pr := r.Promise
	p.line("\npromise")
	p.field("segment", cli.Plain(pr.Segment))
	p.field("license", pr.license())
	if now := pr.Now; now != nil {
		p.field("now", now.String())
		if now.Audits > 0 {
			p.field("audits", fmt.Sprintf("%d of accepted rows, %d wrong", now.Audits, now.Wrong))
		}
	}
	coin := "none was tossed: the row is no evidence"
	if pr.SamplingProbability > 0 {
		coin = "to be judged with probability " + cli.Number(pr.SamplingProbability)
	}
	if pr.Audited {
		coin += ", and chosen"
	}
	p.field("coin", coin)
}

func (pr *Promise) license() string {
	if pr.Certificate == "" {
		return "none: the threshold was typed by hand"
	}
	return "certificate " + cli.Plain(pr.Certificate)
}

func (l *License) String() string {
	out := fmt.Sprintf("%s, at most %s wrong, but for a chance of %s", strings.ToLower(l.Status), cli.Number(l.Alpha), cli.Number(l.Delta))
	if l.Threshold != nil {
		out += "; accepts from " + cli.Number(*l.Threshold)
	} else {
		out += "; accepts nothing"
	}
	if l.Labels > 0 {
		out += fmt.Sprintf("; %s, %d wrong", cli.Count(int(l.Labels), "verdict"), l.Errors)
	}
	if l.EndedBy != "" {
		out += fmt.Sprintf("; ended by %s: %s", cli.Plain(l.EndedBy), cli.Plain(l.Reason))
	}
	return out
}
