package storetest

import (
	"testing"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/people"
)

var sessionTests = []test{
	{"a session is found by its key until it is over", testSession},
	{"a rotated session has two keys for its grace", testRotation},
	{"sessions end when their user may less", testSessionsEnd},
	{"who is no user has the rights of the login", testForeignSession},
	{"sessions are listed and ended", testListSessions},
}

// session begins one for an hour.
func session(t *testing.T, d Driver, name string, local bool, roles ...candorv1.Role) (key people.Sum) {
	t.Helper()
	key, _ = sessionUntil(t, d, name, local, d.Now().Add(time.Hour), d.Now().Add(time.Hour), roles...)
	return key
}

func sessionUntil(t *testing.T, d Driver, name string, local bool, idle, expire time.Time, roles ...candorv1.Role) (key people.Sum, id string) {
	t.Helper()
	key = people.SumOf(people.NewToken())
	s := people.Session{
		ID: people.NewID(), Key: key, Forgery: people.SumOf("forgery"), Local: local,
		Person:    people.Person{Name: name, Roles: roles, Method: people.MethodPassword},
		IdleUntil: idle, Expire: expire, Remote: "192.0.2.7", UserAgent: "a browser",
	}
	if err := d.People().BeginSession(t.Context(), s, people.By{Name: name}); err != nil {
		t.Fatalf("BeginSession of %s: %v", name, err)
	}
	return key, s.ID
}

