package people_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"
)

const newPassword = "another horse with no battery"

func TestOwnPassword(t *testing.T) {
	s := localSite(t)
	b := s.member("ann", reviewer)
	other := s.browser()
	other.login("ann", goodPassword)
	bob := s.member("bob", reviewer)
	token := b.get("/account").csrf()
	change := func(old, fresh, again string) answer {
		t.Helper()
		return b.post("/account/password", url.Values{"csrf": {token}, "old": {old}, "password": {fresh}, "again": {again}})
	}
	for what, a := range map[string]answer{
		"not the old one": change("wrong", newPassword, newPassword), "too short": change(goodPassword, "short", "short"),
		"not the same": change(goodPassword, newPassword, newPassword+"!"), "the old one again": change(goodPassword, goodPassword, goodPassword),
		"the name": change(goodPassword, "ann-ann-ann-ann-ann", "ann-ann-ann-ann-ann"),
	} {
		if a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, `role="alert" id="problem">`) {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
	}
	if a := b.post("/account/password", url.Values{"old": {goodPassword}, "password": {newPassword}, "again": {newPassword}}); a.status != http.StatusForbidden {
		t.Errorf("without the token of its forms: %d", a.status)
	}
	if !other.isIn() {
		t.Error("what was refused ended a session")
	}
	if a := change(goodPassword, newPassword, newPassword); a.status != http.StatusSeeOther || a.location != "/account?done=password" {
		t.Fatalf("changed: %d to %q %s", a.status, a.location, a.body)
	}
	if !b.isIn() || other.isIn() || !bob.isIn() {
		t.Errorf("who is in: the one who changed it %v, their other session %v, somebody else %v; want only the second out", b.isIn(), other.isIn(), bob.isIn())
	}
	if a := s.browser().login("ann", goodPassword); a.status != http.StatusUnauthorized {
		t.Errorf("the old password logs in: %d", a.status)
	}
	if a := s.browser().login("ann", newPassword); a.status != http.StatusSeeOther {
		t.Errorf("the new one doesn't: %d", a.status)
	}
	records := s.records()
	for _, want := range []string{"user.password users/ann ann by the user", "session.refused users/ann gateway wrong password"} {
		if !slices.Contains(records, want) {
			t.Errorf("%q is not recorded: %q", want, records)
		}
	}
	// Whoever finds a browser open can't guess for long.
	last := 0
	for range 12 {
		last = change("a guess of somebody", goodPassword, goodPassword).status
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("the twelfth guess is answered by %d", last)
	}
}

// addPasskey adds a device's key to the account of whoever has logged in.
func (b *browser) addPasskey(d *device, label string) answer {
	b.s.t.Helper()
	begun := b.account("/account/passkey/begin", "{}")
	if begun.status != http.StatusOK {
		return begun
	}
	return b.account("/account/passkey/finish?label="+url.QueryEscape(label), b.attest(d, begun.body))
}

// account posts JSON with the token of the session's forms.
func (b *browser) account(path, body string) answer {
	b.s.t.Helper()
	b.headers["X-Candor-CSRF"] = b.get("/account").csrf()
	defer delete(b.headers, "X-Candor-CSRF")
	return b.do(http.MethodPost, path, "application/json", body)
}

func (b *browser) attest(d *device, options string) string {
	b.s.t.Helper()
	o, err := virtualwebauthn.ParseAttestationOptions(options)
	if err != nil {
		b.s.t.Fatalf("%v in %s", err, options)
	}
	return virtualwebauthn.CreateAttestationResponse(d.rp, d.auth, d.key, *o)
}

