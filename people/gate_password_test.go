package people_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/people"
)

const reviewer = candorv1.Role_ROLE_REVIEWER

func localSite(t *testing.T) *site {
	return startSite(t, &candorv1.Config{People: localPeople()})
}

func TestEnrolAndLogIn(t *testing.T) {
	s := localSite(t)
	code := s.user("ann", reviewer)
	b := s.browser()
	if a := b.get("/work?x=1"); a.status != http.StatusSeeOther || a.location != "/login?next=%2Fwork%3Fx%3D1" {
		t.Fatalf("without a session: %d to %q", a.status, a.location)
	}
	if a := b.get("/open/style.css"); a.status != http.StatusOK || !strings.Contains(a.body, "false") {
		t.Errorf("what is open: %d %q", a.status, a.body)
	}
	page := b.get("/enrol")
	asked := b.post("/enrol", url.Values{"csrf": {page.csrf()}, "code": {strings.ToLower(strings.ReplaceAll(code, "-", " "))}})
	if asked.status != http.StatusOK || !strings.Contains(asked.body, "<strong>ann</strong>") {
		t.Fatalf("the code: %d %s", asked.status, asked.body)
	}
	for what, form := range map[string]url.Values{
		"too short":      {"password": {"short"}, "again": {"short"}},
		"not the same":   {"password": {goodPassword}, "again": {goodPassword + "r"}},
		"the name":       {"password": {"ann-ann-ann-ann-ann"}, "again": {"ann-ann-ann-ann-ann"}},
		"few characters": {"password": {"ababababababababab"}, "again": {"ababababababababab"}},
	} {
		form.Set("csrf", page.csrf())
		form.Set("code", code)
		if a := b.post("/enrol", form); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, `role="alert" id="problem">`) {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
	}
	if a := b.enrol(code, goodPassword); a.status != http.StatusSeeOther || a.location != "/login" {
		t.Fatalf("enrol: %d %s", a.status, a.body)
	}
	if a := b.enrol(code, goodPassword+"!"); a.status != http.StatusUnauthorized {
		t.Errorf("a code was used twice: %d", a.status)
	}
	next := b.post("/login", url.Values{"csrf": {page.csrf()}, "name": {" Ann "}, "password": {goodPassword}, "next": {"/work?x=1"}})
	if next.status != http.StatusSeeOther || next.location != "/work?x=1" {
		t.Fatalf("login: %d to %q %s", next.status, next.location, next.body)
	}
	if a := b.get("/work?x=1"); a.status != http.StatusOK || !strings.HasPrefix(a.body, "ann password true") {
		t.Errorf("%d %q", a.status, a.body)
	}
	if a := b.get("/login?next=/work"); a.status != http.StatusSeeOther || a.location != "/work" {
		t.Errorf("the login of who has logged in: %d %q", a.status, a.location)
	}
	want := []string{"user.create users/ann root ", "session.refused users/? gateway an enrolment code that is not good", "user.enrol users/ann ann password", "session.begin sessions/ann ann password"}
	got := s.records()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("recorded %q, want %q", got, want)
	}
}

