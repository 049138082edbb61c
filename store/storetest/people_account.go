package storetest

import (
	"slices"
	"sync"
	"testing"

	"github.com/candor-gateway/candor/people"
)

// account is a user with a password and two sessions, of which the first is the one that is kept.
func account(t *testing.T, d Driver, name string) (kept people.Session, other people.Sum) {
	t.Helper()
	code := user(t, d, name, nil, reviewer)
	if _, err := d.People().Enrol(t.Context(), code, people.Credential{Password: "a hash of " + name}, byRoot); err != nil {
		t.Fatal(err)
	}
	kept, err := d.People().Session(t.Context(), session(t, d, name, true, reviewer))
	if err != nil {
		t.Fatal(err)
	}
	return kept, session(t, d, name, true, reviewer)
}

func testOwnPassword(t *testing.T, d Driver) {
	p := d.People()
	kept, other := account(t, d, "ann")
	_, bobs := account(t, d, "bob")
	_, err := p.SetPassword(t.Context(), "ann", "another", "new", kept.ID, byRoot)
	wantError(t, "not the old one", err, people.ErrNotFound)
	if _, err := p.Session(t.Context(), other); err != nil {
		t.Errorf("what failed ended a session: %v", err)
	}
	if n, err := p.SetPassword(t.Context(), "ann", "a hash of ann", "new", kept.ID, byRoot); n != 1 || err != nil {
		t.Fatalf("ended %d sessions: %v", n, err)
	}
	if u := getUser(t, d, "ann"); u.Password != "new" {
		t.Errorf("the password is %q", u.Password)
	}
	if u := getUser(t, d, "bob"); u.Password != "a hash of bob" {
		t.Errorf("bob's password is %q", u.Password)
	}
	_, err = p.Session(t.Context(), other)
	wantError(t, "the other session", err, people.ErrNotFound)
	for _, key := range []people.Sum{kept.Key, bobs} {
		if _, err := p.Session(t.Context(), key); err != nil {
			t.Errorf("a session that should stay: %v", err)
		}
	}
	if _, err := p.SetPassword(t.Context(), "ann", "", "new", kept.ID, byRoot); err == nil {
		t.Error("a password was set for whoever has none")
	}
	if _, err := p.UpdateUser(t.Context(), people.Change{Name: "ann", Disabled: true}, byRoot); err != nil {
		t.Fatal(err)
	}
	_, err = p.SetPassword(t.Context(), "ann", "new", "newer", kept.ID, byRoot)
	wantError(t, "of a disabled user", err, people.ErrNotFound)
	wantVerbs(t, d, "user.password")
}

func testAddedPassword(t *testing.T, d Driver) {
	p := d.People()
	code := user(t, d, "ann", nil, reviewer)
	if _, err := p.Enrol(t.Context(), code, people.Credential{Passkey: &people.Passkey{ID: []byte{1}, Data: []byte("{}")}}, byRoot); err != nil {
		t.Fatal(err)
	}
	kept, err := p.Session(t.Context(), session(t, d, "ann", true, reviewer))
	if err != nil {
		t.Fatal(err)
	}
	other := session(t, d, "ann", true, reviewer)
	bob, bobs := account(t, d, "bob")
	for what, c := range map[string]struct{ name, session string }{
		"to nobody": {"cy", kept.ID}, "to whoever has one": {"bob", bob.ID}, "by somebody else's session": {"ann", bob.ID}, "by none": {"ann", ""},
	} {
		_, err := p.AddPassword(t.Context(), c.name, "new", c.session, byRoot)
		wantError(t, what, err, people.ErrNotFound)
	}
	if _, err := p.AddPassword(t.Context(), "ann", "", kept.ID, byRoot); err == nil {
		t.Error("an empty hash was added")
	}
	if _, err := p.Session(t.Context(), other); err != nil {
		t.Errorf("what failed ended a session: %v", err)
	}
	// Of two at once one is added, and ends the others.
	var wg sync.WaitGroup
	hashes, errs, ended := []string{"one", "two"}, make([]error, 2), make([]int64, 2)
	for i, hash := range hashes {
		wg.Go(func() { ended[i], errs[i] = p.AddPassword(t.Context(), "ann", hash, kept.ID, byRoot) })
	}
	wg.Wait()
	won := slices.Index(errs, nil)
	if won < 0 {
		t.Fatalf("none of two at once was added: %v", errs)
	}
	wantError(t, "the other of two at once", errs[1-won], people.ErrNotFound)
	if u := getUser(t, d, "ann"); u.Password != hashes[won] || len(u.Passkeys) != 1 || ended[won] != 1 {
		t.Errorf("the password is %q beside %d passkeys, and %d sessions ended; want %q, 1 and 1", u.Password, len(u.Passkeys), ended[won], hashes[won])
	}
	if u := getUser(t, d, "bob"); u.Password != "a hash of bob" {
		t.Errorf("bob's password is %q", u.Password)
	}
	_, err = p.Session(t.Context(), other)
	wantError(t, "the other session", err, people.ErrNotFound)
	for _, key := range []people.Sum{kept.Key, bobs} {
		if _, err := p.Session(t.Context(), key); err != nil {
			t.Errorf("a session that should stay: %v", err)
		}
	}
	// What a reset has taken away, a request that was under way doesn't bring back.
	if err := p.ResetUser(t.Context(), "ann", people.Code{}, byRoot); err != nil {
		t.Fatal(err)
	}
	_, err = p.AddPassword(t.Context(), "ann", "three", kept.ID, byRoot)
	wantError(t, "after a reset", err, people.ErrNotFound)
	if u := getUser(t, d, "ann"); u.Password != "" {
		t.Errorf("after a reset the password is %q", u.Password)
	}
	wantVerbs(t, d, "user.add_password")
}

