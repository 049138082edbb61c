package people_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/candor-gateway/candor/people"
)

// keyMember makes a user who has a passkey and no password, and a browser in which they have logged in by it.
func (s *site) keyMember(name string) (*browser, *device) {
	s.t.Helper()
	code := s.user(name, reviewer)
	b, d := s.browser(), s.device(name)
	if a := b.enrolPasskey(d, code); a.status != http.StatusOK {
		s.t.Fatalf("enrol: %d %s", a.status, a.body)
	}
	b.again(d)
	return b, d
}

// again logs a browser in by a passkey.
func (b *browser) again(d *device) {
	b.s.t.Helper()
	d.key.Counter++
	if a := b.loginPasskey(d, "/"); a.status != http.StatusOK {
		b.s.t.Fatalf("login: %d %s", a.status, a.body)
	}
}

// addPassword posts the form of one's account.
func (b *browser) addPassword(password, again string) answer {
	b.s.t.Helper()
	return b.post("/account/password/add", url.Values{"csrf": {b.get("/account").csrf()}, "password": {password}, "again": {again}})
}

func TestAddPassword(t *testing.T) {
	s := localSite(t)
	b, d := s.keyMember("ann")
	other := s.browser()
	other.again(d)
	bob := s.member("bob", reviewer)
	if a := b.get("/account"); !strings.Contains(a.body, `action="/account/password/add"`) || strings.Contains(a.body, "Old password") {
		t.Errorf("the page doesn't offer it: %s", a.body)
	}
	for what, a := range map[string]answer{
		"too short": b.addPassword("short", "short"), "not the same": b.addPassword(newPassword, newPassword+"!"), "none": b.addPassword("", ""),
		"the name": b.addPassword("ann-ann-ann-ann-ann", "ann-ann-ann-ann-ann"),
	} {
		if a.status != http.StatusUnprocessableEntity || strings.Contains(a.body, `id="problem" hidden`) {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
	}
	if a := b.post("/account/password/add", url.Values{"password": {newPassword}, "again": {newPassword}}); a.status != http.StatusForbidden {
		t.Errorf("without the token of its forms: %d", a.status)
	}
	b.headers["Sec-Fetch-Site"] = "cross-site"
	if a := b.addPassword(newPassword, newPassword); a.status != http.StatusForbidden {
		t.Errorf("from another site: %d", a.status)
	}
	b.headers["Sec-Fetch-Site"] = "same-origin"
	if u, err := s.store.User(t.Context(), "ann"); err != nil || u.Password != "" || !other.isIn() {
		t.Fatalf("what was refused set a password or ended a session: %v", err)
	}
	if a := b.addPassword(newPassword, newPassword); a.status != http.StatusSeeOther || a.location != "/account?done=password-added" {
		t.Fatalf("added: %d to %q %s", a.status, a.location, a.body)
	}
	if a := b.get("/account?done=password-added"); !strings.Contains(a.body, "The password is added.") || !strings.Contains(a.body, "Old password") {
		t.Errorf("the page says: %s", a.body)
	}
	if !b.isIn() || other.isIn() || !bob.isIn() {
		t.Errorf("who is in: the one who added it %v, their other session %v, somebody else %v; want only the second out", b.isIn(), other.isIn(), bob.isIn())
	}
	if a := s.browser().login("ann", newPassword); a.status != http.StatusSeeOther {
		t.Errorf("the password doesn't log in: %d", a.status)
	}
	s.browser().again(d)
	if !slices.Contains(s.records(), "user.add_password users/ann ann by the user") {
		t.Errorf("it is not recorded: %q", s.records())
	}
	// A second one would need no old one.
	if a := b.addPassword(goodPassword, goodPassword); a.status != http.StatusConflict || !strings.Contains(a.body, "You have a password already") {
		t.Errorf("a second one: %d %s", a.status, a.body)
	}
	if a := bob.addPassword(newPassword, newPassword); a.status != http.StatusConflict {
		t.Errorf("a second one of bob's: %d", a.status)
	}
	if a := s.browser().login("bob", goodPassword); a.status != http.StatusSeeOther {
		t.Errorf("bob's password was replaced: %d", a.status)
	}
	// Now the passkey can go: the password is left, and nothing takes that away.
	if a := b.post("/account/passkey/remove", url.Values{"csrf": {b.get("/account").csrf()}, "id": {d.id()}}); a.status != http.StatusSeeOther {
		t.Errorf("the passkey is not removed: %d %s", a.status, a.body)
	}
	if u, err := s.store.User(t.Context(), "ann"); err != nil || u.Password == "" || len(u.Passkeys) != 0 {
		t.Errorf("ann has %d passkeys and the password %q: %v", len(u.Passkeys), u.Password, err)
	}
}

// A browser that was left open makes no password.
func TestAddPasswordNeedsARecentLogin(t *testing.T) {
	s := localSite(t)
	b, _ := s.keyMember("ann")
	s.store.forward(15 * time.Minute)
	if a := b.addPassword(newPassword, newPassword); a.status != http.StatusForbidden || !strings.Contains(a.body, "Log out and in again, then add a password") {
		t.Errorf("a quarter of an hour later: %d %s", a.status, a.body)
	}
	if a := b.get("/account"); strings.Contains(a.body, `action="/account/password/add"`) {
		t.Error("the page offers what would be refused")
	}
	if a := s.browser().post("/account/password/add", url.Values{}); a.status != http.StatusUnauthorized {
		t.Errorf("without a session: %d", a.status)
	}
	s.store.forward(-time.Minute)
	if a := b.addPassword(newPassword, newPassword); a.status != http.StatusSeeOther {
		t.Errorf("a minute before: %d %s", a.status, a.body)
	}
}

// Of many forms sent at once one is taken, and its password is the one that logs in.
func TestAddPasswordsAtOnce(t *testing.T) {
	s := localSite(t)
	b, _ := s.keyMember("ann")
	token := b.get("/account").csrf()
	passwords := []string{"the first of some horses", "the second of some horses", "the third of some horses"}
	got := make([]answer, len(passwords))
	var wg sync.WaitGroup
	for i, p := range passwords {
		wg.Go(func() {
			got[i] = b.post("/account/password/add", url.Values{"csrf": {token}, "password": {p}, "again": {p}})
		})
	}
	wg.Wait()
	for i, a := range got {
		logged := s.browser().login("ann", passwords[i]).status == http.StatusSeeOther
		if taken := a.status == http.StatusSeeOther; taken != logged || !taken && a.status != http.StatusConflict {
			t.Errorf("%q: answered by %d, logs in %v", passwords[i], a.status, logged)
		}
	}
	if !slices.ContainsFunc(got, func(a answer) bool { return a.status == http.StatusSeeOther }) {
		t.Error("none was taken")
	}
}

// Who was reset while the form was on its way has no password by it.
func TestAddPasswordAfterAReset(t *testing.T) {
	s := localSite(t)
	b, _ := s.keyMember("ann")
	form := url.Values{"csrf": {b.get("/account").csrf()}, "password": {newPassword}, "again": {newPassword}}
	if err := s.store.ResetUser(t.Context(), "ann", people.Code{}, people.By{Name: "root"}); err != nil {
		t.Fatal(err)
	}
	if a := b.post("/account/password/add", form); a.status != http.StatusUnauthorized {
		t.Errorf("after a reset: %d %s", a.status, a.body)
	}
	if u, err := s.store.User(t.Context(), "ann"); err != nil || u.Password != "" {
		t.Errorf("the password is %q: %v", u.Password, err)
	}
}
