package people_test

import (
	"slices"
	"strings"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/people"
)

func TestRolesInclude(t *testing.T) {
	all := []candorv1.Role{
		candorv1.Role_ROLE_REVIEWER, candorv1.Role_ROLE_SENIOR, candorv1.Role_ROLE_OPERATOR, candorv1.Role_ROLE_AUDITOR, candorv1.Role_ROLE_ADMIN,
	}
	for _, has := range all {
		for _, want := range all {
			includes := has == want || has == candorv1.Role_ROLE_ADMIN ||
				has == candorv1.Role_ROLE_SENIOR && want == candorv1.Role_ROLE_REVIEWER
			if got := (people.Person{Roles: []candorv1.Role{has}}).Has(want); got != includes {
				t.Errorf("%v includes %v: %v", has, want, got)
			}
		}
		if people.Includes(nil, has) || people.Includes([]candorv1.Role{has}, candorv1.Role_ROLE_UNSPECIFIED) {
			t.Errorf("%v is had by nobody, or nothing by it", has)
		}
	}
}

func TestValidName(t *testing.T) {
	good := []string{"ann", "ann@example.com", "a.b_c-d+e", "0", strings.Repeat("a", 127)}
	bad := []string{"", "Ann", "-a", "a b", "a/b", "ä", "gateway", "policy", strings.Repeat("a", 128), "a\n"}
	for _, name := range slices.Concat(good, bad) {
		if got := people.ValidName(name); got != slices.Contains(good, name) {
			t.Errorf("ValidName(%q) = %v", name, got)
		}
	}
}
