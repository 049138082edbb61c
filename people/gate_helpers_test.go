package people_test

import (
	"context"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/leaktest"
	"github.com/candor-gateway/candor/people"
	"github.com/candor-gateway/candor/store/sqlite"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// cheap is a cost for tests; the default's is nobody's to wait for.
var cheap = people.Cost{MemoryKiB: 64, Passes: 1, Threads: 1}

// shifted is a store whose clock a test moves forward, as its users see it.
type shifted struct {
	people.Store
	ahead atomic.Int64
}

func (s *shifted) Now() time.Time          { return s.Store.Now().Add(time.Duration(s.ahead.Load())) }
func (s *shifted) forward(d time.Duration) { s.ahead.Add(int64(d)) }

// site is a page behind a gate, over a real store.
type site struct {
	t      *testing.T
	db     *sqlite.Store
	dbPath string
	store  *shifted
	gate   *people.Gate
	server *httptest.Server
	// base is what browsers call it.
	base string
	// body is what the page's handler does, beside answering who asks.
	body func(w http.ResponseWriter, r *http.Request)
}

func localPeople() *candorv1.People {
	return &candorv1.People{Local: true, Sessions: &candorv1.Sessions{
		Idle: durationpb.New(time.Hour), Absolute: durationpb.New(12 * time.Hour),
	}}
}

// open makes a store for one test.
func openStore(t *testing.T) (*sqlite.Store, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "candor.db")
	if err := sqlite.Init(t.Context(), path, "test"); err != nil {
		t.Fatal(err)
	}
	db, err := sqlite.Open(t.Context(), path, "test", sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return db, path
}

// startSite serves a page under http://localhost, behind a gate of the configuration.
func startSite(t *testing.T, cfg *candorv1.Config, change ...func(*people.GateOptions)) *site {
	t.Helper()
	s := &site{t: t}
	s.db, s.dbPath = openStore(t)
	s.store = &shifted{Store: s.db.People()}
	s.server = httptest.NewUnstartedServer(nil)
	_, port, err := net.SplitHostPort(s.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s.base = "http://localhost:" + port
	o := people.GateOptions{Config: cfg, Store: s.store, PublicURL: s.base, Cost: cheap, Open: []string{"/open/"}}
	for _, c := range change {
		c(&o)
	}
	if s.gate, err = people.NewGate(o); err != nil {
		t.Fatal(err)
	}
	s.server.Config.Handler = s.gate.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.body != nil {
			s.body(w, r)
		}
		who, _, ok := s.gate.Person(r)
		fmt.Fprintf(w, "%s %s %v csrf=%q", who.Name, who.Method, ok, s.gate.CSRF(r))
	}))
	s.server.Start()
	t.Cleanup(s.server.Close)
	return s
}

// user makes a local user and answers their enrolment code.
func (s *site) user(name string, roles ...candorv1.Role) string {
	s.t.Helper()
	code := people.NewCode()
	err := s.store.CreateUser(s.t.Context(), people.User{Name: name, Roles: roles, Handle: people.NewHandle()},
		people.Code{Sum: people.SumOfCode(code), Expire: s.db.Now().Add(time.Hour)}, people.By{Name: "root"})
	if err != nil {
		s.t.Fatal(err)
	}
	return code
}

// change sets what a user may do.
func (s *site) change(c people.Change) {
	s.t.Helper()
	if _, err := s.store.UpdateUser(s.t.Context(), c, people.By{Name: "root"}); err != nil {
		s.t.Fatal(err)
	}
}

// records are the AdminRecords of the log, as "verb subject by reason".
func (s *site) records() []string {
	s.t.Helper()
	scan, err := s.db.Scan(s.t.Context(), time.Time{}, time.Time{})
	if err != nil {
		s.t.Fatal(err)
	}
	var out []string
	for rec, err := range scan.All(s.t.Context()) {
		if err != nil {
			s.t.Fatal(err)
		}
		if a := rec.GetAdmin(); a != nil {
			out = append(out, strings.Join([]string{a.GetVerb(), a.GetSubject(), a.GetBy(), a.GetReason()}, " "))
		}
	}
	return out
}

// browser is one person's, which keeps cookies and follows no redirects.
type browser struct {
	s      *site
	client *http.Client
	// headers of every request.
	headers map[string]string
}

func (s *site) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	// Whatever localhost means here, the server listens on one address.
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		if "http://"+address == s.base {
			address = s.server.Listener.Addr().String()
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	transport := &http.Transport{DialContext: dial}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &browser{s, &http.Client{
		Jar: jar, Transport: transport, Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, map[string]string{"Sec-Fetch-Site": "same-origin"}}
}

// answer is a response that has been read.
type answer struct {
	status   int
	location string
	body     string
	header   http.Header
}

func (b *browser) do(method, path, contentType, body string) answer {
	b.s.t.Helper()
	target := path
	if strings.HasPrefix(path, "/") {
		target = b.s.base + path
	}
	req, err := http.NewRequestWithContext(b.s.t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		b.s.t.Fatal(err)
	}
	for k, v := range b.headers {
		req.Header.Set(k, v)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := b.client.Do(req)
	if err != nil {
		b.s.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		b.s.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header.Get("Location"), string(data), resp.Header}
}

func (b *browser) get(path string) answer { b.s.t.Helper(); return b.do(http.MethodGet, path, "", "") }

func (b *browser) post(path string, form url.Values) answer {
	b.s.t.Helper()
	return b.do(http.MethodPost, path, "application/x-www-form-urlencoded", form.Encode())
}

var csrfPattern = regexp.MustCompile(`(?:name="csrf" value|csrf)="([^"]+)"`)

// csrf is the token of a page's forms.
func (a answer) csrf() string {
	m := csrfPattern.FindStringSubmatch(html.UnescapeString(a.body))
	if m == nil {
		return ""
	}
	return m[1]
}

// login posts name and password from the login page.
func (b *browser) login(name, password string) answer {
	b.s.t.Helper()
	token := b.get("/login").csrf()
	return b.post("/login", url.Values{"csrf": {token}, "name": {name}, "password": {password}})
}

// cookies are the names and values that the browser has.
func (b *browser) cookies() map[string]string {
	u, err := url.Parse(b.s.base)
	if err != nil {
		b.s.t.Fatal(err)
	}
	out := map[string]string{}
	for _, c := range b.client.Jar.Cookies(u) {
		out[c.Name] = c.Value
	}
	return out
}

const goodPassword = "correct horse battery staple"

// enrol sets a user's password with their code.
func (b *browser) enrol(code, password string) answer {
	b.s.t.Helper()
	token := b.get("/enrol").csrf()
	return b.post("/enrol", url.Values{"csrf": {token}, "code": {code}, "password": {password}, "again": {password}})
}

// member makes a user with the good password, and a browser in which they have logged in.
func (s *site) member(name string, roles ...candorv1.Role) *browser {
	s.t.Helper()
	b := s.browser()
	if a := b.enrol(s.user(name, roles...), goodPassword); a.status != http.StatusSeeOther {
		s.t.Fatalf("enrol: %d %s", a.status, a.body)
	}
	if a := b.login(name, goodPassword); a.status != http.StatusSeeOther || a.location != "/" {
		s.t.Fatalf("login: %d %s", a.status, a.body)
	}
	return b
}

// isIn says whether the browser gets the page.
func (b *browser) isIn() bool { b.s.t.Helper(); return b.get("/").status == http.StatusOK }
