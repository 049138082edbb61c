package people

import (
	"regexp"
	"slices"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Person is somebody who has proved who they are. Its zero value may do nothing.
type Person struct {
	// Name as in verdicts and records.
	Name  string
	Roles []candorv1.Role
	// Queues that they may work on; nil: all.
	Queues []string
	// Method of the proof: oidc, password, passkey, token, or anonymous.
	Method string
}

// Methods of proof.
const (
	MethodOIDC      = "oidc"
	MethodPassword  = "password"
	MethodPasskey   = "passkey"
	MethodToken     = "token"
	MethodAnonymous = "anonymous"
)

// Has says whether the person has the role, or one that includes it.
func (p Person) Has(role candorv1.Role) bool { return Includes(p.Roles, role) }

// MayWork says whether the person may work on the queue, as far as their own queues say.
func (p Person) MayWork(queue string) bool {
	return p.Queues == nil || slices.Contains(p.Queues, queue)
}

// Includes says whether one of the roles is the wanted one or includes it: senior includes reviewer, admin every role.
func Includes(roles []candorv1.Role, want candorv1.Role) bool {
	if want == candorv1.Role_ROLE_UNSPECIFIED {
		return false
	}
	return slices.ContainsFunc(roles, func(r candorv1.Role) bool {
		return r == want || r == candorv1.Role_ROLE_ADMIN ||
			r == candorv1.Role_ROLE_SENIOR && want == candorv1.Role_ROLE_REVIEWER
	})
}

var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._@+-]{0,126}$`)

// reserved names stand in records for what no person did.
var reserved = []string{"gateway", "policy", "alarm", "anonymous"}

// ValidName says whether a person can have the name: 1 to 127 of a-z 0-9 . _ @ + -, with a letter or digit first, and none that
// records use for what no person did.
func ValidName(name string) bool {
	return namePattern.MatchString(name) && !slices.Contains(reserved, name)
}