func testOwnPasskeys(t *testing.T, d Driver) {
	p := d.People()
	key := func(id byte) people.Passkey { return people.Passkey{ID: []byte{id}, Data: []byte("{}")} }
	code := user(t, d, "ann", nil, reviewer)
	first := key(1)
	if _, err := p.Enrol(t.Context(), code, people.Credential{Passkey: &first}, byRoot); err != nil {
		t.Fatal(err)
	}
	kept, err := p.Session(t.Context(), session(t, d, "ann", true, reviewer))
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.RemovePasskey(t.Context(), "ann", []byte{1}, kept.ID, byRoot)
	wantError(t, "the last one of whoever has no password", err, people.ErrLastCredential)
	wantError(t, "adding", p.AddPasskey(t.Context(), "ann", key(2), kept.ID, byRoot), nil)
	wantError(t, "the same again", p.AddPasskey(t.Context(), "ann", key(2), kept.ID, byRoot), people.ErrExists)
	wantError(t, "to nobody", p.AddPasskey(t.Context(), "cy", key(3), kept.ID, byRoot), people.ErrNotFound)
	bob, _ := account(t, d, "bob")
	wantError(t, "somebody else's", p.AddPasskey(t.Context(), "bob", key(2), bob.ID, byRoot), people.ErrExists)
	wantError(t, "by somebody else's session", p.AddPasskey(t.Context(), "ann", key(3), bob.ID, byRoot), people.ErrNotFound)
	_, err = p.RemovePasskey(t.Context(), "bob", []byte{1}, "", byRoot)
	wantError(t, "removing somebody else's", err, people.ErrNotFound)
	if u := getUser(t, d, "ann"); len(u.Passkeys) != 2 || !slices.Equal(u.Passkeys[1].ID, []byte{2}) {
		t.Fatalf("passkeys: %v", u.Passkeys)
	}
	other := session(t, d, "ann", true, reviewer)
	// Of two that are removed at once one stays.
	var wg sync.WaitGroup
	errs := make([]error, 2)
	for i := range errs {
		wg.Go(func() { _, errs[i] = p.RemovePasskey(t.Context(), "ann", []byte{byte(i + 1)}, kept.ID, byRoot) })
	}
	wg.Wait()
	if u := getUser(t, d, "ann"); (errs[0] == nil) == (errs[1] == nil) || len(u.Passkeys) != 1 {
		t.Errorf("both at once: %v, %v are left", errs, u.Passkeys)
	}
	_, err = p.Session(t.Context(), other)
	wantError(t, "the other session", err, people.ErrNotFound)
	if _, err := p.Session(t.Context(), kept.Key); err != nil {
		t.Errorf("the session that asked: %v", err)
	}
	// Whoever has a password can do without.
	wantError(t, "adding", p.AddPasskey(t.Context(), "bob", key(9), bob.ID, byRoot), nil)
	_, err = p.RemovePasskey(t.Context(), "bob", []byte{9}, "", byRoot)
	wantError(t, "removing", err, nil)
	// What a reset has taken away, a request that was under way doesn't bring back.
	if err := p.ResetUser(t.Context(), "bob", people.Code{}, byRoot); err != nil {
		t.Fatal(err)
	}
	wantError(t, "after a reset", p.AddPasskey(t.Context(), "bob", key(10), bob.ID, byRoot), people.ErrNotFound)
	wantVerbs(t, d, "user.add_passkey", "user.remove_passkey", "user.add_passkey", "user.remove_passkey")
}

// wantVerbs holds the records of users' own changes against verbs, in order.
func wantVerbs(t *testing.T, d Driver, want ...string) {
	t.Helper()
	var got []string
	for _, r := range adminRecords(t, d) {
		if slices.Contains([]string{"user.password", "user.add_password", "user.add_passkey", "user.remove_passkey"}, r.GetVerb()) {
			got = append(got, r.GetVerb())
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("recorded %v, want %v", got, want)
	}
}
