package sqlite

import (
	"context"
	"fmt"
	"slices"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/people"
)

// CreateUser makes a user; see people.Store.
func (p peopleStore) CreateUser(ctx context.Context, u people.User, code people.Code, by people.By) error {
	const doing = "sqlite: create a user"
	if u.Name == "" || len(u.Handle) == 0 {
		return fmt.Errorf("%s: name and handle must be given", doing)
	}
	roles, queues, err := people.EncodeRights(u.Roles, u.Queues)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return p.s.write(ctx, doing, func(t *tx) error {
		var taken int64
		if err := t.queryRow(`SELECT count(*) FROM people_users WHERE name = ?`, []any{u.Name}, &taken); err != nil {
			return err
		}
		if taken > 0 {
			return people.ErrExists
		}
		if _, err := t.exec(`INSERT INTO people_users (name, roles, queues, disabled, handle, password, code_sha256, code_expire_us, created_us, last_login_us)
			VALUES (?, ?, ?, ?, ?, '', ?, ?, ?, 0)`,
			u.Name, roles, queues, u.Disabled, u.Handle, nullable(code.Sum), micros(code.Expire), micros(t.now)); err != nil {
			return err
		}
		return t.admin("user.create", "users/"+u.Name, by)
	})
}

// UpdateUser sets a user's rights; see people.Store.
func (p peopleStore) UpdateUser(ctx context.Context, c people.Change, by people.By) (people.User, error) {
	const doing = "sqlite: update a user"
	roles, queues, err := people.EncodeRights(c.Roles, c.Queues)
	if err != nil {
		return people.User{}, fmt.Errorf("%s: %w", doing, err)
	}
	var after people.User
	err = p.s.write(ctx, doing, func(t *tx) error {
		before, err := loadUser(t.reading(), `name = ?`, c.Name)
		if err != nil {
			return err
		}
		after = before
		after.Roles, after.Queues, after.Disabled = c.Roles, c.Queues, c.Disabled
		if people.SameRights(before, after) && before.Disabled == after.Disabled {
			return nil
		}
		if c.KeepAdmin && before.Administers() && !after.Administers() {
			if left, err := t.otherAdmins(c.Name); err != nil || !left {
				return orElse(err, people.ErrLastAdmin)
			}
		}
		if _, err := t.exec(`UPDATE people_users SET roles = ?, queues = ?, disabled = ? WHERE name = ?`,
			roles, queues, c.Disabled, c.Name); err != nil {
			return err
		}
		verb := "user.update"
		switch {
		case c.Disabled && !before.Disabled:
			verb, after.Tokens = "user.disable", nil
			err = t.lockOut(c.Name)
		case before.Disabled && !c.Disabled:
			verb = "user.enable"
		}
		if err == nil && people.LessRights(before, after) {
			_, err = t.exec(`DELETE FROM people_sessions WHERE user_name = ?`, c.Name)
		}
		if err != nil {
			return err
		}
		return t.admin(verb, "users/"+c.Name, by)
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
func (t *tx) otherAdmins(name string) (bool, error) {
	left := false
	err := t.query(`SELECT roles FROM people_users WHERE disabled = 0 AND name <> ?`, []any{name}, func(row scanner) error {
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

// lockOut takes tokens and the enrolment code away.
func (t *tx) lockOut(name string) error {
	if _, err := t.exec(`DELETE FROM people_tokens WHERE user_name = ?`, name); err != nil {
		return err
	}
	_, err := t.exec(`UPDATE people_users SET code_sha256 = NULL, code_expire_us = 0 WHERE name = ?`, name)
	return err
}

// ResetUser takes all credentials away and gives a code; see people.Store.
func (p peopleStore) ResetUser(ctx context.Context, name string, code people.Code, by people.By) error {
	return p.s.write(ctx, "sqlite: reset a user", func(t *tx) error {
		n, err := t.exec(`UPDATE people_users SET password = '', code_sha256 = ?, code_expire_us = ? WHERE name = ?`,
			nullable(code.Sum), micros(code.Expire), name)
		if err != nil || n == 0 {
			return orElse(err, people.ErrNotFound)
		}
		for _, table := range []string{"people_passkeys", "people_tokens", "people_sessions"} {
			if _, err := t.exec(`DELETE FROM `+table+` WHERE user_name = ?`, name); err != nil {
				return err
			}
		}
		return t.admin("user.reset", "users/"+name, by)
	})
}

// User answers one by name.
func (p peopleStore) User(ctx context.Context, name string) (people.User, error) {
	return p.load(ctx, `name = ?`, name)
}

// UserByHandle answers one by the handle of their passkeys.
func (p peopleStore) UserByHandle(ctx context.Context, handle []byte) (people.User, error) {
	return p.load(ctx, `handle = ?`, handle)
}

// codeIsGood is the condition for a user by their code: ?1 its sum, ?2 now.
const codeIsGood = `code_sha256 = ?1 AND code_expire_us > ?2 AND disabled = 0`

// UserByCode answers whose enrolment code it is.
func (p peopleStore) UserByCode(ctx context.Context, code people.Sum) (people.User, error) {
	return p.load(ctx, codeIsGood, code[:], micros(p.s.Now()))
}

func (p peopleStore) load(ctx context.Context, where string, args ...any) (people.User, error) {
	u, err := loadUser(p.s.reader(ctx), where, args...)
	if err != nil {
		return people.User{}, fmt.Errorf("sqlite: read a user: %w", err)
	}
	return u, nil
}

// Users answers all, by name.
func (p peopleStore) Users(ctx context.Context) ([]people.User, error) {
	users, err := loadUsers(p.s.reader(ctx), `1 = 1`)
	if err != nil {
		return nil, fmt.Errorf("sqlite: list the users: %w", err)
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
	err := query(`SELECT id, data FROM people_passkeys WHERE user_name = ? ORDER BY id`, []any{u.Name}, func(row scanner) error {
		var k people.Passkey
		err := row.Scan(&k.ID, &k.Data)
		u.Passkeys = append(u.Passkeys, k)
		return err
	})
	if err != nil {
		return err
	}
	return query(`SELECT id, description, created_us, expire_us, last_use_us FROM people_tokens WHERE user_name = ? ORDER BY created_us, id`,
		[]any{u.Name}, func(row scanner) error {
			token, err := scanToken(row)
			u.Tokens = append(u.Tokens, token)
			return err
		})
}
