package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/people"
)

// People is what the suite tests of users, sessions and tokens; people.Store has the contract.
type People interface {
	People() people.Store
	// Records answers the decision log, in order. It fails t when it can't.
	Records(t testing.TB) []*candorv1.Record
}

var peopleTests = []test{
	{"users are made once, changed, and stay", testUsers},
	{"the last administrator stays one", testLastAdmin},
	{"a code is good once, for its time", testEnrolment},
	{"a code that many use at once is used once", testEnrolmentRace},
	{"a reset takes everything away", testUserReset},
	{"tokens", testTokens},
	{"one's own password", testOwnPassword},
	{"a password beside one's passkeys", testAddedPassword},
	{"one's own passkeys", testOwnPasskeys},
	{"what is done is recorded, in the transaction that does it", testAdminRecords},
}

const (
	reviewer = candorv1.Role_ROLE_REVIEWER
	senior   = candorv1.Role_ROLE_SENIOR
	auditor  = candorv1.Role_ROLE_AUDITOR
	admin    = candorv1.Role_ROLE_ADMIN
)

var byRoot = people.By{Name: "root", Reason: "asked for", Remote: "192.0.2.7"}

// user makes a user, whose code is theirs.
func user(t *testing.T, d Driver, name string, queues []string, roles ...candorv1.Role) people.Sum {
	t.Helper()
	code := people.SumOfCode(people.NewCode())
	u := people.User{Name: name, Roles: roles, Queues: queues, Handle: people.NewHandle()}
	if err := d.People().CreateUser(t.Context(), u, people.Code{Sum: code, Expire: d.Now().Add(time.Hour)}, byRoot); err != nil {
		t.Fatalf("CreateUser %s: %v", name, err)
	}
	return code
}

func getUser(t *testing.T, d Driver, name string) people.User {
	t.Helper()
	u, err := d.People().User(t.Context(), name)
	if err != nil {
		t.Fatalf("User %s: %v", name, err)
	}
	return u
}

func testUsers(t *testing.T, d Driver) {
	p := d.People()
	if all, err := p.Users(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("an empty store: %v, %v", all, err)
	}
	_, err := p.User(t.Context(), "ann")
	wantError(t, "nobody", err, people.ErrNotFound)
	before := d.Now()
	user(t, d, "bob", []string{"desk"}, reviewer)
	user(t, d, "ann", nil, admin, auditor)
	user(t, d, "cy", []string{}, reviewer)
	wantError(t, "a name twice", p.CreateUser(t.Context(), people.User{Name: "ann", Handle: people.NewHandle()}, people.Code{}, byRoot), people.ErrExists)
	d = d.Reopen(t)
	p = d.People()
	all, err := p.Users(t.Context())
	if err != nil || len(all) != 3 || all[0].Name != "ann" || all[1].Name != "bob" || all[2].Name != "cy" {
		t.Fatalf("all: %v, %v", all, err)
	}
	ann, bob, cy := all[0], all[1], all[2]
	if !slices.Equal(ann.Roles, []candorv1.Role{admin, auditor}) || ann.Queues != nil || ann.Disabled || ann.Created.Before(before) ||
		!ann.LastLogin.IsZero() || len(ann.Handle) == 0 || ann.Password != "" {
		t.Errorf("ann is %+v", ann)
	}
	if !slices.Equal(bob.Queues, []string{"desk"}) {
		t.Errorf("bob's queues: %v", bob.Queues)
	}
	if cy.Queues == nil || len(cy.Queues) != 0 {
		t.Errorf("no queue has become all queues: %v", cy.Queues)
	}
	found, err := p.UserByHandle(t.Context(), bob.Handle)
	if err != nil || found.Name != "bob" {
		t.Errorf("by handle: %v, %v", found, err)
	}
	changed, err := p.UpdateUser(t.Context(), people.Change{Name: "bob", Roles: []candorv1.Role{senior}, Disabled: true}, byRoot)
	if err != nil || !changed.Disabled || changed.Queues != nil || diff(changed, getUser(t, d, "bob")) != "" {
		t.Errorf("changed: %+v, %v", changed, err)
	}
	_, err = p.UpdateUser(t.Context(), people.Change{Name: "dot"}, byRoot)
	wantError(t, "a change of nobody", err, people.ErrNotFound)
}

