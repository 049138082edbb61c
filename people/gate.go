package people

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/defect"
)

// GateOptions are what a Gate is made of.
type GateOptions struct {
	// Config is the configuration, with defaults.
	Config *candorv1.Config
	Store  Store
	// PublicURL is what browsers call the pages; see the function PublicURL.
	PublicURL string
	// Pages show what the gate has to say; nil: plain pages of its own.
	Pages Pages
	// Open are prefixes of paths that need no login, such as those of style sheets. They must change nothing and tell nothing.
	Open []string
	// Log; nil: nobody is told.
	Log *slog.Logger
	// Panicked is called once for each panic in a goroutine of the gate's own, which Log has; nil: nobody is told.
	Panicked func()
	// Cost of new password hashes; zero: DefaultCost.
	Cost Cost
	// Before is the Gate of the configuration before, which goes on being used; nil: there is none. Logins under way and the count of
	// those that failed are taken over.
	Before *Gate
}

// Gate stands before the pages: nobody passes without a login, and nothing is changed by a request that another site made a browser
// send. Where the configuration has no people it lets everybody on this machine pass as the anonymous operator; see Anonymous. Safe
// for concurrent use.
type Gate struct {
	store      Store
	pages      Pages
	log        *slog.Logger
	guard      defect.Guard
	open       []string
	public     *url.URL
	anonymous  *Person
	local      bool
	provider   *provider
	taken      func(string) bool
	hasher     *hasher
	throttle   throttle
	passkeys   *passkeys
	idle       time.Duration
	absolute   time.Duration
	crossSites *http.CrossOriginProtection
	login      *http.ServeMux
	account    *http.ServeMux
	// proxies are those whose X-Forwarded-For is believed.
	proxies []netip.Prefix
}

// NewGate makes a Gate, and reads the file of people.oidc.client_secret_file. An error names the field of the configuration.
func NewGate(o GateOptions) (*Gate, error) {
	public, err := url.Parse(o.PublicURL)
	if err != nil || public.Host == "" || public.Scheme != "http" && public.Scheme != "https" {
		return nil, fmt.Errorf("listen.public_url: %q is no address of pages; write one such as https://review.example.com", o.PublicURL)
	}
	g := &Gate{
		store: o.Store, pages: o.Pages, log: o.Log, open: o.Open, public: public, taken: takenNames(o.Config),
		crossSites: http.NewCrossOriginProtection(),
	}
	if g.proxies, err = ParseProxies(o.Config.GetListen().GetTrustedProxies()); err != nil {
		return nil, err
	}
	if o.Before != nil {
		g.throttle = o.Before.throttle
	}
	if g.pages == nil {
		g.pages = plainPages{}
	}
	if g.log == nil {
		g.log = slog.New(slog.DiscardHandler)
	}
	g.guard = defect.Guard{Log: g.log, Count: o.Panicked}
	g.throttle = throttle{g.store, g.log}
	if err := g.crossSites.AddTrustedOrigin(g.origin()); err != nil {
		return nil, fmt.Errorf("listen.public_url: %w", err)
	}
	if o.Config.GetPeople() == nil {
		if g.anonymous = anonymousOperator(o.Config); g.anonymous == nil {
			return nil, errors.New("listen.web: nobody could log in; add people, or, on this machine alone, an operator with identity: {anonymous: true}")
		}
		g.log.Warn("NO LOGIN: whoever reaches the pages from this machine is "+g.anonymous.Name, slog.String("pages", g.origin()))
		return g, nil
	}
	return g, g.withPeople(o)
}

func (g *Gate) withPeople(o GateOptions) (err error) {
	conf := o.Config.GetPeople()
	g.local = conf.GetLocal()
	g.idle, g.absolute = conf.GetSessions().GetIdle().AsDuration(), conf.GetSessions().GetAbsolute().AsDuration()
	if conf.GetOidc() != nil {
		secret, err := clientSecret(conf.GetOidc())
		if err != nil {
			return err
		}
		if g.provider = newProvider(conf.GetOidc(), secret, g.store.Now); o.Before != nil && g.provider.same(o.Before.provider) {
			g.provider = o.Before.provider
		}
	}
	if g.local {
		if o.Cost == (Cost{}) {
			o.Cost = DefaultCost
		}
		g.hasher = newHasher(o.Cost)
		if g.passkeys, err = newPasskeys(g.public, g.store); err != nil {
			return err
		}
		if o.Before != nil && o.Before.passkeys != nil {
			// Of the same pages: public_url can't change.
			g.passkeys = o.Before.passkeys
		}
	}
	g.login, g.account = g.routes(), g.accountRoutes()
	return nil
}

// anonymousOperator is whom the configuration lets in without a proof; nil: nobody.
func anonymousOperator(cfg *candorv1.Config) *Person {
	for name, o := range cfg.GetOperators() {
		if o.GetIdentity().GetAnonymous() {
			return &Person{Name: name, Roles: slices.Clone(o.GetRoles()), Method: MethodAnonymous}
		}
	}
	return nil
}

