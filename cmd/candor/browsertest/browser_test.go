package browsertest

import (
	"context"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browser is a Chromium with a profile of its own. When the test ends it must have seen no error, nothing that the content policy
// blocked, and no request to another host.
type browser struct {
	w   *world
	ctx context.Context

	mu sync.Mutex
	// complaints are what should not have happened.
	complaints []string
	// refusals: responses that are errors are part of the test.
	refusals bool
}

func (w *world) browser() *browser {
	w.Helper()
	profile := w.TempDir()
	alloc, cancelAlloc := chromedp.NewExecAllocator(w.ctx,
		chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.UserDataDir(profile), chromedp.WindowSize(1280, 900),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.WSURLReadTimeout(time.Minute),
	)
	ctx, cancel := chromedp.NewContext(alloc, chromedp.WithErrorf(w.Logf))
	b := &browser{w: w, ctx: ctx}
	w.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			w.Errorf("the browser: %v", err)
		}
		cancel()
		cancelAlloc()
		// Its profile is removed next.
		chromedp.FromContext(ctx).Allocator.Wait()
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, c := range b.complaints {
			w.Error(c)
		}
	})
	host, err := url.Parse(w.url)
	if err != nil {
		w.Fatal(err)
	}
	chromedp.ListenTarget(ctx, func(ev any) { b.watch(ev, host.Host) })
	b.do(log.Enable(), network.Enable(), runtime.Enable())
	return b
}

func (b *browser) watch(ev any, host string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	complain := func(format string, args ...any) { b.complaints = append(b.complaints, fmt.Sprintf(format, args...)) }
	switch ev := ev.(type) {
	case *log.EventEntryAdded:
		refused := ev.Entry.Source == log.SourceNetwork && b.refusals
		if (ev.Entry.Level == log.LevelError || ev.Entry.Level == log.LevelWarning) && !refused {
			complain("the browser's log: %s: %s (%s)", ev.Entry.Source, ev.Entry.Text, ev.Entry.URL)
		}
	case *runtime.EventConsoleAPICalled:
		if ev.Type == runtime.APITypeError || ev.Type == runtime.APITypeWarning || ev.Type == runtime.APITypeAssert {
			for _, a := range ev.Args {
				complain("the console: %s %s", a.Value, a.Description)
			}
		}
	case *runtime.EventExceptionThrown:
		complain("a script: %s", ev.ExceptionDetails.Error())
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(ev.Request.URL); err != nil || u.Host != host {
			complain("a request to %s", ev.Request.URL)
		}
	}
}

// do runs actions, and ends the test where one fails.
func (b *browser) do(actions ...chromedp.Action) {
	b.w.Helper()
	if err := b.try(actions...); err != nil {
		b.w.Fatal(err)
	}
}

func (b *browser) try(actions ...chromedp.Action) error { return chromedp.Run(b.ctx, actions...) }

// keys are pressed one after the other, on whatever has the focus.
func (b *browser) keys(keys string) {
	b.w.Helper()
	b.do(chromedp.KeyEvent(keys))
}

// js answers an expression as text.
func (b *browser) js(expression string) (string, error) {
	var out string
	err := b.try(chromedp.Evaluate("String("+expression+")", &out))
	return out, err
}

func (b *browser) text(expression string) string {
	b.w.Helper()
	out, err := b.js(expression)
	if err != nil {
		b.w.Fatalf("%s: %v", expression, err)
	}
	return out
}

// html is the page as it stands.
func (b *browser) html() string { b.w.Helper(); return b.text("document.documentElement.outerHTML") }

func (b *browser) path() string { b.w.Helper(); return b.text("location.pathname") }

// await waits until an expression is true. A page that is being replaced has no answer, which is not true yet.
func (b *browser) await(expression string) {
	b.w.Helper()
	b.awaitWhile(expression, func() error { return nil }, time.Hour)
}

// press presses a key until an expression is true. The pages ignore an Enter that comes before anybody can have read what is new.
func (b *browser) press(key, expression string) {
	b.w.Helper()
	b.keys(key)
	b.awaitWhile(expression, func() error { return b.try(chromedp.KeyEvent(key)) }, time.Second)
}

func (b *browser) awaitWhile(expression string, again func() error, every time.Duration) {
	b.w.Helper()
	last, started := "", time.Now()
	for {
		if out, err := b.js(expression); err != nil {
			last = err.Error()
		} else if last = out; out == "true" {
			return
		}
		select {
		case <-b.ctx.Done():
			b.w.Fatalf("%s: still %s", expression, last)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Since(started) > every {
			started = time.Now()
			if err := again(); err != nil {
				b.w.Fatal(err)
			}
		}
	}
}

// open goes to a page.
func (b *browser) open(path string) {
	b.w.Helper()
	b.do(chromedp.Navigate(b.w.url + path))
	b.await(`document.readyState === "complete"`)
}

// enrol sets a password by a code.
func (b *browser) enrol(code string) {
	b.w.Helper()
	b.open("/enrol")
	b.keys(code + "\r")
	b.await(`document.querySelector("#again") !== null && document.readyState === "complete"`)
	b.do(chromedp.Focus("#password", chromedp.ByQuery))
	b.keys(password + "\t" + password + "\r")
	b.await(`location.pathname === "/login" && document.readyState === "complete"`)
}

// logIn enrols a user, and logs them in by their password.
func (b *browser) logIn(name, code string) {
	b.w.Helper()
	b.enrol(code)
	b.open("/work")
	b.await(`location.pathname === "/login" && document.activeElement.id === "name"`)
	b.keys(name + "\t" + password + "\r")
	b.await(`location.pathname === "/work" && document.readyState === "complete"`)
}

// A page is there when htmx has settled it: it moves the focus last.
const (
	settled  = `document.querySelector(".htmx-request, .htmx-swapping, .htmx-settling, .htmx-added") === null && document.readyState === "complete"`
	asked    = `document.querySelector("fieldset[data-holder]:enabled") !== null && document.querySelector("#outcome") === null && ` + settled
	answered = `document.querySelector("#outcome") !== null && ` + settled
)

// notAt says that the page is another one than the one at a path.
func notAt(path string) string { return fmt.Sprintf(`location.pathname !== %q`, path) }
