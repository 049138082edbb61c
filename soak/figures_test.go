package soak

import (
	"flag"
	"fmt"
	"html/template"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/candor-gateway/candor/store/postgres/pgtest"
)

var (
	soakFor   = flag.Duration("soak", 0, "time for each promise; 0: the short form of a few seconds")
	reportDir = flag.String("report", "", "folder to write report.html, report.txt and report.json into")
)

// shortForm is the time for a promise in CI.
const shortForm = 3 * time.Second

// long says that this is a long form.
func long() bool { return *soakFor > 0 }

// span is how long a promise is tried.
func span() time.Duration {
	if long() {
		return *soakFor
	}
	return shortForm
}

// scaled is n in the long form, and a tenth of it in the short one.
func scaled(n int) int {
	if long() {
		return n
	}
	return n / 10
}

// figures are what one promise's test did and measured.
type figures struct {
	Promise int      `json:"promise"`
	Title   string   `json:"title"`
	Does    string   `json:"does"`
	Kept    bool     `json:"kept"`
	Seconds float64  `json:"seconds"`
	Figures []figure `json:"figures"`
	// picture is an SVG of our own; empty: none.
	picture template.HTML
	t       *testing.T
	began   time.Time
}

type figure struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

var (
	reportMu sync.Mutex
	report   []*figures
)

// promise begins the report of one. does says what the test does to the system.
func promise(t *testing.T, number int, title, does string) *figures {
	t.Helper()
	pgtest.Alone(t)
	f := &figures{Promise: number, Title: title, Does: does, t: t, began: time.Now()}
	t.Cleanup(func() {
		f.Kept, f.Seconds = !t.Failed(), time.Since(f.began).Seconds()
		reportMu.Lock()
		defer reportMu.Unlock()
		report = append(report, f)
	})
	return f
}

// draws adds a picture.
func (f *figures) draws(svg template.HTML) { f.picture = svg }

// say notes a figure.
func (f *figures) say(name, format string, args ...any) {
	f.t.Helper()
	v := fmt.Sprintf(format, args...)
	f.Figures = append(f.Figures, figure{name, v})
	f.t.Logf("%s: %s", name, v)
}

// took is what calls took, in the order in which they ended. Safe for concurrent use.
type took struct {
	mu    sync.Mutex
	times []time.Duration
}

func (s *took) add(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.times = append(s.times, d)
}

// quantile of what was taken; 0 without any.
func (s *took) quantile(q float64) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.times) == 0 {
		return 0
	}
	sorted := slices.Clone(s.times)
	slices.Sort(sorted)
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

func (s *took) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.times)
}
