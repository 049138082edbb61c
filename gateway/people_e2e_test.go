package gateway_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/people"
	"github.com/candor-gateway/candor/store/sqlite"
)

// peopled is a world with people, whose clock its tests can't move: db is its store.
type peopled struct {
	*world
	db *sqlite.Store
}

// withPeople starts a world with local users, and root, an operator of the configuration who administers.
func withPeople(t *testing.T, edits ...string) *peopled {
	t.Helper()
	p := &peopled{}
	var cfg *candorv1.Config
	edits = append([]string{"backends:\n", "people: {local: true}\nbackends:\n"}, edits...)
	p.world = startWith(t, options{
		config: func(c *candorv1.Config) { cfg = c },
		deps: func(d *gateway.Deps) {
			p.db = d.Ledger.(*sqlite.Store)
			d.Users = p.db.People()
			d.People = people.NewTokens(people.TokensOptions{Config: cfg, Store: d.Users})
		},
	}, edits...)
	return p
}

func (p *peopled) people() candorv1.PeopleServiceClient {
	return candorv1.NewPeopleServiceClient(p.conn)
}

// user makes one, with a token.
func (p *peopled) user(name string, queues []string, roles ...candorv1.Role) (token string) {
	p.t.Helper()
	if _, err := p.people().CreateUser(bounded(p.t, adminToken), &candorv1.CreateUserRequest{User: &candorv1.User{Name: name, Roles: roles, Queues: queues}}); err != nil {
		p.t.Fatal(err)
	}
	made, err := p.people().CreateUserToken(bounded(p.t, adminToken), &candorv1.CreateUserTokenRequest{Name: name, Description: "for a test"})
	if err != nil {
		p.t.Fatal(err)
	}
	return made.GetSecret()
}

// adminRecords are the AdminRecords of the log, as "verb subject by remote".
func (p *peopled) adminRecords() []string {
	p.t.Helper()
	scan, err := p.db.Scan(p.t.Context(), time.Time{}, time.Time{})
	if err != nil {
		p.t.Fatal(err)
	}
	var out []string
	for rec, err := range scan.All(p.t.Context()) {
		if err != nil {
			p.t.Fatal(err)
		}
		if a := rec.GetAdmin(); a != nil {
			out = append(out, fmt.Sprintf("%s %s %s %s", a.GetVerb(), a.GetSubject(), a.GetBy(), a.GetRemote()))
		}
	}
	return out
}