func TestOwnPasskeys(t *testing.T) {
	s := localSite(t)
	b := s.member("ann", reviewer)
	first := s.device("ann")
	if a := b.addPasskey(first, "  my\nlaptop "); a.status != http.StatusOK || a.body != `{"next":"/account?done=added"}` {
		t.Fatalf("added: %d %s", a.status, a.body)
	}
	if a := b.addPasskey(first, "again"); a.status == http.StatusOK {
		t.Errorf("the same key twice: %d %s", a.status, a.body)
	}
	if a := b.get("/account"); !strings.Contains(a.body, "my laptop") {
		t.Errorf("the page doesn't list it: %s", a.body)
	}
	second := s.device("ann")
	if a := b.addPasskey(second, strings.Repeat("ü", 100)); a.status != http.StatusOK {
		t.Fatalf("a second one: %d %s", a.status, a.body)
	}
	if a := b.get("/account"); !strings.Contains(a.body, ">"+strings.Repeat("ü", 40)+" <") && strings.Contains(a.body, strings.Repeat("ü", 41)) {
		t.Errorf("a long name is not cut: %s", a.body)
	}
	for _, d := range []*device{first, second} {
		d.key.Counter = 1
		c := s.browser()
		if a := c.loginPasskey(d, "/"); a.status != http.StatusOK {
			t.Errorf("a login by it: %d %s", a.status, a.body)
		}
		// What is known of it survives its use.
		if a := c.get("/account"); !strings.Contains(a.body, "my laptop") {
			t.Errorf("the name is lost after a login: %s", a.body)
		}
	}
	other := s.browser()
	other.login("ann", goodPassword)
	bob := s.member("bob", reviewer)
	remove := func(b *browser, d *device) answer {
		t.Helper()
		return b.post("/account/passkey/remove", url.Values{"csrf": {b.get("/account").csrf()}, "id": {d.id()}})
	}
	if a := remove(bob, first); a.status != http.StatusNotFound {
		t.Errorf("somebody else's is removed: %d", a.status)
	}
	if a := remove(b, first); a.status != http.StatusSeeOther || a.location != "/account?done=removed" {
		t.Fatalf("removed: %d %s", a.status, a.body)
	}
	if other.isIn() || !b.isIn() {
		t.Error("the other session goes on, or this one has ended")
	}
	first.key.Counter = 2
	if a := s.browser().loginPasskey(first, "/"); a.status != http.StatusUnauthorized {
		t.Errorf("a login by a removed one: %d", a.status)
	}
	records := s.records()
	for _, want := range []string{"user.add_passkey users/ann ann by the user", "user.remove_passkey users/ann ann by the user"} {
		if !slices.Contains(records, want) {
			t.Errorf("%q is not recorded: %q", want, records)
		}
	}
	// Somebody else's ceremony, and one that another browser began.
	begun := b.account("/account/passkey/begin", "{}")
	third := s.device("ann")
	signed := b.attest(third, begun.body)
	if a := bob.account("/account/passkey/finish", signed); a.status != http.StatusUnauthorized {
		t.Errorf("bob takes ann's ceremony: %d %s", a.status, a.body)
	}
	// A browser that was left open makes no key that lasts.
	begun = b.account("/account/passkey/begin", "{}")
	signed = b.attest(third, begun.body)
	s.store.forward(15 * time.Minute)
	for what, a := range map[string]answer{
		"begin": b.account("/account/passkey/begin", "{}"), "finish": b.account("/account/passkey/finish", signed), "remove": remove(b, second),
	} {
		if a.status != http.StatusForbidden || !strings.Contains(a.body, "Log out and in again") {
			t.Errorf("%s a quarter of an hour later: %d %s", what, a.status, a.body)
		}
	}
	if u, err := s.store.User(t.Context(), "ann"); err != nil || len(u.Passkeys) != 1 {
		t.Errorf("%d passkeys are left, want 1: %v", len(u.Passkeys), err)
	}
}

// The only thing that somebody can log in by stays.
func TestLastPasskeyStays(t *testing.T) {
	s := localSite(t)
	code := s.user("ann", reviewer)
	d := s.device("ann")
	b := s.browser()
	b.enrolPasskey(d, code)
	d.key.Counter = 1
	b.loginPasskey(d, "/")
	a := b.post("/account/passkey/remove", url.Values{"csrf": {b.get("/account").csrf()}, "id": {d.id()}})
	if a.status != http.StatusConflict || !strings.Contains(a.body, "Add another passkey or a password first") {
		t.Errorf("removed: %d %s", a.status, a.body)
	}
	if page := b.get("/account"); strings.Contains(page.body, "Old password") {
		t.Error("the page asks whoever has no password for the old one")
	}
	if a := b.post("/account/password", url.Values{"csrf": {b.get("/account").csrf()}, "old": {""}, "password": {newPassword}, "again": {newPassword}}); a.status != http.StatusUnprocessableEntity {
		t.Errorf("a password without an old one: %d", a.status)
	}
	if u, err := s.store.User(t.Context(), "ann"); err != nil || len(u.Passkeys) != 1 || u.Password != "" {
		t.Errorf("ann has %d passkeys and the password %q: %v", len(u.Passkeys), u.Password, err)
	}
}

// Nobody without a session gets the page, and who logs out to log in again comes back to it.
func TestAccountNeedsALogin(t *testing.T) {
	s := localSite(t)
	b := s.browser()
	if a := b.get("/account"); a.status != http.StatusSeeOther || a.location != "/login?next=%2Faccount" {
		t.Errorf("without a session: %d to %q", a.status, a.location)
	}
	if a := b.post("/account/password", url.Values{}); a.status != http.StatusUnauthorized {
		t.Errorf("a change without a session: %d", a.status)
	}
	b = s.member("ann", reviewer)
	if a := b.post("/logout", url.Values{"csrf": {b.get("/account").csrf()}, "next": {"/account"}}); a.location != "/login?next=%2Faccount" {
		t.Errorf("logged out to %q", a.location)
	}
	b = s.member("cy", reviewer)
	if a := b.post("/logout", url.Values{"csrf": {b.get("/account").csrf()}, "next": {"//evil.example"}}); a.location != "/login" {
		t.Errorf("logged out to %q", a.location)
	}
}