// Whoever guesses learns nothing from the answer, and is stopped.
func TestWrongPasswords(t *testing.T) {
	s := localSite(t)
	s.member("ann", reviewer)
	s.user("new", reviewer)
	s.member("gone", reviewer)
	s.change(people.Change{Name: "gone", Roles: []candorv1.Role{reviewer}, Disabled: true})
	b := s.browser()
	var bodies []string
	for _, try := range [][2]string{{"ann", "wrong"}, {"nobody", goodPassword}, {"new", ""}, {"gone", goodPassword}, {"ann", strings.Repeat("x", 5000)}} {
		a := b.login(try[0], try[1])
		if a.status != http.StatusUnauthorized || a.location != "" {
			t.Errorf("%q: %d", try, a.status)
		}
		bodies = append(bodies, strings.ReplaceAll(a.body, `value="`+try[0]+`"`, ""))
	}
	for _, body := range bodies {
		if body != bodies[0] {
			t.Errorf("answers differ:\n%s\n%s", bodies[0], body)
		}
	}
	for range 8 {
		b.login("ann", "wrong")
	}
	if a := b.login("ann", goodPassword); a.status != http.StatusTooManyRequests {
		t.Errorf("after ten failures: %d", a.status)
	}
	// Somebody else at the same address isn't locked out by that.
	if a := b.login("new", "wrong"); a.status != http.StatusUnauthorized {
		t.Errorf("another user: %d", a.status)
	}
	s.store.forward(15 * time.Minute)
	if a := b.login("ann", goodPassword); a.status != http.StatusSeeOther {
		t.Errorf("a quarter of an hour later: %d", a.status)
	}
	b = s.browser()
	for i := range 49 {
		if a := b.login(fmt.Sprint("somebody", i), "wrong"); a.status != http.StatusUnauthorized {
			t.Errorf("guess %d: %d", i, a.status)
		}
	}
	b.login("somebody", "wrong")
	if a := s.browser().login("ann", goodPassword); a.status != http.StatusTooManyRequests {
		t.Errorf("after fifty failures of an address: %d", a.status)
	}
	for _, r := range s.records() {
		if strings.Contains(r, "nobody") || strings.Contains(r, "somebody") {
			t.Errorf("what was typed for a name is in the log: %s", r)
		}
	}
}

// Failures at the same time count as those one after another.
func TestGuessesAtOnce(t *testing.T) {
	s := localSite(t)
	s.member("ann", reviewer)
	b := s.browser()
	token := b.get("/login").csrf()
	const tries = 40
	statuses := make(chan int, tries)
	for range tries {
		go func() {
			statuses <- b.post("/login", url.Values{"csrf": {token}, "name": {"ann"}, "password": {"wrong"}}).status
		}()
	}
	looked := 0
	for range tries {
		if <-statuses != http.StatusTooManyRequests {
			looked++
		}
	}
	if looked > 10 {
		t.Errorf("%d passwords were looked at", looked)
	}
}

// Neither the store's file nor the log has what opens anything.
func TestNoSecretIsStored(t *testing.T) {
	s := localSite(t)
	code := s.user("ann", reviewer)
	b := s.browser()
	b.enrol(code, goodPassword)
	b.login("ann", goodPassword)
	key, forms, _ := strings.Cut(b.cookies()["candor_session"], ".")
	token := people.NewToken()
	if err := s.store.CreateToken(t.Context(), "ann", people.Token{ID: "x", Expire: s.db.Now().Add(time.Hour)}, people.SumOf(token), people.By{Name: "ann"}); err != nil {
		t.Fatal(err)
	}
	unused := s.user("bob", reviewer)
	var all []byte
	for _, file := range []string{s.dbPath, s.dbPath + "-wal"} {
		data, err := os.ReadFile(file)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		all = append(all, data...)
	}
	if !strings.Contains(string(all), "users/ann") {
		t.Fatal("the store's file doesn't have what it should")
	}
	for what, secret := range map[string]string{
		"key": key, "forms": forms, "token": token, "code": code, "unused code": unused, "unused code, plain": strings.ReplaceAll(unused, "-", ""), "password": goodPassword,
	} {
		if secret == "" || strings.Contains(string(all), secret) {
			t.Errorf("the %s is in the store's file", what)
		}
	}
}

// A hash that costs less than new ones do is made anew at the next login.
func TestRehash(t *testing.T) {
	s := localSite(t)
	s.member("ann", reviewer)
	before, err := s.store.User(t.Context(), "ann")
	if err != nil {
		t.Fatal(err)
	}
	dearer, err := people.NewGate(people.GateOptions{
		Config: &candorv1.Config{People: localPeople()}, Store: s.store, PublicURL: s.base, Cost: people.Cost{MemoryKiB: 128, Passes: 2, Threads: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	old := s.server.Config.Handler
	s.server.Config.Handler = dearer.Handler(old)
	for range 2 {
		if a := s.browser().login("ann", goodPassword); a.status != http.StatusSeeOther {
			t.Fatalf("login: %d", a.status)
		}
	}
	after, err := s.store.User(t.Context(), "ann")
	if err != nil || after.Password == before.Password || !strings.Contains(after.Password, "m=128,t=2") {
		t.Errorf("%q, %v", after.Password, err)
	}
}
