package browsertest

import (
	"context"
	_ "embed"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

//go:embed testdata/axe.min.js
var axe string

// The rules of WCAG 2.1, levels A and AA. Nothing is loaded anew for them.
const runAxe = `axe.run(document, {preload: false, runOnly: {type: "tag", values: ["wcag2a", "wcag2aa", "wcag21aa"]}}).then(r => JSON.stringify(
  {passes: r.passes.length, violations: r.violations.map(v => v.id + ": " + v.help + "\n" + v.nodes.map(n => n.html + "\n  " + n.failureSummary).join("\n"))}))`

// narrow is the width of a telephone, wide that of the browser's window, in CSS pixels.
const (
	narrow = 390
	wide   = 1280
)

// accessible holds the page against axe's rules in both colour schemes and on a narrow screen, and takes its pictures. Nothing is
// wider than the screen, neither the page nor, on the wide one, a table.
func (b *browser) accessible(name string) {
	b.w.Helper()
	for _, scheme := range []string{"dark", "light"} {
		b.do(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
		}))
		b.scan(name + "-" + scheme)
	}
	b.fits(name, wide)
	if cut := b.text(`[...document.querySelectorAll(".scroll")].filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.ariaLabel + " " + e.scrollWidth + " of " + e.clientWidth).join()`); cut != "" {
		b.w.Errorf("%s: at %d pixels a table scrolls sideways: %s", name, wide, cut)
	}
	b.do(emulation.SetDeviceMetricsOverride(narrow, 844, 1, true))
	b.fits(name, narrow)
	b.scan(name + "-narrow")
	b.do(emulation.ClearDeviceMetricsOverride())
}

// scan holds the page as it is against axe's rules.
func (b *browser) scan(name string) {
	b.w.Helper()
	var out string
	b.do(chromedp.Evaluate(axe+"\n;"+runAxe, &out, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	var found struct {
		Passes     int
		Violations []string
	}
	if err := json.Unmarshal([]byte(out), &found); err != nil {
		b.w.Fatal(err)
	}
	if found.Passes == 0 {
		b.w.Errorf("%s: no rule was applied", name)
	}
	if len(found.Violations) > 0 {
		b.w.Errorf("%s:\n%s", name, strings.Join(found.Violations, "\n"))
	}
	b.picture(strings.ReplaceAll(name, "/", "-"))
}

func (b *browser) fits(name string, width int) {
	b.w.Helper()
	if got := b.text(`document.documentElement.scrollWidth`); got != strconv.Itoa(width) {
		b.w.Errorf("%s: a page %d pixels wide scrolls sideways: %s", name, width, got)
	}
}

func (b *browser) picture(name string) {
	b.w.Helper()
	folder := os.Getenv("CANDOR_SCREENSHOTS")
	if folder == "" {
		return
	}
	var png []byte
	b.do(chromedp.FullScreenshot(&png, 100), chromedp.ActionFunc(func(context.Context) error {
		return os.WriteFile(filepath.Join(folder, name+".png"), png, 0o600)
	}))
}

// TestAccessible holds the pages of work against WCAG 2.1 AA as far as a program can, and looks at what a caller's markup became.
func TestAccessible(t *testing.T) {
	w := start(t, "5m")
	w.deferSome(3)
	b := w.browser()
	code := w.user("ann")
	b.open("/login")
	b.accessible("login")
	b.logIn("ann", code)
	b.accessible("work")
	b.open("/queue")
	b.accessible("queue")
	b.open("/items")
	b.accessible("items")
	b.press("w", `location.pathname === "/items"`) // no page of work: no key
	b.open("/work")
	b.press("w", asked)
	b.accessible("item-before")
	if shown := b.text(`document.querySelector(".document").textContent`); !strings.HasSuffix(shown, attack) {
		t.Errorf("the text is shown as %q, want it to end with %q", shown, attack)
	}
	if n := b.text(`document.querySelectorAll(".document script, .document img").length`); n != "0" {
		t.Errorf("%s elements of the text became elements of the page", n)
	}
	b.press("1", `document.querySelector("input[name=label]:checked") !== null`)
	b.press("\r", answered)
	b.accessible("item-after")
	b.open("/work")
	b.accessible("work-after")
}