func testSession(t *testing.T, d Driver) {
	user(t, d, "ann", []string{"desk"}, reviewer)
	before := d.Now()
	key := session(t, d, "ann", true, reviewer)
	d = d.Reopen(t)
	p := d.People()
	s, err := p.Session(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if s.Key != key || s.Forgery != people.SumOf("forgery") || s.Person.Name != "ann" || s.Person.Method != people.MethodPassword || !s.Local ||
		len(s.Person.Queues) != 1 || s.Created.Before(before) || s.KeySince != s.Created || s.LastUse != s.Created ||
		s.Remote != "192.0.2.7" || s.UserAgent != "a browser" || s.Expire.Sub(before) < time.Hour {
		t.Errorf("the session is %+v", s)
	}
	if u := getUser(t, d, "ann"); u.LastLogin != s.Created {
		t.Errorf("the last login is %v", u.LastLogin)
	}
	for what, other := range map[string]people.Sum{"another key": people.SumOf("x"), "no key": {}} {
		_, err := p.Session(t.Context(), other)
		wantError(t, what, err, people.ErrNotFound)
	}
	until := d.Now().Add(2 * time.Hour)
	if err := p.TouchSession(t.Context(), s.ID, until); err != nil {
		t.Fatal(err)
	}
	again, err := p.Session(t.Context(), key)
	if err != nil || again.IdleUntil != until || !again.LastUse.After(s.LastUse) {
		t.Errorf("touched: %+v, %v", again, err)
	}
	wantError(t, "touching nothing", p.TouchSession(t.Context(), "x", until), people.ErrNotFound)
	now := d.Now()
	idle, _ := sessionUntil(t, d, "ann", true, now, now.Add(time.Hour), reviewer)
	_, err = p.Session(t.Context(), idle)
	wantError(t, "an idle session", err, people.ErrNotFound)
	expired, _ := sessionUntil(t, d, "ann", true, now.Add(time.Hour), now, reviewer)
	_, err = p.Session(t.Context(), expired)
	wantError(t, "an expired session", err, people.ErrNotFound)
	err = p.BeginSession(t.Context(), people.Session{ID: "x", Key: people.SumOf("x"), Person: people.Person{Name: "bob"}, Local: true}, byRoot)
	wantError(t, "a session of nobody", err, people.ErrNotFound)
}

func testRotation(t *testing.T, d Driver) {
	p := d.People()
	user(t, d, "ann", nil, reviewer)
	first := session(t, d, "ann", true, reviewer)
	s, err := p.Session(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpdateUser(t.Context(), people.Change{Name: "ann", Roles: []candorv1.Role{reviewer, auditor}}, byRoot); err != nil {
		t.Fatal(err)
	}
	s, err = p.Session(t.Context(), first)
	if err != nil || len(s.Person.Roles) != 2 || len(s.Before.Roles) != 1 {
		t.Fatalf("with another role: %+v, %v", s, err)
	}
	second, third := people.SumOf("second"), people.SumOf("third")
	if err := p.RotateSession(t.Context(), s.ID, first, second, d.Now().Add(time.Minute), byRoot); err != nil {
		t.Fatal(err)
	}
	for _, key := range []people.Sum{first, second} {
		got, err := p.Session(t.Context(), key)
		if err != nil || got.ID != s.ID || got.Key != second || !got.KeySince.After(s.KeySince) || len(got.Before.Roles) != 2 {
			t.Errorf("rotated: %+v, %v", got, err)
		}
	}
	wantError(t, "rotating the key before", p.RotateSession(t.Context(), s.ID, first, third, d.Now(), byRoot), people.ErrNotFound)
	if err := p.RotateSession(t.Context(), s.ID, second, third, d.Now(), byRoot); err != nil {
		t.Fatal(err)
	}
	for what, key := range map[string]people.Sum{"the key before the one before": first, "a key without grace": second} {
		_, err := p.Session(t.Context(), key)
		wantError(t, what, err, people.ErrNotFound)
	}
	if _, err := p.Session(t.Context(), third); err != nil {
		t.Error(err)
	}
}

func testSessionsEnd(t *testing.T, d Driver) {
	p := d.People()
	for what, tc := range map[string]struct {
		change people.Change
		ends   bool
	}{
		"disabled":         {people.Change{Roles: []candorv1.Role{senior}, Queues: []string{"a", "b"}, Disabled: true}, true},
		"a role less":      {people.Change{Roles: []candorv1.Role{reviewer}, Queues: []string{"a", "b"}}, true},
		"a queue less":     {people.Change{Roles: []candorv1.Role{senior}, Queues: []string{"a"}}, true},
		"a role more":      {people.Change{Roles: []candorv1.Role{senior, auditor}, Queues: []string{"a", "b"}}, false},
		"a greater role":   {people.Change{Roles: []candorv1.Role{admin}, Queues: []string{"a", "b"}}, false},
		"a queue more":     {people.Change{Roles: []candorv1.Role{senior}, Queues: []string{"c", "b", "a"}}, false},
		"every queue":      {people.Change{Roles: []candorv1.Role{senior}}, false},
		"nothing happened": {people.Change{Roles: []candorv1.Role{senior}, Queues: []string{"a", "b"}}, false},
	} {
		tc.change.Name = people.NewID()
		user(t, d, tc.change.Name, []string{"a", "b"}, senior)
		key := session(t, d, tc.change.Name, true, senior)
		if _, err := p.UpdateUser(t.Context(), tc.change, byRoot); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Session(t.Context(), key); (err != nil) != tc.ends {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func testForeignSession(t *testing.T, d Driver) {
	p := d.People()
	key := session(t, d, "ann@example.com", false, auditor)
	s, err := p.Session(t.Context(), key)
	if err != nil || s.Local || len(s.Person.Roles) != 1 || s.Person.Roles[0] != auditor || s.Person.Queues != nil {
		t.Fatalf("%+v, %v", s, err)
	}
	// A user of that name shuts them out, whatever the user may.
	user(t, d, "ann@example.com", nil, admin)
	_, err = p.Session(t.Context(), key)
	wantError(t, "a namesake's session", err, people.ErrNotFound)
}

func testListSessions(t *testing.T, d Driver) {
	p := d.People()
	user(t, d, "ann", nil, reviewer)
	session(t, d, "bob", false, reviewer)
	session(t, d, "ann", true, reviewer)
	key := session(t, d, "ann", true, reviewer)
	all, err := p.Sessions(t.Context(), "")
	if err != nil || len(all) != 3 || all[2].Person.Name != "bob" {
		t.Fatalf("all: %v, %v", all, err)
	}
	for _, s := range all {
		if s.Key != (people.Sum{}) || s.Forgery != (people.Sum{}) {
			t.Error("a list answers sums")
		}
	}
	anns, err := p.Sessions(t.Context(), "ann")
	if err != nil || len(anns) != 2 || anns[0].Created.Before(anns[1].Created) {
		t.Fatalf("ann's: %v, %v", anns, err)
	}
	newest, err := p.Session(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, "ending one", p.EndSession(t.Context(), newest.ID, byRoot), nil)
	wantError(t, "ending it again", p.EndSession(t.Context(), newest.ID, byRoot), people.ErrNotFound)
	token(t, d, "ann", time.Hour)
	if n, ended, err := p.EndSessions(t.Context(), "ann", false, byRoot); n != 1 || ended != 0 || err != nil {
		t.Errorf("without tokens: %d, %d, %v", n, ended, err)
	}
	if n, ended, err := p.EndSessions(t.Context(), "ann", true, byRoot); n != 0 || ended != 1 || err != nil {
		t.Errorf("with tokens: %d, %d, %v", n, ended, err)
	}
	if all, err := p.Sessions(t.Context(), ""); err != nil || len(all) != 1 {
		t.Errorf("left: %v, %v", all, err)
	}
}