func TestUsersOverGRPC(t *testing.T) {
	w := withPeople(t)
	admin, c := bounded(t, adminToken), w.people()
	made, err := c.CreateUser(admin, &candorv1.CreateUserRequest{User: &candorv1.User{Name: "pam", Roles: []candorv1.Role{candorv1.Role_ROLE_REVIEWER}, Queues: []string{"desk"}}})
	if err != nil {
		t.Fatal(err)
	}
	if u := made.GetUser(); u.GetName() != "pam" || u.GetHasPassword() || u.GetPasskeys() != 0 || len(made.GetEnrolmentCode()) < 25 ||
		made.GetCodeExpireTime().AsTime().Before(w.db.Now().Add(71*time.Hour)) {
		t.Errorf("made %v", made)
	}
	if u, err := w.db.People().UserByCode(t.Context(), people.SumOfCode(made.GetEnrolmentCode())); err != nil || u.Name != "pam" {
		t.Errorf("the code is %v's, %v", u.Name, err)
	}
	for _, name := range []string{"pam", "ann", "payments"} {
		_, err := c.CreateUser(admin, &candorv1.CreateUserRequest{User: &candorv1.User{Name: name}})
		if md := wantError(t, err, codes.AlreadyExists, "USER_EXISTS"); md["user"] != name {
			t.Errorf("metadata %v", md)
		}
	}
	for what, u := range map[string]*candorv1.User{
		"no user": nil, "no name": {}, "capitals": {Name: "Sam"}, "a reserved name": {Name: "policy"},
		"no such queue": {Name: "x", Queues: []string{"dsek"}}, "a queue twice": {Name: "x", Queues: []string{"desk", "desk"}},
		"no such role": {Name: "x", Roles: []candorv1.Role{99}}, "no role": {Name: "x", Roles: []candorv1.Role{0}},
		"a role twice": {Name: "x", Roles: []candorv1.Role{1, 1}},
	} {
		if _, err := c.CreateUser(admin, &candorv1.CreateUserRequest{User: u}); err == nil {
			t.Errorf("%s: made", what)
			continue
		}
		_, err := c.CreateUser(admin, &candorv1.CreateUserRequest{User: u})
		wantError(t, err, codes.InvalidArgument, "INVALID_REQUEST")
	}
	updated, err := c.UpdateUser(admin, &candorv1.UpdateUserRequest{User: &candorv1.User{Name: "pam", Roles: []candorv1.Role{candorv1.Role_ROLE_SENIOR}}})
	if err != nil || len(updated.GetUser().GetQueues()) != 0 || updated.GetUser().GetRoles()[0] != candorv1.Role_ROLE_SENIOR {
		t.Errorf("updated %v, %v", updated, err)
	}
	reset, err := c.ResetUser(admin, &candorv1.ResetUserRequest{Name: "pam"})
	if err != nil || reset.GetEnrolmentCode() == made.GetEnrolmentCode() {
		t.Errorf("reset %v, %v", reset, err)
	}
	token, err := c.CreateUserToken(admin, &candorv1.CreateUserTokenRequest{Name: "pam", Description: "laptop", Lifetime: durationpb.New(time.Hour)})
	if err != nil || !strings.HasPrefix(token.GetSecret(), "candor_") || token.GetToken().GetExpireTime().AsTime().After(w.db.Now().Add(time.Hour)) {
		t.Errorf("token %v, %v", token, err)
	}
	all, err := c.ListUsers(admin, &candorv1.ListUsersRequest{})
	if err != nil || len(all.GetUsers()) != 1 || len(all.GetUsers()[0].GetTokens()) != 1 || all.GetUsers()[0].GetTokens()[0].GetDescription() != "laptop" {
		t.Errorf("all %v, %v", all, err)
	}
	if _, err := c.RevokeUserToken(admin, &candorv1.RevokeUserTokenRequest{Name: "pam", Id: token.GetToken().GetId()}); err != nil {
		t.Error(err)
	}
	_, err = c.RevokeUserToken(admin, &candorv1.RevokeUserTokenRequest{Name: "pam", Id: token.GetToken().GetId()})
	wantError(t, err, codes.NotFound, "USER_NOT_FOUND")
	for _, err := range []error{
		second(c.UpdateUser(admin, &candorv1.UpdateUserRequest{User: &candorv1.User{Name: "nobody"}})),
		second(c.ResetUser(admin, &candorv1.ResetUserRequest{Name: "nobody"})),
		second(c.CreateUserToken(admin, &candorv1.CreateUserTokenRequest{Name: "nobody"})),
	} {
		wantError(t, err, codes.NotFound, "USER_NOT_FOUND")
	}
	want := []string{
		"user.create users/pam root 127.0.0.1", "user.update users/pam root 127.0.0.1", "user.reset users/pam root 127.0.0.1",
		"token.create users/pam root 127.0.0.1", "token.revoke users/pam root 127.0.0.1",
	}
	if got := w.adminRecords(); !slices.Equal(got, want) {
		t.Errorf("recorded %q", got)
	}
}

func second[T any](_ T, err error) error { return err }