func testLastAdmin(t *testing.T, d Driver) {
	p := d.People()
	user(t, d, "ann", nil, admin)
	user(t, d, "bob", nil, admin)
	update := func(name string, disabled, keep bool, roles ...candorv1.Role) error {
		_, err := p.UpdateUser(t.Context(), people.Change{Name: name, Roles: roles, Disabled: disabled, KeepAdmin: keep}, byRoot)
		return err
	}
	wantError(t, "one of two", update("bob", true, true, admin), nil)
	wantError(t, "disabling the last", update("ann", true, true, admin), people.ErrLastAdmin)
	wantError(t, "taking the last one's role", update("ann", false, true, auditor), people.ErrLastAdmin)
	if u := getUser(t, d, "ann"); u.Disabled || !slices.Equal(u.Roles, []candorv1.Role{admin}) {
		t.Errorf("ann is %+v", u)
	}
	wantError(t, "another role beside", update("ann", false, true, admin, auditor), nil)
	wantError(t, "a disabled one", update("bob", true, true, auditor), nil)
	wantError(t, "where others may administer", update("ann", true, false, admin), nil)
	// Two administrators who demote each other at once can't both succeed.
	update("ann", false, false, admin)
	update("bob", false, false, admin)
	var wg sync.WaitGroup
	errs := make([]error, 2)
	for i, name := range []string{"ann", "bob"} {
		wg.Go(func() { errs[i] = update(name, false, true, auditor) })
	}
	wg.Wait()
	if (errs[0] == nil) == (errs[1] == nil) {
		t.Errorf("both at once: %v", errs)
	}
}

func testEnrolment(t *testing.T, d Driver) {
	p := d.People()
	code := user(t, d, "ann", nil, reviewer)
	password := people.Credential{Password: "a hash"}
	_, err := p.UserByCode(t.Context(), people.SumOf("other"))
	wantError(t, "another code", err, people.ErrNotFound)
	_, err = p.UserByCode(t.Context(), people.Sum{})
	wantError(t, "no code", err, people.ErrNotFound)
	if u, err := p.UserByCode(t.Context(), code); err != nil || u.Name != "ann" {
		t.Errorf("by code: %v, %v", u, err)
	}
	u, err := p.Enrol(t.Context(), code, password, byRoot)
	if err != nil || u.Name != "ann" || u.Password != "a hash" {
		t.Fatalf("enrolled: %+v, %v", u, err)
	}
	_, err = p.Enrol(t.Context(), code, password, byRoot)
	wantError(t, "a code twice", err, people.ErrNotFound)

	code = user(t, d, "bob", nil, reviewer)
	u, err = p.Enrol(t.Context(), code, people.Credential{Passkey: &people.Passkey{ID: []byte{1}, Data: []byte("{}")}}, byRoot)
	if err != nil || len(u.Passkeys) != 1 || u.Password != "" {
		t.Fatalf("enrolled: %+v, %v", u, err)
	}
	if err := p.UsePasskey(t.Context(), "bob", people.Passkey{ID: []byte{1}, Data: []byte("[]")}); err != nil {
		t.Error(err)
	}
	if u := getUser(t, d, "bob"); string(u.Passkeys[0].Data) != "[]" {
		t.Errorf("the used passkey: %+v", u.Passkeys)
	}
	wantError(t, "somebody else's passkey", p.UsePasskey(t.Context(), "ann", people.Passkey{ID: []byte{1}}), people.ErrNotFound)

	code = user(t, d, "cy", nil, reviewer)
	if _, err := p.UpdateUser(t.Context(), people.Change{Name: "cy", Roles: []candorv1.Role{reviewer}, Disabled: true}, byRoot); err != nil {
		t.Fatal(err)
	}
	_, err = p.Enrol(t.Context(), code, password, byRoot)
	wantError(t, "a disabled user's code", err, people.ErrNotFound)

	expired := people.SumOf("expired")
	if err := p.ResetUser(t.Context(), "ann", people.Code{Sum: expired, Expire: d.Now()}, byRoot); err != nil {
		t.Fatal(err)
	}
	_, err = p.Enrol(t.Context(), expired, password, byRoot)
	wantError(t, "a code after its time", err, people.ErrNotFound)
	if err := p.Rehash(t.Context(), "ann", "a hash", "another"); err != nil || getUser(t, d, "ann").Password != "" {
		t.Errorf("a password that is gone was rehashed: %v", err)
	}
}

