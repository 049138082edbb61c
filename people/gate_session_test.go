package people_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/people"
)

func TestSessionsRotate(t *testing.T) {
	s := localSite(t)
	b := s.member("ann", reviewer)
	first := b.cookies()["candor_session"]
	b.get("/")
	if b.cookies()["candor_session"] != first {
		t.Error("a key was changed before its time")
	}
	before := b.get("/").csrf()
	s.store.forward(15 * time.Minute)
	// A script's stream of events changes nothing and keeps nothing alive.
	b.headers["Accept"] = "text/event-stream"
	b.get("/")
	if b.cookies()["candor_session"] != first {
		t.Error("a stream has changed the key")
	}
	delete(b.headers, "Accept")
	if a := b.get("/"); a.status != http.StatusOK {
		t.Fatalf("%d", a.status)
	}
	second := b.cookies()["candor_session"]
	if second == first {
		t.Fatal("the key was not changed")
	}
	// A form that was open works with the new key, and the old key for its grace.
	if a := b.post("/", url.Values{"csrf": {before}}); a.status != http.StatusOK {
		t.Errorf("an open form: %d", a.status)
	}
	if a := s.withCookie(first).get("/"); a.status != http.StatusOK || a.header.Get("Set-Cookie") != "" {
		t.Errorf("the old key: %d", a.status)
	}
	// Another role is another privilege, however new the key is.
	s.store.ahead.Store(0)
	s.change(people.Change{Name: "ann", Roles: []candorv1.Role{reviewer, candorv1.Role_ROLE_OPERATOR}})
	b.get("/")
	if third := b.cookies()["candor_session"]; third == second {
		t.Error("the key is the same after a change of privilege")
	}
	if s.withCookie(first).isIn() {
		t.Error("the key before the one before is honoured")
	}
	again := b.cookies()["candor_session"]
	b.get("/")
	if b.cookies()["candor_session"] != again {
		t.Error("the key changes with every request")
	}
}

// withCookie is a browser with somebody's session cookie.
func (s *site) withCookie(value string) *browser {
	b := s.browser()
	u, err := url.Parse(s.base)
	if err != nil {
		s.t.Fatal(err)
	}
	b.client.Jar.SetCookies(u, []*http.Cookie{{Name: "candor_session", Value: value, Path: "/"}})
	return b
}

func TestCookiesThatWereMadeUp(t *testing.T) {
	s := localSite(t)
	cookie := s.member("ann", reviewer).cookies()["candor_session"]
	key, forms, _ := strings.Cut(cookie, ".")
	for _, bad := range []string{"", ".", key, key + ".", "." + forms, forms + "." + key, key + "." + key, cookie + "x", strings.Repeat("a", 4000)} {
		if s.withCookie(bad).isIn() {
			t.Errorf("%q is let in", bad)
		}
	}
	if !s.withCookie(cookie).isIn() {
		t.Error("the good one isn't")
	}
}

func TestSessionsEnd(t *testing.T) {
	conf := localPeople()
	s := startSite(t, &candorv1.Config{People: conf})
	b, other, eve := s.member("ann", reviewer), s.member("bob", reviewer), s.member("eve", reviewer)
	s.change(people.Change{Name: "eve", Roles: []candorv1.Role{reviewer}, Disabled: true})
	if eve.isIn() {
		t.Error("a disabled user is in")
	}
	second := s.browser()
	second.login("ann", goodPassword)
	third := s.browser()
	third.login("ann", goodPassword)
	if a := b.post("/logout", url.Values{"csrf": {"x"}}); a.status != http.StatusForbidden || !b.isIn() {
		t.Errorf("a logout without the token: %d", a.status)
	}
	cookie := b.cookies()["candor_session"]
	if a := b.post("/logout", url.Values{"csrf": {b.get("/").csrf()}}); a.status != http.StatusSeeOther || a.location != "/login" {
		t.Errorf("logout: %d", a.status)
	}
	if b.isIn() || s.withCookie(cookie).isIn() || b.cookies()["candor_session"] != "" || !second.isIn() {
		t.Error("the logout ended something else")
	}
	second.post("/logout", url.Values{"csrf": {second.get("/").csrf()}, "everywhere": {"1"}})
	if second.isIn() || third.isIn() || !other.isIn() {
		t.Error("the logout everywhere ended something else")
	}
	// Another login in the same browser ends the session that it had.
	cookie = other.cookies()["candor_session"]
	other.post("/login", url.Values{"csrf": {other.cookies()["candor_form"]}, "name": {"ann"}, "password": {goodPassword}})
	if a := other.get("/"); !strings.HasPrefix(a.body, "ann ") || s.withCookie(cookie).isIn() {
		t.Errorf("after another login: %s", a.body)
	}
}