// PublicURL is what browsers call pages that listen at an address: what the configuration says or, without that, the address.
func PublicURL(listen *candorv1.Listen, address string) string {
	if u := listen.GetPublicUrl(); u != "" {
		return u
	}
	if listen.GetTls() != nil {
		return "https://" + address
	}
	return "http://" + address
}

// Anonymous says that there is no login, which pages must say as loudly as they can.
func (g *Gate) Anonymous() bool { return g.anonymous != nil }

func (g *Gate) origin() string { return g.public.Scheme + "://" + g.public.Host }

func (g *Gate) secure() bool { return g.public.Scheme == "https" }

func (g *Gate) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", g.showLogin)
	mux.HandleFunc("POST /logout", g.logout)
	if g.local {
		mux.HandleFunc("POST /login", g.loginByPassword)
		mux.HandleFunc("GET /enrol", g.showEnrol)
		mux.HandleFunc("POST /enrol", g.enrol)
		mux.HandleFunc("GET /login/passkey.js", servePasskeyScript)
	}
	if g.passkeys != nil {
		mux.HandleFunc("POST /login/passkey/begin", g.beginPasskeyLogin)
		mux.HandleFunc("POST /login/passkey/finish", g.finishPasskeyLogin)
		mux.HandleFunc("POST /enrol/passkey/begin", g.beginPasskeyEnrol)
		mux.HandleFunc("POST /enrol/passkey/finish", g.finishPasskeyEnrol)
	}
	if g.provider != nil {
		mux.HandleFunc("GET /oidc/start", g.startOIDC)
		mux.HandleFunc("GET /oidc/callback", g.finishOIDC)
	}
	return mux
}

// Handler lets requests pass to next whose person it knows: handlers find them by Person. It answers the paths of the login itself:
// /login, /logout, /enrol, /oidc and what is below them, and, behind the login, those of one's own account, /account. What is open
// passes without a person.
func (g *Gate) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer := RemoteOf(r)
		r = g.believed(r)
		if err := g.crossSites.Check(r); err != nil {
			g.refuse(w, r, http.StatusForbidden, "Another site sent this", "A page of another site made your browser send this request. Nothing was changed.")
			return
		}
		switch {
		case g.anonymous != nil:
			g.passAnonymous(w, r, peer, next)
		case g.isOwn(r.URL.Path):
			w.Header().Set("Cache-Control", "no-store")
			g.serveOwn(w, r)
		case isAccount(r.URL.Path):
			w.Header().Set("Cache-Control", "no-store")
			g.pass(w, r, g.account)
		case slices.ContainsFunc(g.open, func(prefix string) bool { return strings.HasPrefix(r.URL.Path, prefix) }):
			next.ServeHTTP(w, r)
		default:
			g.pass(w, r, next)
		}
	})
}

func (g *Gate) isOwn(path string) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return slices.Contains([]string{"login", "logout", "enrol", "oidc"}, first)
}

// passAnonymous is for the machine that the gateway is on, and for names of it only: a page of another site whose name leads here must
// not be able to read ours, which is what the Host header says (DNS rebinding).
func (g *Gate) passAnonymous(w http.ResponseWriter, r *http.Request, peer string, next http.Handler) {
	if !isLoopback(peer) || !isLoopback(RemoteOf(r)) || !isLoopback(hostOf(r.Host)) {
		http.Error(w, "These pages have no login, and are for this machine only.", http.StatusForbidden)
		return
	}
	token, ok := g.formToken(w, r)
	if !ok {
		g.refuseForgery(w, r)
		return
	}
	next.ServeHTTP(w, withVisit(r, visit{session: Session{Person: *g.anonymous}, forms: token}))
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// hostOf is a Host header without its port.
func hostOf(hostport string) string {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(hostport, "["), "]")
	}
	return host
}

// refuse shows why a request isn't served.
func (g *Gate) refuse(w http.ResponseWriter, r *http.Request, status int, title, text string) {
	w.Header().Set("Cache-Control", "no-store")
	g.pages.Message(w, r, MessagePage{Status: status, Title: title, Text: text})
}

func (g *Gate) refuseForgery(w http.ResponseWriter, r *http.Request) {
	g.refuse(w, r, http.StatusForbidden, "Please try again", "The form was too old, or not of these pages. Go back, load the page again and repeat it; nothing was changed.")
}

// trouble is for errors that are nobody's fault but the store's.
func (g *Gate) trouble(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() == nil {
		g.log.ErrorContext(r.Context(), "a page's request failed", slog.String("path", r.URL.Path), slog.Any("error", err))
	}
	g.refuse(w, r, http.StatusServiceUnavailable, "The store does not answer", "Please try again in a moment.")
}
