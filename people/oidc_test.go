package people_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/people"
)

func secretFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(clientSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// loginOIDC goes the whole way to the provider and back, with the given change of what the provider sends the browser to.
func (b *browser) loginOIDC(next string, change func(back *url.URL)) answer {
	b.s.t.Helper()
	to := b.get("/oidc/start?next=" + url.QueryEscape(next))
	if to.status != http.StatusSeeOther {
		return to
	}
	back := b.get(to.location)
	u, err := url.Parse(back.location)
	if err != nil || u.Path != "/oidc/callback" {
		b.s.t.Fatalf("the provider sends to %q (%d %s)", back.location, back.status, back.body)
	}
	if change != nil {
		change(u)
	}
	return b.get(u.RequestURI())
}

func TestOIDCLogin(t *testing.T) {
	p := startOpenID(t)
	s := startSite(t, p.config(secretFile(t)))
	b := s.browser()
	if a := b.get("/login?next=/work"); !strings.Contains(a.body, `href="/oidc/start?next=%2fwork"`) || strings.Contains(a.body, "password") {
		t.Errorf("the login page: %s", a.body)
	}
	if a := b.loginOIDC("/work", nil); a.status != http.StatusSeeOther || a.location != "/work" {
		t.Fatalf("%d to %q: %s", a.status, a.location, a.body)
	}
	if a := b.get("/work"); !strings.HasPrefix(a.body, "ann@example.com oidc true") {
		t.Errorf("%s", a.body)
	}
	if a := b.get("/account"); a.status != http.StatusOK || !strings.Contains(a.body, "ann@example.com") || strings.Contains(a.body, "Old password") || strings.Contains(a.body, "Passkeys") {
		t.Errorf("the account of somebody whom the provider keeps: %d %s", a.status, a.body)
	}
	for what, tc := range map[string]struct {
		groups any
		roles  []candorv1.Role
		queues []string
	}{
		"a list":        {[]string{"x", "reviewers"}, []candorv1.Role{reviewer}, []string{"desk"}},
		"a text":        {"reviewers", []candorv1.Role{reviewer}, []string{"desk"}},
		"two grants":    {[]string{"reviewers", "others"}, []candorv1.Role{reviewer}, []string{"desk", "other"}},
		"all queues":    {[]string{"reviewers", "seniors"}, []candorv1.Role{reviewer, candorv1.Role_ROLE_SENIOR}, nil},
		"grants beside": {[]string{"seniors"}, []candorv1.Role{reviewer, candorv1.Role_ROLE_SENIOR}, nil},
	} {
		p.next(map[string]any{"groups": tc.groups}, nil)
		var got people.Person
		s.body = func(_ http.ResponseWriter, r *http.Request) { got, _, _ = s.gate.Person(r) }
		b := s.browser()
		b.loginOIDC("/", nil)
		b.get("/")
		if !slices.Equal(got.Roles, tc.roles) || !slices.Equal(got.Queues, tc.queues) || (got.Queues == nil) != (tc.queues == nil) {
			t.Errorf("%s: %+v", what, got)
		}
	}
	// An administrator shuts somebody out by taking their name.
	s.user("ann@example.com", candorv1.Role_ROLE_ADMIN)
	if b.isIn() {
		t.Error("who is shut out is in")
	}
	if a := b.loginOIDC("/", nil); a.status != http.StatusForbidden {
		t.Errorf("who is shut out logs in: %d", a.status)
	}
}

func TestOIDCRefusals(t *testing.T) {
	p := startOpenID(t)
	s := startSite(t, p.config(secretFile(t)))
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	unsigned := func(header string) func(map[string]any) string {
		return func(claims map[string]any) string {
			body, err := json.Marshal(claims)
			if err != nil {
				t.Error(err)
			}
			return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString(body) + "."
		}
	}
	symmetric := func(claims map[string]any) string {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(strings.Repeat(clientSecret, 2))}, nil)
		if err != nil {
			t.Error(err)
		}
		token, err := jwt.Signed(signer).Claims(claims).Serialize()
		if err != nil {
			t.Error(err)
		}
		return token
	}
	for what, tc := range map[string]struct {
		claims map[string]any
		sign   func(map[string]any) string
		change func(*url.URL)
		says   string
	}{
		"another nonce":           {claims: map[string]any{"nonce": "x"}, says: "another login"},
		"no nonce":                {claims: map[string]any{"nonce": nil}, says: "another login"},
		"another audience":        {claims: map[string]any{"aud": "somebody else"}, says: "audience"},
		"another issuer":          {claims: map[string]any{"iss": "https://evil.example"}, says: "issued by a different provider"},
		"expired":                 {claims: map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}, says: "expired"},
		"an unverified address":   {claims: map[string]any{"email_verified": false}, says: "not verified"},
		"nobody says verified":    {claims: map[string]any{"email_verified": nil}, says: "not verified"},
		"no address":              {claims: map[string]any{"email": nil}, says: "no claim email"},
		"an address that is none": {claims: map[string]any{"email": "a b/c"}, says: "no name here"},
		"a reserved name":         {claims: map[string]any{"email": "policy"}, says: "no name here"},
		"an operator's name":      {claims: map[string]any{"email": "olu"}, says: "one of the configuration's"},
		"no grant":                {claims: map[string]any{"groups": []string{"visitors"}}, says: "no grant"},
		"no group":                {claims: map[string]any{"groups": nil}, says: "no grant"},
		"groups of another form":  {claims: map[string]any{"groups": 7}, says: "neither a text"},
		"a stranger's key":        {sign: func(c map[string]any) string { return p.signed(stranger, c) }, says: "failed to verify"},
		"alg none":                {sign: unsigned(`{"alg":"none"}`), says: "token is not good"},
		"alg none with a key":     {sign: unsigned(`{"alg":"none","kid":"k"}`), says: "token is not good"},
		"a secret of both sides":  {sign: symmetric, says: "token is not good"},
		"no token":                {sign: func(map[string]any) string { return "" }, says: "token is not good"},
		"another code": {change: func(u *url.URL) {
			q := u.Query()
			q.Set("code", "x")
			u.RawQuery = q.Encode()
		}, says: "did not take the code"},
	} {
		p.next(tc.claims, tc.sign)
		b := s.browser()
		a := b.loginOIDC("/", tc.change)
		if a.status != http.StatusForbidden || b.isIn() {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
		if got := s.records(); !strings.HasPrefix(got[len(got)-1], "session.refused ") || !strings.Contains(got[len(got)-1], tc.says) {
			t.Errorf("%s is recorded as %q, want %q", what, got[len(got)-1], tc.says)
		}
	}
	p.next(nil, nil)
	for what, change := range map[string]func(*url.URL){
		"another state": func(u *url.URL) { u.RawQuery = strings.Replace(u.RawQuery, "state=", "state=x", 1) },
		"no state":      func(u *url.URL) { u.RawQuery = "code=" + u.Query().Get("code") },
	} {
		b := s.browser()
		if a := b.loginOIDC("/", change); a.status != http.StatusBadRequest || b.isIn() {
			t.Errorf("%s: %d", what, a.status)
		}
	}
	// The callback of somebody else's login, in a browser that has not begun one.
	b := s.browser()
	var back *url.URL
	s.browser().loginOIDC("/", func(u *url.URL) { back = &url.URL{Path: u.Path, RawQuery: u.RawQuery}; u.RawQuery = "" })
	if a := b.get(back.RequestURI()); a.status != http.StatusBadRequest || b.isIn() {
		t.Errorf("another browser's login: %d", a.status)
	}
	if a := b.loginOIDC("/", func(u *url.URL) { u.RawQuery = "error=access_denied&state=" + u.Query().Get("state") }); a.status != http.StatusUnauthorized {
		t.Errorf("who was not let in: %d", a.status)
	}
}