// The same person on gRPC: by their token, with their roles and queues, until it is revoked.
func TestUsersTokens(t *testing.T) {
	w := withPeople(t, "queues: {desk: {deadline: 1h, lease: 5m}}", "queues: {desk: {deadline: 1h, lease: 5m}, other: {}}")
	item, _ := w.deferOne(deferredRow)
	sam, eve := w.user("pam", []string{"desk"}, candorv1.Role_ROLE_REVIEWER), w.user("eve", []string{"other"}, candorv1.Role_ROLE_REVIEWER)
	me, err := w.people().WhoAmI(bounded(t, sam), &candorv1.WhoAmIRequest{})
	if err != nil || me.GetName() != "pam" || !slices.Equal(me.GetQueues(), []string{"desk"}) || len(me.GetModels()) != 0 {
		t.Errorf("%v, %v", me, err)
	}
	me, err = w.people().WhoAmI(bounded(t, clientToken), &candorv1.WhoAmIRequest{})
	if err != nil || me.GetName() != "payments" || !slices.Equal(me.GetModels(), []string{"*"}) || len(me.GetQueues()) != 0 {
		t.Errorf("%v, %v", me, err)
	}
	_, err = w.reviews().ClaimReviewItem(bounded(t, eve), &candorv1.ClaimReviewItemRequest{Name: item})
	wantError(t, err, codes.NotFound, "REVIEW_ITEM_NOT_FOUND")
	if done := w.resolve(sam, item, "bad"); done.GetVerdict().GetAuthor() != "pam" {
		t.Errorf("the author is %q", done.GetVerdict().GetAuthor())
	}
	_, err = w.people().ListUsers(bounded(t, sam), &candorv1.ListUsersRequest{})
	wantError(t, err, codes.PermissionDenied, "PERMISSION_DENIED")
	ended, err := w.people().EndSessions(bounded(t, adminToken), &candorv1.EndSessionsRequest{User: "pam"})
	if err != nil || ended.GetTokens() != 1 {
		t.Errorf("%v, %v", ended, err)
	}
	// What the gateway remembers is its own; another one, as after a restart, knows nothing.
	w.restart()
	_, err = w.people().WhoAmI(bounded(t, sam), &candorv1.WhoAmIRequest{})
	wantError(t, err, codes.Unauthenticated, "UNAUTHENTICATED")
	if _, err := w.people().UpdateUser(bounded(t, adminToken), &candorv1.UpdateUserRequest{User: &candorv1.User{Name: "eve", Disabled: true}}); err != nil {
		t.Fatal(err)
	}
	_, err = w.people().WhoAmI(bounded(t, eve), &candorv1.WhoAmIRequest{})
	wantError(t, err, codes.Unauthenticated, "UNAUTHENTICATED")
}

func TestLastAdmin(t *testing.T) {
	w := withPeople(t)
	boss := w.user("boss", nil, candorv1.Role_ROLE_ADMIN)
	demote := &candorv1.UpdateUserRequest{User: &candorv1.User{Name: "boss", Roles: []candorv1.Role{candorv1.Role_ROLE_AUDITOR}}}
	// Root may administer, whatever becomes of the boss.
	if _, err := w.people().UpdateUser(bounded(t, adminToken), demote); err != nil {
		t.Fatal(err)
	}
	demote.User.Roles = []candorv1.Role{candorv1.Role_ROLE_ADMIN}
	if _, err := w.people().UpdateUser(bounded(t, adminToken), demote); err != nil {
		t.Fatal(err)
	}
	w.yaml = strings.Replace(w.yaml, "roles: [admin]", "roles: [auditor]", 1)
	w.restart()
	for _, u := range []*candorv1.User{{Name: "boss", Roles: []candorv1.Role{candorv1.Role_ROLE_AUDITOR}}, {Name: "boss", Roles: []candorv1.Role{candorv1.Role_ROLE_ADMIN}, Disabled: true}} {
		_, err := w.people().UpdateUser(bounded(t, boss), &candorv1.UpdateUserRequest{User: u})
		if md := wantError(t, err, codes.FailedPrecondition, "LAST_ADMIN"); md["user"] != "boss" {
			t.Errorf("metadata %v", md)
		}
	}
}

// Without people the service says who calls, and offers nothing else.
func TestNoPeople(t *testing.T) {
	w := start(t, "roles: [operator, auditor, reviewer]", "roles: [admin]")
	c := candorv1.NewPeopleServiceClient(w.conn)
	if me, err := c.WhoAmI(bounded(t, ""), &candorv1.WhoAmIRequest{}); err != nil || me.GetName() != "anyone" {
		t.Errorf("%v, %v", me, err)
	}
	_, err := c.ListUsers(bounded(t, operatorToken), &candorv1.ListUsersRequest{})
	wantError(t, err, codes.Unimplemented, "METHOD_NOT_OFFERED")
	_, err = c.ListUsers(bounded(t, reviewerToken), &candorv1.ListUsersRequest{})
	wantError(t, err, codes.PermissionDenied, "PERMISSION_DENIED")
}

