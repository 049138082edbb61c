package postgres

import (
	"context"
	"fmt"
	"slices"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/people"
)

// CreateUser makes a user; see people.Store.
func (p peopleStore) CreateUser(ctx context.Context, u people.User, code people.Code, by people.By) error {
	const doing = "postgres: create a user"
	if u.Name == "" || len(u.Handle) == 0 {
		return fmt.Errorf("%s: name and handle must be given", doing)
	}
	roles, queues, err := people.EncodeRights(u.Roles, u.Queues)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return p.s.write(ctx, doing, needs{}, func(b *batch) error {
		// Waits for a gateway that makes the same.
		n, err := b.count(`INSERT INTO people_users (name, roles, queues, disabled, handle, password, code_sha256, code_expire_us, created_us, last_login_us)
			VALUES ($1, $2, $3, $4, $5, '', $6, $7, $8, 0) ON CONFLICT (name) DO NOTHING RETURNING true`,
			u.Name, roles, queues, u.Disabled, u.Handle, nullable(code.Sum), micros(code.Expire), micros(b.now))
		if err != nil || n == 0 {
			return orElse(err, people.ErrExists)
		}
		return b.admin("user.create", "users/"+u.Name, by)
	})
}

// UpdateUser sets a user's rights; see people.Store.
func (p peopleStore) UpdateUser(ctx context.Context, c people.Change, by people.By) (people.User, error) {
	const doing = "postgres: update a user"
	roles, queues, err := people.EncodeRights(c.Roles, c.Queues)
	if err != nil {
		return people.User{}, fmt.Errorf("%s: %w", doing, err)
	}
	var after people.User
	err = p.s.write(ctx, doing, needs{}, func(b *batch) error {
		// One after the other: two administrators that disable each other at the same time would leave none.
		if err := b.query(`SELECT pg_advisory_xact_lock($1)`, []any{peopleLock}, ignore); err != nil {
			return err
		}
		before, err := loadUser(b.query, `name = $1`, c.Name)
		if err != nil {
			return err
		}
		after = before
		after.Roles, after.Queues, after.Disabled = c.Roles, c.Queues, c.Disabled
		if people.SameRights(before, after) && before.Disabled == after.Disabled {
			return nil
		}
		if c.KeepAdmin && before.Administers() && !after.Administers() {
			if left, err := b.otherAdmins(c.Name); err != nil || !left {
				return orElse(err, people.ErrLastAdmin)
			}
		}
		b.later(`UPDATE people_users SET roles = $1, queues = $2, disabled = $3 WHERE name = $4`, roles, queues, c.Disabled, c.Name)
		verb := "user.update"
		switch {
		case c.Disabled && !before.Disabled:
			verb, after.Tokens = "user.disable", nil
			b.later(`DELETE FROM people_tokens WHERE user_name = $1`, c.Name)
			b.later(`UPDATE people_users SET code_sha256 = NULL, code_expire_us = 0 WHERE name = $1`, c.Name)
		case before.Disabled && !c.Disabled:
			verb = "user.enable"
		}
		if people.LessRights(before, after) {
			b.later(`DELETE FROM people_sessions WHERE user_name = $1`, c.Name)
		}
		return b.admin(verb, "users/"+c.Name, by)
	})
	if err != nil {
		return people.User{}, err
	}
	return after, nil
}