// A provider that is down stops nobody but those who would log in by it, and only as long as it is.
func TestOIDCProviderDown(t *testing.T) {
	p := startOpenID(t)
	p.down.Store(true)
	cfg := p.config(secretFile(t))
	cfg.People.Local = true
	s := startSite(t, cfg)
	if b := s.member("ann", reviewer); !b.isIn() {
		t.Error("a local user is not in")
	}
	b := s.browser()
	if a := b.loginOIDC("/", nil); a.status != http.StatusBadGateway || !strings.Contains(a.body, "does not answer") {
		t.Errorf("%d %s", a.status, a.body)
	}
	p.down.Store(false)
	if a := b.loginOIDC("/", nil); a.status != http.StatusBadGateway {
		t.Errorf("at once: %d", a.status)
	}
	s.store.forward(5 * time.Second)
	if a := b.loginOIDC("/", nil); a.status != http.StatusSeeOther || !b.isIn() {
		t.Errorf("later: %d %s", a.status, a.body)
	}
}

func TestBearers(t *testing.T) {
	p := startOpenID(t)
	db, _ := openStore(t)
	store := &shifted{Store: db.People()}
	cfg := p.config("")
	cfg.People.Local = true
	tokens := people.NewTokens(people.TokensOptions{Config: cfg, Store: store})
	who, err := tokens.Authenticate(t.Context(), p.make("candor-grpc", ""))
	if err != nil || who.Name != "ann@example.com" || who.Method != people.MethodOIDC || !slices.Equal(who.Queues, []string{"desk"}) {
		t.Fatalf("%+v, %v", who, err)
	}
	// What was made for the pages is none for gRPC.
	if _, err := tokens.Authenticate(t.Context(), p.make(clientID, "")); !errors.Is(err, people.ErrRefused) {
		t.Errorf("the pages' token: %v", err)
	}
	for _, bad := range []string{"", "x", "a.b.c", "..", "candor_x"} {
		if _, err := tokens.Authenticate(t.Context(), bad); !errors.Is(err, people.ErrRefused) && !errors.Is(err, people.ErrNotFound) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	p.next(map[string]any{"exp": time.Now().Add(10 * time.Second).Unix()}, nil)
	short := p.make("candor-grpc", "")
	if _, err := tokens.Authenticate(t.Context(), short); err != nil {
		t.Error(err)
	}
	store.forward(11 * time.Second)
	if _, err := tokens.Authenticate(t.Context(), short); !errors.Is(err, people.ErrRefused) {
		t.Errorf("an expired token: %v", err)
	}

	if err := store.CreateUser(t.Context(), people.User{Name: "bob", Roles: []candorv1.Role{reviewer}, Handle: people.NewHandle()}, people.Code{}, people.By{Name: "root"}); err != nil {
		t.Fatal(err)
	}
	secret := people.NewToken()
	if err := store.CreateToken(t.Context(), "bob", people.Token{ID: "1", Expire: store.Now().Add(time.Hour)}, people.SumOf(secret), people.By{Name: "root"}); err != nil {
		t.Fatal(err)
	}
	who, err = tokens.Authenticate(t.Context(), secret)
	if err != nil || who.Name != "bob" || who.Method != people.MethodToken {
		t.Fatalf("%+v, %v", who, err)
	}
	if u, err := store.User(t.Context(), "bob"); err != nil || u.Tokens[0].LastUse.IsZero() {
		t.Errorf("the use wasn't stored: %+v, %v", u, err)
	}
	for what, cfg := range map[string]*candorv1.Config{
		"without local": p.config(""), "without people": {},
		"with a namesake": {People: localPeople(), Consumers: map[string]*candorv1.Consumer{"bob": {}}},
	} {
		_, err := people.NewTokens(people.TokensOptions{Config: cfg, Store: store}).Authenticate(t.Context(), secret)
		if !errors.Is(err, people.ErrNotFound) && !errors.Is(err, people.ErrRefused) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := store.RevokeToken(t.Context(), "bob", "1", people.By{Name: "root"}); err != nil {
		t.Fatal(err)
	}
	store.forward(30 * time.Second)
	if _, err := tokens.Authenticate(t.Context(), secret); !errors.Is(err, people.ErrNotFound) {
		t.Errorf("a revoked token after half a minute: %v", err)
	}
}
