package people

import (
	"encoding/json"
	"fmt"
	"slices"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Administers says that the user may administer users.
func (u User) Administers() bool {
	return !u.Disabled && slices.Contains(u.Roles, candorv1.Role_ROLE_ADMIN)
}

// SameRights compares roles and queues; the order counts.
func SameRights(a, b User) bool {
	return slices.Equal(a.Roles, b.Roles) && slices.Equal(a.Queues, b.Queues) && (a.Queues == nil) == (b.Queues == nil)
}

// LessRights says that something was taken away.
func LessRights(before, after User) bool {
	if after.Disabled && !before.Disabled {
		return true
	}
	for _, r := range before.Roles {
		if !Includes(after.Roles, r) {
			return true
		}
	}
	if before.Queues == nil {
		return after.Queues != nil
	}
	return slices.ContainsFunc(before.Queues, func(q string) bool { return !after.Person("").MayWork(q) })
}

func encodeRoles(roles []candorv1.Role) (string, error) {
	if roles == nil {
		roles = []candorv1.Role{}
	}
	data, err := json.Marshal(roles)
	return string(data), err
}

func encodeQueues(queues []string) (string, error) {
	data, err := json.Marshal(queues)
	return string(data), err
}

// EncodeRights answers roles and queues as tables hold them, which are JSON.
func EncodeRights(roles []candorv1.Role, queues []string) (string, string, error) {
	r, err := encodeRoles(roles)
	if err != nil {
		return "", "", fmt.Errorf("encode the roles: %w", err)
	}
	q, err := encodeQueues(queues)
	if err != nil {
		return "", "", fmt.Errorf("encode the queues: %w", err)
	}
	return r, q, nil
}

// DecodeRights is its inverse.
func DecodeRights(roles, queues string) (r []candorv1.Role, q []string, err error) {
	if err := json.Unmarshal([]byte(roles), &r); err != nil {
		return nil, nil, fmt.Errorf("decode roles: %w", err)
	}
	if err := json.Unmarshal([]byte(queues), &q); err != nil {
		return nil, nil, fmt.Errorf("decode queues: %w", err)
	}
	return r, q, nil
}
