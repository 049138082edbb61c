package web

import (
	"fmt"
	"math"
	"net/http"
	"strconv"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// certificateRow is a certificate as its card shows it.
type certificateRow struct {
	*candorv1.Certificate
	ID string
	// Class of its status: good, warn, bad or quiet.
	Class  string
	Wealth wealth
	// AlarmShare of the way to the alarm, on a logarithmic scale, which is the one that it moves on evenly.
	AlarmShare float64
}

// wealth is the picture of the evidence at each level of a grid, on a logarithmic scale: a bar that reaches the line certifies.
type wealth struct {
	ID     string
	Bars   []box
	Labels []label
	// Need is the wealth that certifies, 1/delta; NeedY and OneY are where the lines of it and of wealth 1 are.
	Need        float64
	NeedY, OneY float64
	Width       int
}

type certificatesPage struct {
	Tabs         []opsTab
	Certificates []certificateRow
	Ended        bool
	// More: there are more than are shown.
	More bool
}

// certificatesShown are far more than one gateway's models have in force.
const certificatesShown = 100

func (s *Server) certificates(w http.ResponseWriter, r *http.Request, v *visit) error {
	ctx, cancel := s.call(r, v)
	defer cancel()
	const path = "/ops/certificates"
	p := certificatesPage{Tabs: tabsOf(path), Ended: r.URL.Query().Get("ended") == "on"}
	resp, err := s.ops.certificates.ListCertificates(ctx, &candorv1.ListCertificatesRequest{
		Model: r.URL.Query().Get("model"), IncludeEnded: p.Ended, PageSize: certificatesShown,
	})
	if err != nil {
		return err
	}
	p.More = resp.GetNextPageToken() != ""
	for i, c := range resp.GetCertificates() {
		p.Certificates = append(p.Certificates, certificateRow{
			Certificate: c, ID: "c" + strconv.Itoa(i), Class: certificateClass(c.GetStatus()), Wealth: wealthOf(c, i),
			AlarmShare: alarmShare(c.GetAlarm(), c.GetKey().GetAlarmRunLength()),
		})
	}
	return s.render(w, r, v, view{Template: "ops-certificates", Title: "Certificates", Section: opsSection, Data: p})
}

func certificateClass(s candorv1.CertificateStatus) string {
	switch s {
	case candorv1.CertificateStatus_CERTIFICATE_STATUS_CERTIFIED:
		return "good"
	case candorv1.CertificateStatus_CERTIFICATE_STATUS_STALE:
		return "warn"
	case candorv1.CertificateStatus_CERTIFICATE_STATUS_REVOKED:
		return "bad"
	}
	return "quiet"
}

// alarmShare is in [0,1]; 0 where there is no alarm.
func alarmShare(alarm, bound float64) float64 {
	if !(alarm > 0) || !(bound > 0) {
		return 0
	}
	return min(math.Log1p(alarm)/math.Log1p(bound), 1)
}

const (
	levelWidth = 28
	// wealthWidth at least: texts of a narrower picture would be scaled up with it.
	wealthWidth  = 560
	wealthHeight = 120
)

func wealthOf(c *candorv1.Certificate, n int) wealth {
	levels := c.GetLevels()
	p := wealth{ID: "wealth-" + strconv.Itoa(n), Width: max(levelWidth*len(levels), wealthWidth)}
	if !(c.GetDelta() > 0) || len(levels) == 0 {
		return p
	}
	p.Need = 1 / c.GetDelta()
	// The picture goes as far below 1 as above the line: what falls lower is lost evidence all the same.
	need := math.Log(max(p.Need, math.Nextafter(1, 2)))
	top, bottom := need, -need
	logs := make([]float64, len(levels))
	for i, l := range levels {
		x := math.Log(l.GetWealth())
		if math.IsNaN(x) {
			x = bottom
		}
		const far = 3 // times the line: what is higher is certain enough
		logs[i] = min(max(x, bottom), far*need)
		top = max(top, logs[i])
	}
	y := func(x float64) float64 { return wealthHeight * (top - x) / (top - bottom) }
	p.NeedY, p.OneY = y(need), y(0)
	const every = 4
	for i, l := range levels {
		class := "earning"
		switch {
		case l.GetCertified():
			class = "certified"
		case logs[i] < 0:
			class = "lost"
		}
		above, below := y(max(logs[i], 0)), y(min(logs[i], 0))
		p.Bars = append(p.Bars, box{
			X: float64(i*levelWidth) + 2, Y: above, W: levelWidth - 4, H: max(below-above, 1), Class: class,
			Title: fmt.Sprintf("from %s: wealth %s of %s, %d judged, %d wrong", number(l.GetThreshold()), number(l.GetWealth()), number(p.Need), l.GetLabels(), l.GetErrors()),
		})
		if i%every == 0 {
			p.Labels = append(p.Labels, label{X: float64(i*levelWidth) + 2, Y: wealthHeight + 16, Text: strconv.FormatFloat(l.GetThreshold(), 'f', 3, 64)})
		}
	}
	return p
}
