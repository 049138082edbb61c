package people_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/people"
)

// device is an authenticator with one passkey.
type device struct {
	rp   virtualwebauthn.RelyingParty
	auth virtualwebauthn.Authenticator
	key  virtualwebauthn.Credential
}

func (s *site) device(name string) *device {
	s.t.Helper()
	u, err := s.store.User(s.t.Context(), name)
	if err != nil {
		s.t.Fatal(err)
	}
	d := &device{
		rp:   virtualwebauthn.RelyingParty{ID: "localhost", Name: "Candor", Origin: s.base},
		auth: virtualwebauthn.NewAuthenticatorWithOptions(virtualwebauthn.AuthenticatorOptions{UserHandle: u.Handle}),
		key:  newKey(),
	}
	d.auth.AddCredential(d.key)
	return d
}

// newKey draws keys until both coordinates fill their 32 bytes: the virtual authenticator leaves leading zeros out, of one key in 128,
// which RFC 9053 (7.1.1) forbids and no verifier takes. The COSE key of a full one has 77 bytes.
func newKey() virtualwebauthn.Credential {
	for {
		key := virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
		if len(key.Key.AttestationData()) == 77 {
			return key
		}
	}
}

// id of its key, as pages have it.
func (d *device) id() string { return base64.RawURLEncoding.EncodeToString(d.key.ID) }

// script posts JSON as the page's script does.
func (b *browser) script(path, body string) answer {
	b.s.t.Helper()
	b.headers["X-Candor-CSRF"] = b.cookies()["candor_form"]
	defer delete(b.headers, "X-Candor-CSRF")
	return b.do(http.MethodPost, path, "application/json", body)
}

func (b *browser) enrolPasskey(d *device, code string) answer {
	b.s.t.Helper()
	b.get("/enrol")
	in, err := json.Marshal(map[string]string{"code": code})
	if err != nil {
		b.s.t.Fatal(err)
	}
	begun := b.script("/enrol/passkey/begin", string(in))
	if begun.status != http.StatusOK {
		return begun
	}
	options, err := virtualwebauthn.ParseAttestationOptions(begun.body)
	if err != nil {
		b.s.t.Fatalf("%v in %s", err, begun.body)
	}
	if !strings.Contains(begun.body, `"residentKey":"required"`) || !strings.Contains(begun.body, `"userVerification":"required"`) {
		b.s.t.Errorf("options %s", begun.body)
	}
	return b.script("/enrol/passkey/finish", virtualwebauthn.CreateAttestationResponse(d.rp, d.auth, d.key, *options))
}

// sign answers a challenge for a login.
func (b *browser) sign(d *device) string {
	b.s.t.Helper()
	b.get("/login")
	begun := b.script("/login/passkey/begin", "{}")
	options, err := virtualwebauthn.ParseAssertionOptions(begun.body)
	if err != nil {
		b.s.t.Fatalf("%v in %s", err, begun.body)
	}
	return virtualwebauthn.CreateAssertionResponse(d.rp, d.auth, d.key, *options)
}

func (b *browser) loginPasskey(d *device, next string) answer {
	b.s.t.Helper()
	return b.script("/login/passkey/finish?next="+url.QueryEscape(next), b.sign(d))
}

func TestPasskeys(t *testing.T) {
	s := localSite(t)
	code := s.user("ann", reviewer)
	d := s.device("ann")
	b := s.browser()
	if a := b.enrolPasskey(d, code); a.status != http.StatusOK || a.body != `{"next":"/login"}` {
		t.Fatalf("enrol: %d %s", a.status, a.body)
	}
	if a := b.enrolPasskey(d, code); a.status != http.StatusUnauthorized {
		t.Errorf("the code again: %d", a.status)
	}
	d.key.Counter = 1
	if a := b.loginPasskey(d, "/work"); a.status != http.StatusOK || a.body != `{"next":"/work"}` {
		t.Fatalf("login: %d %s", a.status, a.body)
	}
	if a := b.get("/"); !strings.HasPrefix(a.body, "ann passkey true") {
		t.Errorf("%s", a.body)
	}
	if a := s.browser().login("ann", ""); a.status != http.StatusUnauthorized {
		t.Errorf("no password: %d", a.status)
	}
	refused := func(what, signed string, b *browser) {
		t.Helper()
		if a := b.script("/login/passkey/finish", signed); a.status != http.StatusUnauthorized || !strings.Contains(a.body, "problem") || b.isIn() {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
	}
	c := s.browser()
	d.key.Counter = 2
	signed := c.sign(d)
	other := s.browser()
	other.get("/login")
	refused("another browser's challenge", signed, other)
	refused("a challenge that somebody tried", signed, c)
	signed = c.sign(d)
	s.store.forward(5 * time.Minute)
	refused("a challenge of long ago", signed, c)
	d.key.Counter = 1
	refused("a counter that went back", c.sign(d), c)
	d.key.Counter = 9
	elsewhere := *d
	elsewhere.rp.Origin = "http://evil.example"
	refused("another origin", c.sign(&elsewhere), c)
	elsewhere = *d
	elsewhere.rp.ID = "evil.example"
	refused("another site's passkey", c.sign(&elsewhere), c)
	elsewhere = *d
	elsewhere.auth.Options.UserNotVerified = true
	refused("nobody confirmed it", c.sign(&elsewhere), c)
	elsewhere = *d
	elsewhere.key = newKey()
	refused("another key", c.sign(&elsewhere), c)
	elsewhere = *d
	elsewhere.auth.Options.UserHandle = []byte("nobody")
	refused("nobody's", c.sign(&elsewhere), c)
	refused("no JSON", "x", c)
	refused("nothing", "", c)
	s.change(people.Change{Name: "ann", Roles: []candorv1.Role{reviewer}, Disabled: true})
	refused("a disabled user's", c.sign(d), c)
	s.change(people.Change{Name: "ann", Roles: []candorv1.Role{reviewer}})
	if a := c.loginPasskey(d, "//evil.example"); a.status != http.StatusOK || a.body != `{"next":"/"}` {
		t.Errorf("the good one: %d %s", a.status, a.body)
	}
	if a := c.get("/login/passkey.js"); a.status != http.StatusOK || !strings.Contains(a.body, "navigator.credentials") {
		t.Errorf("the script: %d", a.status)
	}
}

// Under an address there are no passkeys, and the page offers none.
func TestNoPasskeysUnderAnAddress(t *testing.T) {
	s := startSite(t, &candorv1.Config{People: localPeople()}, func(o *people.GateOptions) { o.PublicURL = "http://127.0.0.1:1" })
	b := s.browser()
	if a := b.get("/login"); strings.Contains(a.body, "passkey") || !strings.Contains(a.body, "Password") {
		t.Errorf("%s", a.body)
	}
	if a := b.script("/login/passkey/begin", "{}"); a.status != http.StatusNotFound {
		t.Errorf("%d", a.status)
	}
}