// A request that takes long ends with its session.
func TestLongRequestsAreHeldAgainstTheirSession(t *testing.T) {
	if os.Getenv("CANDOR_LONG") != "1" {
		t.Skip("it waits for the half minute after which a session is looked at again; CANDOR_LONG=1 runs it")
	}
	s := localSite(t)
	b := s.member("ann", reviewer)
	begun, ended := make(chan struct{}), make(chan error, 1)
	s.body = func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		select {
		case <-r.Context().Done():
			ended <- nil
		case <-time.After(time.Minute):
			ended <- errors.New("it goes on")
		}
	}
	b.client.Timeout = 0
	b.headers["Accept"] = "text/event-stream"
	var asking sync.WaitGroup
	asking.Go(func() { b.get("/") })
	defer asking.Wait()
	<-begun
	if _, _, err := s.store.EndSessions(t.Context(), "ann", false, people.By{Name: "root"}); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestForgery(t *testing.T) {
	s := localSite(t)
	b := s.member("ann", reviewer)
	token := b.get("/").csrf()
	if token == "" {
		t.Fatal("no token")
	}
	good := url.Values{"csrf": {token}}
	stranger := s.member("bob", reviewer).get("/").csrf()
	for what, tc := range map[string]struct {
		headers map[string]string
		form    url.Values
		want    int
	}{
		"from our page":                 {map[string]string{"Sec-Fetch-Site": "same-origin"}, good, http.StatusOK},
		"an old browser":                {nil, good, http.StatusOK},
		"an old browser, no token":      {nil, nil, http.StatusForbidden},
		"another's token":               {nil, url.Values{"csrf": {stranger}}, http.StatusForbidden},
		"no token":                      {map[string]string{"Sec-Fetch-Site": "same-origin"}, nil, http.StatusForbidden},
		"another site":                  {map[string]string{"Sec-Fetch-Site": "cross-site"}, good, http.StatusForbidden},
		"another host of the same site": {map[string]string{"Sec-Fetch-Site": "same-site"}, good, http.StatusForbidden},
		"another origin":                {map[string]string{"Origin": "https://evil.example"}, good, http.StatusForbidden},
		"our origin":                    {map[string]string{"Origin": s.base}, good, http.StatusOK},
		"a sandboxed frame":             {map[string]string{"Origin": "null"}, good, http.StatusForbidden},
		"in a header":                   {map[string]string{"X-Candor-CSRF": token}, nil, http.StatusOK},
		"another's in a header":         {map[string]string{"X-Candor-CSRF": stranger}, good, http.StatusForbidden},
	} {
		b.headers = tc.headers
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch} {
			if a := b.do(method, "/", "application/x-www-form-urlencoded", tc.form.Encode()); a.status != tc.want {
				t.Errorf("%s, %s: %d, want %d", what, method, a.status, tc.want)
			}
		}
	}
	// Nobody is logged in as somebody else by another site either.
	c := s.browser()
	c.headers = nil
	form := url.Values{"name": {"ann"}, "password": {goodPassword}}
	if a := c.post("/login", form); a.status != http.StatusForbidden {
		t.Errorf("a login without a page: %d", a.status)
	}
	form.Set("csrf", stranger)
	c.get("/login")
	if a := c.post("/login", form); a.status != http.StatusForbidden {
		t.Errorf("a login with another's token: %d", a.status)
	}
}

