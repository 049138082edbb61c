package people_test

import (
	"reflect"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/people"
)

const (
	senior = candorv1.Role_ROLE_SENIOR
	admin  = candorv1.Role_ROLE_ADMIN
)

func TestLessRights(t *testing.T) {
	user := func(disabled bool, queues []string, roles ...candorv1.Role) people.User {
		return people.User{Roles: roles, Queues: queues, Disabled: disabled}
	}
	for name, c := range map[string]struct {
		before, after people.User
		less          bool
	}{
		"the same":                     {user(false, nil, reviewer), user(false, nil, reviewer), false},
		"another role more":            {user(false, nil, reviewer), user(false, nil, reviewer, senior), false},
		"a role that includes the old": {user(false, nil, reviewer), user(false, nil, senior), false},
		"a role less":                  {user(false, nil, senior), user(false, nil, reviewer), true},
		"disabled":                     {user(false, nil, reviewer), user(true, nil, reviewer), true},
		"enabled":                      {user(true, nil, reviewer), user(false, nil, reviewer), false},
		"from all queues to some":      {user(false, nil, reviewer), user(false, []string{"q"}, reviewer), true},
		"from some queues to all":      {user(false, []string{"q"}, reviewer), user(false, nil, reviewer), false},
		"a queue more":                 {user(false, []string{"q"}, reviewer), user(false, []string{"q", "r"}, reviewer), false},
		"a queue less":                 {user(false, []string{"q", "r"}, reviewer), user(false, []string{"r"}, reviewer), true},
	} {
		if got := people.LessRights(c.before, c.after); got != c.less {
			t.Errorf("%s: less is %v", name, got)
		}
	}
}

func TestSameRights(t *testing.T) {
	none, all := people.User{Queues: []string{}}, people.User{}
	if people.SameRights(none, all) {
		t.Error("no queues and all queues are the same rights")
	}
	if !people.SameRights(all, people.User{Disabled: true}) {
		t.Error("the same roles and queues aren't the same rights")
	}
}

func TestAdministers(t *testing.T) {
	if !(people.User{Roles: []candorv1.Role{reviewer, admin}}).Administers() {
		t.Error("an administrator may not administer")
	}
	if (people.User{Roles: []candorv1.Role{admin}, Disabled: true}).Administers() || (people.User{Roles: []candorv1.Role{senior}}).Administers() {
		t.Error("a disabled administrator, or a senior, may administer")
	}
}

// All queues (nil) and none are different rights, and stay so.
func TestRightsAreKept(t *testing.T) {
	for _, queues := range [][]string{nil, {}, {"q", "ü\"r"}} {
		roles := []candorv1.Role{reviewer, admin}
		r, q, err := people.EncodeRights(roles, queues)
		if err != nil {
			t.Fatal(err)
		}
		gotRoles, gotQueues, err := people.DecodeRights(r, q)
		if err != nil || !reflect.DeepEqual(gotRoles, roles) || !reflect.DeepEqual(gotQueues, queues) {
			t.Errorf("roles and queues are %v and %#v (%v), want %#v", gotRoles, gotQueues, err, queues)
		}
	}
	if r, _, err := people.EncodeRights(nil, nil); err != nil || r != "[]" {
		t.Errorf("no roles are kept as %s (%v)", r, err)
	}
	if _, _, err := people.DecodeRights("{", "null"); err == nil {
		t.Error("damaged roles are no error")
	}
}
