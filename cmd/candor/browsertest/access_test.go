package browsertest

import (
	"context"
	_ "embed"
	"encoding/json"
	"os"
	"path/filepath"
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

// accessible holds the page against axe's rules in both colour schemes, and takes its pictures.
func (b *browser) accessible(name string) {
	b.w.Helper()
	for _, scheme := range []string{"light", "dark"} {
		b.do(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
		}))
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
			b.w.Errorf("%s, %s: no rule was applied", name, scheme)
		}
		if len(found.Violations) > 0 {
			b.w.Errorf("%s, %s:\n%s", name, scheme, strings.Join(found.Violations, "\n"))
		}
		b.picture(name + "-" + scheme)
	}
	b.do(emulation.SetDeviceMetricsOverride(375, 812, 1, true))
	if wide := b.text(`document.documentElement.scrollWidth`); wide != "375" {
		b.w.Errorf("%s: a page 375 pixels wide scrolls sideways: %s", name, wide)
	}
	b.picture(name + "-narrow")
	b.do(emulation.ClearDeviceMetricsOverride())
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

// TestAccessible holds every page against WCAG 2.1 AA as far as a program can, light and dark, and looks at what a caller's markup
// became.
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