func testEnrolmentRace(t *testing.T, d Driver) {
	code := user(t, d, "ann", nil, reviewer)
	var mu sync.Mutex
	var wg sync.WaitGroup
	used := 0
	for i := range 8 {
		wg.Go(func() {
			_, err := d.People().Enrol(t.Context(), code, people.Credential{Password: fmt.Sprint("hash ", i)}, byRoot)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				used++
			}
		})
	}
	wg.Wait()
	if used != 1 {
		t.Errorf("used %d times", used)
	}
}

func testUserReset(t *testing.T, d Driver) {
	p := d.People()
	code := user(t, d, "ann", nil, reviewer)
	if _, err := p.Enrol(t.Context(), code, people.Credential{Password: "a hash"}, byRoot); err != nil {
		t.Fatal(err)
	}
	key := session(t, d, "ann", true, reviewer)
	secret := token(t, d, "ann", time.Hour)
	fresh := people.SumOf("fresh")
	if err := p.ResetUser(t.Context(), "ann", people.Code{Sum: fresh, Expire: d.Now().Add(time.Hour)}, byRoot); err != nil {
		t.Fatal(err)
	}
	_, err := p.Session(t.Context(), key)
	wantError(t, "the session", err, people.ErrNotFound)
	_, _, err = p.Token(t.Context(), secret)
	wantError(t, "the token", err, people.ErrNotFound)
	if u, err := p.UserByCode(t.Context(), fresh); err != nil || u.Password != "" || len(u.Passkeys)+len(u.Tokens) != 0 {
		t.Errorf("by the new code: %+v, %v", u, err)
	}
	wantError(t, "a reset of nobody", p.ResetUser(t.Context(), "bob", people.Code{}, byRoot), people.ErrNotFound)
}

// token makes one of a user's.
func token(t *testing.T, d Driver, name string, lifetime time.Duration) people.Sum {
	t.Helper()
	secret := people.SumOf(people.NewToken())
	tok := people.Token{ID: people.NewID(), Description: "for a test", Expire: d.Now().Add(lifetime)}
	if err := d.People().CreateToken(t.Context(), name, tok, secret, byRoot); err != nil {
		t.Fatal(err)
	}
	return secret
}

func testTokens(t *testing.T, d Driver) {
	p := d.People()
	user(t, d, "ann", []string{"desk"}, senior)
	secret := token(t, d, "ann", time.Hour)
	token(t, d, "ann", time.Hour)
	who, tok, err := p.Token(t.Context(), secret)
	want := people.Person{Name: "ann", Roles: []candorv1.Role{senior}, Queues: []string{"desk"}, Method: people.MethodToken}
	if err != nil || diff(who, want) != "" || tok.Description != "for a test" || !tok.LastUse.IsZero() || tok.Created.IsZero() {
		t.Fatalf("%+v, %+v, %v", who, tok, err)
	}
	if err := p.TouchToken(t.Context(), tok.ID); err != nil {
		t.Error(err)
	}
	if u := getUser(t, d, "ann"); len(u.Tokens) != 2 || u.Tokens[0].LastUse.IsZero() == u.Tokens[1].LastUse.IsZero() {
		t.Errorf("tokens: %+v", u.Tokens)
	}
	_, _, err = p.Token(t.Context(), people.SumOf("other"))
	wantError(t, "an unknown token", err, people.ErrNotFound)
	_, _, err = p.Token(t.Context(), token(t, d, "ann", 0))
	wantError(t, "an expired token", err, people.ErrNotFound)
	user(t, d, "bob", nil, reviewer)
	wantError(t, "somebody else's token", p.RevokeToken(t.Context(), "bob", tok.ID, byRoot), people.ErrNotFound)
	wantError(t, "revoking", p.RevokeToken(t.Context(), "ann", tok.ID, byRoot), nil)
	_, _, err = p.Token(t.Context(), secret)
	wantError(t, "a revoked token", err, people.ErrNotFound)
	secret = token(t, d, "bob", time.Hour)
	if _, err := p.UpdateUser(t.Context(), people.Change{Name: "bob", Disabled: true}, byRoot); err != nil {
		t.Fatal(err)
	}
	_, _, err = p.Token(t.Context(), secret)
	wantError(t, "a disabled user's token", err, people.ErrNotFound)
	wantError(t, "a token for a disabled user", p.CreateToken(t.Context(), "bob", people.Token{ID: "x"}, people.SumOf("x"), byRoot), people.ErrNotFound)
	wantError(t, "a token for nobody", p.CreateToken(t.Context(), "cy", people.Token{ID: "x"}, people.SumOf("x"), byRoot), people.ErrNotFound)
}