// forgetful knows somebody until it is told not to.
type forgetful struct {
	asked chan struct{}
	gone  atomic.Bool
}

func (f *forgetful) Authenticate(context.Context, string) (people.Person, error) {
	if f.gone.Load() {
		return people.Person{}, people.ErrNotFound
	}
	f.asked <- struct{}{}
	return people.Person{Name: "pam", Method: people.MethodToken}, nil
}

// A stream ends when the token that began it is revoked.
func TestStreamsOfARevokedToken(t *testing.T) {
	if os.Getenv("CANDOR_LONG") != "1" {
		t.Skip("it waits for the half minute after which a stream's caller is asked for again; CANDOR_LONG=1 runs it")
	}
	known := &forgetful{asked: make(chan struct{}, 1)}
	w := startWith(t, options{deps: func(d *gateway.Deps) { d.People = known }})
	ctx, cancel := context.WithTimeout(as("sams"), 2*time.Minute)
	defer cancel()
	stream, err := w.predictions().WatchPredictions(ctx, &candorv1.WatchPredictionsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	<-known.asked
	known.gone.Store(true)
	_, err = stream.Recv()
	wantError(t, err, codes.Unauthenticated, "UNAUTHENTICATED")
}

// An administrator sees what a user logs in by: a passkey at first, and a password beside it when the user has added one.
func TestUsersLogInBy(t *testing.T) {
	w := withPeople(t)
	admin, store := bounded(t, adminToken), w.db.People()
	made, err := w.people().CreateUser(admin, &candorv1.CreateUserRequest{User: &candorv1.User{Name: "pam"}})
	if err != nil {
		t.Fatal(err)
	}
	by := people.By{Name: "pam", Remote: "203.0.113.9"}
	key := people.Credential{Passkey: &people.Passkey{ID: []byte{1}, Data: []byte("{}")}}
	if _, err := store.Enrol(t.Context(), people.SumOfCode(made.GetEnrolmentCode()), key, by); err != nil {
		t.Fatal(err)
	}
	s := people.Session{
		ID: people.NewID(), Key: people.SumOf("key"), Local: true, Person: people.Person{Name: "pam", Method: people.MethodPasskey},
		IdleUntil: w.db.Now().Add(time.Hour), Expire: w.db.Now().Add(time.Hour),
	}
	if err := store.BeginSession(t.Context(), s, by); err != nil {
		t.Fatal(err)
	}
	for _, password := range []bool{false, true} {
		if password {
			if _, err := store.AddPassword(t.Context(), "pam", "a hash", s.ID, by); err != nil {
				t.Fatal(err)
			}
		}
		all, err := w.people().ListUsers(admin, &candorv1.ListUsersRequest{})
		if err != nil || len(all.GetUsers()) != 1 || all.GetUsers()[0].GetHasPassword() != password || all.GetUsers()[0].GetPasskeys() != 1 {
			t.Errorf("password %v: users are %v, %v", password, all, err)
		}
	}
	if got := w.adminRecords(); !slices.Contains(got, "user.add_password users/pam pam 203.0.113.9") {
		t.Errorf("recorded %q", got)
	}
}

// What a person does on a page is recorded with the address of their browser, which the page names; a call over the network, with its
// own.
func TestRecordsNameTheBrowsersAddress(t *testing.T) {
	p := withPeople(t)
	page := candorv1.NewPeopleServiceClient(p.gateway.InProcess())
	if _, err := page.CreateUser(person(t, "sam", nil, candorv1.Role_ROLE_ADMIN), &candorv1.CreateUserRequest{User: &candorv1.User{
		Name: "kim", Roles: []candorv1.Role{candorv1.Role_ROLE_REVIEWER},
	}}); err != nil {
		t.Fatal(err)
	}
	p.user("lee", nil, candorv1.Role_ROLE_REVIEWER)
	got := p.adminRecords()
	if !slices.Contains(got, "user.create users/kim sam 203.0.113.9") || !slices.ContainsFunc(got, func(r string) bool {
		return strings.HasPrefix(r, "user.create users/lee ") && strings.HasSuffix(r, " 127.0.0.1")
	}) {
		t.Errorf("records are %q", got)
	}
}
