package demo

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// view shows the progress: on a terminal a table that is drawn again in place, elsewhere a line every few seconds. Safe for
// concurrent use.
type view struct {
	out io.Writer
	// table says that out is a terminal and may be drawn on.
	table bool
	// lost is told each time that out can't be written; nil: nobody is.
	lost func(error)

	mu sync.Mutex
	// drawn lines of the table stand above the cursor.
	drawn int
	scene string
	// source of the figures; nil before the first scene.
	source func() (figures, state, certified)
	began  time.Time
	length time.Duration
	speed  speedometer
}

const (
	drawEvery = 250 * time.Millisecond
	lineEvery = 3 * time.Second
	// lastScene is how many there are.
	lastScene = 4
)

func newView(out io.Writer, table bool) *view { return &view{out: out, table: table} }

// say writes a line above the table.
func (v *view) say(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.clear()
	v.printf(format+"\n", args...)
	v.draw()
}

// announce says what comes next.
func (v *view) announce(scene int, format string, args ...any) {
	v.mu.Lock()
	v.scene = fmt.Sprintf("scene %d of %d", scene, lastScene)
	title := v.scene
	v.mu.Unlock()
	v.say("[%s] %s", title, fmt.Sprintf(format, args...))
}

// run shows figures until ctx ends, and leaves the last ones standing.
func (v *view) run(ctx context.Context, began time.Time, length time.Duration, source func() (figures, state, certified)) {
	v.mu.Lock()
	v.source, v.began, v.length = source, began, length
	v.speed.at(began, 0)
	v.mu.Unlock()
	every := lineEvery
	if v.table {
		every = drawEvery
	}
	for sleep(ctx, every) == nil {
		v.show()
	}
	v.show()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.source, v.drawn = nil, 0
}

func (v *view) show() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.table {
		v.printf("%s\n", v.line(v.source()))
		return
	}
	v.clear()
	v.draw()
}

// clear takes the table away. The sequences are those that every terminal of the last 40 years knows: cursor up, erase below.
func (v *view) clear() {
	if v.drawn > 0 {
		v.printf("\x1b[%dA\x1b[J", v.drawn)
		v.drawn = 0
	}
}

func (v *view) draw() {
	if !v.table || v.source == nil {
		return
	}
	width := v.width()
	for _, line := range v.lines(v.source()) {
		// A line that wraps would count as two.
		if r := []rune(line); len(r) >= width {
			line = string(r[:width-1])
		}
		v.printf("%s\n", line)
		v.drawn++
	}
}

// width of the terminal now; people change it.
func (v *view) width() int {
	if f, ok := v.out.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 1 {
			return w
		}
	}
	return 80
}

// printf writes. Where that fails, whoever looked on has gone: a closed pipe, a closed terminal, a full disk.
func (v *view) printf(format string, args ...any) {
	if _, err := fmt.Fprintf(v.out, format, args...); err != nil && v.lost != nil {
		v.lost(err)
	}
}

// shown are the routes, in order of caution.
var shown = []candorv1.Route{
	candorv1.Route_ROUTE_ACCEPT, candorv1.Route_ROUTE_FALLBACK, candorv1.Route_ROUTE_DEFER, candorv1.Route_ROUTE_REJECT,
}

// lines are the table.
func (v *view) lines(f figures, st state, c certified) []string {
	now := time.Now()
	lines := []string{
		"",
		fmt.Sprintf("  %-36s %6.1f s of %v   %3.0f rows/s", v.scene, now.Sub(v.began).Seconds(), v.length, v.speed.at(now, f.rows)),
		"",
		"              rows     share     right",
	}
	for _, r := range shown {
		right := ""
		if s := f.byRoute[r]; s.of > 0 {
			right = percent(s)
		}
		lines = append(lines, fmt.Sprintf("  %-10s %5d  %8s  %8s", strings.ToLower(cli.Enum(r)), f.routes[r],
			percent(share{f.routes[r], f.rows}), right))
	}
	lines = append(lines, "",
		"  certified   "+c.phase(),
		"  error       "+c.errors(),
		fmt.Sprintf("  right       accepted %s   all %s   primary alone %s", percent(f.accepted), percent(f.all), percent(f.alone)),
		"  breakers    "+backendsText(st),
		"  limits      "+limitsText(st),
		fmt.Sprintf("  queue       %s for a human", cli.Count(st.waiting, "digit")+" waiting"),
	)
	if f.failed > 0 {
		lines = append(lines, fmt.Sprintf("  FAILED      %s: %s", cli.Count(f.failed, "call"), cli.Plain(f.lastFailure)))
	}
	return append(lines, "")
}

// line is the same for those who read a log.
func (v *view) line(f figures, st state, c certified) string {
	now := time.Now()
	counts := make([]string, len(shown))
	for i, r := range shown {
		counts[i] = fmt.Sprintf("%s %d", strings.ToLower(cli.Enum(r)), f.routes[r])
	}
	return fmt.Sprintf("%5.1f s  %s: certified: %s; error of accepted rows: %s; %d rows, %s; right: accepted %s, all %s, primary alone %s; breakers: %s; limits: %s; queue: %d; %.0f rows/s",
		now.Sub(v.began).Seconds(), v.scene, c.phase(), c.errors(), f.rows, strings.Join(counts, ", "),
		percent(f.accepted), percent(f.all), percent(f.alone), backendsText(st), limitsText(st), st.waiting, v.speed.at(now, f.rows))
}

func backendsText(st state) string {
	texts := make([]string, len(st.backends))
	for i, b := range st.backends {
		texts[i] = b.GetName() + " " + strings.ToLower(cli.Enum(b.GetBreaker()))
		if b.GetBreaker() != candorv1.BreakerState_BREAKER_STATE_CLOSED {
			texts[i] = strings.ToUpper(texts[i])
		}
		if !b.GetReady() {
			texts[i] += " (down)"
		}
	}
	return strings.Join(texts, ", ")
}

func limitsText(st state) string {
	texts := make([]string, len(st.limits))
	for i, l := range st.limits {
		name := strings.TrimPrefix(l.GetName(), "limits/")
		texts[i] = fmt.Sprintf("%s %d of %d in %v", name, l.GetUsed(), l.GetMaxCount(), l.GetWindow().AsDuration())
		if l.GetTripped() {
			texts[i] = fmt.Sprintf("%s TRIPPED, %d withheld", strings.ToUpper(name), l.GetWithheldSinceTrip())
		}
	}
	return strings.Join(texts, ", ")
}

func percent(s share) string {
	if s.of == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f %%", 100*s.ratio())
}

// speedometer tells rows a second over the last moments.
type speedometer struct {
	times []time.Time
	rows  []int
}

// speedSpan is how far it looks back.
const speedSpan = 2 * time.Second

func (s *speedometer) at(now time.Time, rows int) float64 {
	s.times, s.rows = append(s.times, now), append(s.rows, rows)
	for len(s.times) > 2 && now.Sub(s.times[1]) >= speedSpan {
		s.times, s.rows = s.times[1:], s.rows[1:]
	}
	span := now.Sub(s.times[0]).Seconds()
	if span <= 0 {
		return 0
	}
	return float64(rows-s.rows[0]) / span
}
