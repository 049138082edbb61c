package people

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	// rotateEvery is how long a session keeps a key; the key before is honoured for keyGrace, because a browser asks for several
	// things at once.
	rotateEvery = 15 * time.Minute
	keyGrace    = time.Minute
	// recheckEvery is how often a request that takes long, such as a stream of events, is held against its session.
	recheckEvery = 30 * time.Second
)

// FormField and FormHeader are where an unsafe request carries the token that CSRF answered.
const (
	FormField  = "csrf"
	FormHeader = "X-Candor-CSRF"
)

// maxForm bounds the body of a request with a form, in bytes.
const maxForm = 1 << 20

// visit is what the gate knows of a request that has passed.
type visit struct {
	session Session
	// forms is the token that its forms must carry.
	forms string
}

type visitKey struct{}

func withVisit(r *http.Request, v visit) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), visitKey{}, v))
}

func visitOf(r *http.Request) (visit, bool) {
	v, ok := r.Context().Value(visitKey{}).(visit)
	return v, ok
}

// Person answers who sent a request that has passed the gate, and the session that it belongs to, which is zero but for the person
// where there is no login.
func (g *Gate) Person(r *http.Request) (Person, Session, bool) {
	v, ok := visitOf(r)
	return v.session.Person, v.session, ok
}

// CSRF answers the token that every unsafe request must carry, as the form's field FormField or the header FormHeader.
func (g *Gate) CSRF(r *http.Request) string {
	v, _ := visitOf(r)
	return v.forms
}

// pass lets a request through whose session is good.
func (g *Gate) pass(w http.ResponseWriter, r *http.Request, next http.Handler) {
	key, forms, ok := g.sessionCookie(r)
	if !ok {
		g.askToLogIn(w, r)
		return
	}
	s, err := g.store.Session(r.Context(), SumOf(key))
	if errors.Is(err, ErrNotFound) {
		g.clearCookie(w, sessionCookie)
		g.askToLogIn(w, r)
		return
	}
	if err != nil {
		g.trouble(w, r, err)
		return
	}
	if SumOf(forms) != s.Forgery || g.taken(s.Person.Name) {
		// The key alone is right: somebody put the cookie together. Or the configuration has given the name to another.
		g.askToLogIn(w, r)
		return
	}
	if !safe(r) && !g.carries(w, r, forms) {
		g.refuseForgery(w, r)
		return
	}
	if !isStream(r) {
		if err := g.used(w, r, &s, key, forms); err != nil {
			g.trouble(w, r, err)
			return
		}
	}
	ctx, stop := g.watch(r.Context(), SumOf(key))
	defer stop()
	next.ServeHTTP(w, withVisit(r.WithContext(ctx), visit{s, forms}))
}

func safe(r *http.Request) bool {
	return r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions
}

// isStream says that a page's script asks for events, by itself: that keeps no session from being idle.
func isStream(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Accept"), "text/event-stream")
}

// carries says whether an unsafe request has the token of its forms.
func (g *Gate) carries(w http.ResponseWriter, r *http.Request, token string) bool {
	got := r.Header.Get(FormHeader)
	if got == "" {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		got = r.PostFormValue(FormField)
	}
	return got != "" && SumOf(got) == SumOf(token)
}

// used stores that a session is used, at most once a minute, and gives it another key when that is due, or when it may do more than
// when it got this one.
func (g *Gate) used(w http.ResponseWriter, r *http.Request, s *Session, key, forms string) error {
	now := g.store.Now()
	if now.Sub(s.LastUse) >= min(touchEvery, g.idle/2) {
		s.IdleUntil = now.Add(g.idle)
		if err := g.store.TouchSession(r.Context(), s.ID, s.IdleUntil); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	changed := !slices.Equal(s.Before.Roles, s.Person.Roles) || !slices.Equal(s.Before.Queues, s.Person.Queues)
	if !safe(r) || SumOf(key) != s.Key || !changed && now.Sub(s.KeySince) < rotateEvery {
		return nil
	}
	fresh := newSecret()
	err := g.store.RotateSession(r.Context(), s.ID, s.Key, SumOf(fresh), now.Add(keyGrace), By{Name: "gateway", Remote: RemoteOf(r)})
	if errors.Is(err, ErrNotFound) {
		// Another request of the browser's was first, whose answer has the key.
		return nil
	}
	if err != nil {
		return err
	}
	g.setSessionCookie(w, fresh, forms)
	return nil
}

// watch is a context that ends when the session does, for requests that take long.
func (g *Gate) watch(ctx context.Context, key Sum) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	ticker := time.NewTicker(recheckEvery)
	go func() {
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
			// What can't be asked, for whatever reason, is asked again.
			ended := false
			g.guard.Whole("asking for a session", func() {
				_, err := g.store.Session(ctx, key)
				ended = errors.Is(err, ErrNotFound)
			})
			if ended {
				cancel()
				return
			}
		}
	}()
	return ctx, cancel
}

// askToLogIn sends a person to the login, and says no to a script.
func (g *Gate) askToLogIn(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodGet || isStream(r) || strings.HasPrefix(r.Header.Get("Accept"), "application/json") {
		http.Error(w, "Log in first.", http.StatusUnauthorized)
		return
	}
	to := "/login"
	if r.URL.Path != "/" {
		to += "?" + url.Values{"next": {r.URL.RequestURI()}}.Encode()
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// here answers the path on these pages that somebody was going to, and / for whatever is none: a link to the login must not lead
// elsewhere.
func here(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") ||
		strings.ContainsAny(next, "\\\r\n\t") {
		return "/"
	}
	return next
}

// begin begins a session of somebody who has just proved who they are, and ends the one that the browser had. Errors: ErrNotFound and
// ErrRefused, when they may not come in.
func (g *Gate) begin(w http.ResponseWriter, r *http.Request, who Person) error {
	if g.taken(who.Name) {
		return refusedf("the name %s is one of the configuration's", who.Name)
	}
	if key, _, ok := g.sessionCookie(r); ok {
		if old, err := g.store.Session(r.Context(), SumOf(key)); err == nil {
			if err := g.store.EndSession(r.Context(), old.ID, By{Name: old.Person.Name, Reason: "another login", Remote: RemoteOf(r)}); err != nil {
				g.log.WarnContext(r.Context(), "a session could not be ended", slog.Any("error", err))
			}
		}
	}
	key, forms, now := newSecret(), newSecret(), g.store.Now()
	s := Session{
		ID: NewID(), Key: SumOf(key), Forgery: SumOf(forms), Person: who, Local: who.Method != MethodOIDC,
		IdleUntil: now.Add(g.idle), Expire: now.Add(g.absolute), Remote: RemoteOf(r), UserAgent: cut(r.UserAgent(), maxUserAgent),
	}
	if err := g.store.BeginSession(r.Context(), s, By{Name: who.Name, Reason: who.Method, Remote: RemoteOf(r)}); err != nil {
		return err
	}
	g.setSessionCookie(w, key, forms)
	g.log.InfoContext(r.Context(), "logged in", slog.String("person", who.Name), slog.String("method", who.Method), slog.String("remote", RemoteOf(r)))
	return nil
}

// maxUserAgent is how much of what a browser says of itself is kept, in bytes.
const maxUserAgent = 256

// cut is text of at most n bytes, valid UTF-8.
func cut(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "?")
}