func orElse(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// otherAdmins says whether a user beside this one may administer.
func (b *batch) otherAdmins(name string) (bool, error) {
	left := false
	err := b.query(`SELECT roles FROM people_users WHERE NOT disabled AND name <> $1`, []any{name}, func(row scanner) error {
		var text string
		if err := row.Scan(&text); err != nil {
			return err
		}
		roles, _, err := people.DecodeRights(text, "null")
		left = left || slices.Contains(roles, candorv1.Role_ROLE_ADMIN)
		return err
	})
	return left, err
}

// peopleLock keeps changes of rights in a row.
const peopleLock = 0x434e4450

// ResetUser takes all credentials away and gives a code; see people.Store.
func (p peopleStore) ResetUser(ctx context.Context, name string, code people.Code, by people.By) error {
	return p.s.write(ctx, "postgres: reset a user", needs{}, func(b *batch) error {
		n, err := b.count(`UPDATE people_users SET password = '', code_sha256 = $1, code_expire_us = $2 WHERE name = $3 RETURNING true`,
			nullable(code.Sum), micros(code.Expire), name)
		if err != nil || n == 0 {
			return orElse(err, people.ErrNotFound)
		}
		for _, table := range []string{"people_passkeys", "people_tokens", "people_sessions"} {
			b.later(`DELETE FROM `+table+` WHERE user_name = $1`, name)
		}
		return b.admin("user.reset", "users/"+name, by)
	})
}

// User answers one by name.
func (p peopleStore) User(ctx context.Context, name string) (people.User, error) {
	return p.load(ctx, `name = $1`, name)
}

// UserByHandle answers one by the handle of their passkeys.
func (p peopleStore) UserByHandle(ctx context.Context, handle []byte) (people.User, error) {
	return p.load(ctx, `handle = $1`, handle)
}

// codeIsGood is the condition for a user by their code: $1 its sum, $2 now.
const codeIsGood = `code_sha256 = $1 AND code_expire_us > $2 AND NOT disabled`

// UserByCode answers whose enrolment code it is.
func (p peopleStore) UserByCode(ctx context.Context, code people.Sum) (people.User, error) {
	return p.load(ctx, codeIsGood, code[:], micros(p.s.Now()))
}

func (p peopleStore) load(ctx context.Context, where string, args ...any) (people.User, error) {
	u, err := loadUser(p.s.reader(ctx), where, args...)
	if err != nil {
		return people.User{}, fmt.Errorf("postgres: read a user: %w", err)
	}
	return u, nil
}

// Users answers all, by name.
func (p peopleStore) Users(ctx context.Context) ([]people.User, error) {
	users, err := loadUsers(p.s.reader(ctx), `true`)
	if err != nil {
		return nil, fmt.Errorf("postgres: list the users: %w", err)
	}
	return users, nil
}

func loadUser(query queryFunc, where string, args ...any) (people.User, error) {
	users, err := loadUsers(query, where, args...)
	if err != nil || len(users) == 0 {
		return people.User{}, orElse(err, people.ErrNotFound)
	}
	return users[0], nil
}

// loadUsers reads users with their passkeys and tokens.
func loadUsers(query queryFunc, where string, args ...any) ([]people.User, error) {
	var users []people.User
	err := query(`SELECT name, roles, queues, disabled, handle, password, created_us, last_login_us FROM people_users WHERE `+where+` ORDER BY name`,
		args, func(row scanner) error {
			var u people.User
			var roles, queues string
			var created, login int64
			err := row.Scan(&u.Name, &roles, &queues, &u.Disabled, &u.Handle, &u.Password, &created, &login)
			if err == nil {
				u.Roles, u.Queues, err = people.DecodeRights(roles, queues)
			}
			u.Created, u.LastLogin = instant(created), instant(login)
			users = append(users, u)
			return err
		})
	for i := range users {
		if err == nil {
			err = loadCredentials(query, &users[i])
		}
	}
	return users, err
}

func loadCredentials(query queryFunc, u *people.User) error {
	err := query(`SELECT id, data FROM people_passkeys WHERE user_name = $1 ORDER BY id`, []any{u.Name}, func(row scanner) error {
		var k people.Passkey
		err := row.Scan(&k.ID, &k.Data)
		u.Passkeys = append(u.Passkeys, k)
		return err
	})
	if err != nil {
		return err
	}
	return query(`SELECT id, description, created_us, expire_us, last_use_us FROM people_tokens WHERE user_name = $1 ORDER BY created_us, id`,
		[]any{u.Name}, func(row scanner) error {
			token, err := scanToken(row)
			u.Tokens = append(u.Tokens, token)
			return err
		})
}