// adminRecords are the AdminRecords of the decision log, in order.
func adminRecords(t testing.TB, d Driver) (out []*candorv1.AdminRecord) {
	t.Helper()
	for _, r := range d.Records(t) {
		if a := r.GetAdmin(); a != nil {
			out = append(out, a)
		}
	}
	return out
}

func testAdminRecords(t *testing.T, d Driver) {
	p := d.People()
	code := user(t, d, "ann", nil, admin)
	if _, err := p.Enrol(t.Context(), code, people.Credential{Password: "a hash"}, people.By{Name: "ann"}); err != nil {
		t.Fatal(err)
	}
	key := session(t, d, "ann", true, admin)
	s, err := p.Session(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	to := people.SumOf("to")
	change := func(disabled bool, roles ...candorv1.Role) {
		t.Helper()
		if _, err := p.UpdateUser(t.Context(), people.Change{Name: "ann", Disabled: disabled, Roles: roles}, byRoot); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{
		p.RotateSession(t.Context(), s.ID, key, to, d.Now(), people.By{Name: "gateway"}),
		p.EndSession(t.Context(), s.ID, byRoot),
		p.Note(t.Context(), "session.refused", "users/eve", people.By{Name: "gateway", Reason: "wrong password", Remote: "192.0.2.9"}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	token(t, d, "ann", time.Hour)
	change(false, admin, auditor)
	change(false, admin, auditor) // the same again
	change(true, admin)
	change(false, admin)
	if err := p.ResetUser(t.Context(), "ann", people.Code{}, byRoot); err != nil {
		t.Fatal(err)
	}
	session(t, d, "ann", true, admin)
	if n, ended, err := p.EndSessions(t.Context(), "ann", true, byRoot); n != 1 || ended != 0 || err != nil {
		t.Errorf("ended %d and %d: %v", n, ended, err)
	}
	// Nothing more is there to end.
	if n, _, err := p.EndSessions(t.Context(), "ann", true, byRoot); n != 0 || err != nil {
		t.Errorf("ended %d: %v", n, err)
	}
	_ = p.CreateUser(t.Context(), people.User{Name: "ann", Handle: people.NewHandle()}, people.Code{}, byRoot)
	var got []string
	for _, r := range adminRecords(t, d) {
		got = append(got, fmt.Sprintf("%s %s %s %q %s", r.GetVerb(), r.GetSubject(), r.GetBy(), r.GetReason(), r.GetRemote()))
	}
	root := ` root "asked for" 192.0.2.7`
	want := []string{
		"user.create users/ann" + root, `user.enrol users/ann ann "" `, `session.begin sessions/ann ann "" `, `session.rotate sessions/ann gateway "" `,
		"session.end sessions/ann" + root, `session.refused users/eve gateway "wrong password" 192.0.2.9`, "token.create users/ann" + root,
		"user.update users/ann" + root, "user.disable users/ann" + root, "user.enable users/ann" + root, "user.reset users/ann" + root,
		`session.begin sessions/ann ann "" `, "session.end_all sessions/ann" + root,
	}
	if d := diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}