func TestNextStaysHere(t *testing.T) {
	s := localSite(t)
	s.member("ann", reviewer)
	for next, want := range map[string]string{
		"/work?a=b#c": "/work?a=b#c", "//evil.example/": "/", "https://evil.example/": "/", `/\evil.example`: "/", `\\evil.example`: "/",
		"/\t/evil.example": "/", "javascript:alert(1)": "/", "": "/", "work": "/", "/%2fevil.example": "/%2fevil.example",
	} {
		b := s.browser()
		token := b.get("/login").csrf()
		a := b.post("/login", url.Values{"csrf": {token}, "name": {"ann"}, "password": {goodPassword}, "next": {next}})
		if a.location != want {
			t.Errorf("%q leads to %q", next, a.location)
		}
	}
}

func TestCookiesOverTLS(t *testing.T) {
	db, _ := openStore(t)
	gate, err := people.NewGate(people.GateOptions{Config: &candorv1.Config{People: localPeople()}, Store: db.People(), PublicURL: "https://review.example.com", Cost: cheap})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	gate.Handler(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "https://review.example.com/login", nil))
	c := w.Result().Cookies()
	if len(c) != 1 || c[0].Name != "__Host-candor_form" || !c[0].Secure || !c[0].HttpOnly || c[0].SameSite != http.SameSiteLaxMode || c[0].Path != "/" || c[0].Domain != "" {
		t.Errorf("cookies %v", c)
	}
	if h := w.Result().Header; h.Get("Cache-Control") != "no-store" || !strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("headers %v", h)
	}
}

// Without people the pages are the anonymous operator's, on this machine, under its own names.
func TestAnonymousIsForThisMachine(t *testing.T) {
	cfg := &candorv1.Config{Operators: map[string]*candorv1.Operator{"demo": {
		Identity: &candorv1.Identity{Proof: &candorv1.Identity_Anonymous{Anonymous: true}}, Roles: []candorv1.Role{reviewer},
	}}}
	s := startSite(t, cfg)
	if !s.gate.Anonymous() {
		t.Error("it doesn't say that there is no login")
	}
	b := s.browser()
	a := b.get("/")
	if a.status != http.StatusOK || !strings.HasPrefix(a.body, "demo anonymous true") {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if got := b.post("/", url.Values{"csrf": {a.csrf()}}); got.status != http.StatusOK {
		t.Errorf("a form: %d", got.status)
	}
	if got := b.post("/", nil); got.status != http.StatusForbidden {
		t.Errorf("a form without its token: %d", got.status)
	}
	for _, tc := range []struct {
		host, remote string
		want         int
	}{
		{"localhost:8080", "127.0.0.1:1000", http.StatusOK},
		{"127.0.0.1:8080", "127.0.0.1:1000", http.StatusOK},
		{"[::1]:8080", "[::1]:1000", http.StatusOK},
		{"evil.example:8080", "127.0.0.1:1000", http.StatusForbidden},
		{"localhost.evil.example", "127.0.0.1:1000", http.StatusForbidden},
		{"localhost:8080", "192.0.2.1:1000", http.StatusForbidden},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host, r.RemoteAddr = tc.host, tc.remote
		w := httptest.NewRecorder()
		s.server.Config.Handler.ServeHTTP(w, r)
		if w.Code != tc.want {
			t.Errorf("%s from %s: %d, want %d", tc.host, tc.remote, w.Code, tc.want)
		}
	}
	_, err := people.NewGate(people.GateOptions{Config: &candorv1.Config{}, PublicURL: "http://localhost:1"})
	if err == nil || !strings.Contains(err.Error(), "nobody could log in") {
		t.Errorf("without anybody: %v", err)
	}
	if slices.Contains(s.records(), "session.begin sessions/demo demo anonymous") {
		t.Error("a session was stored")
	}
}
