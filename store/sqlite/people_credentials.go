package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/candor-gateway/candor/people"
)

// Enrol gives the user of a code a credential; see people.Store.
func (p peopleStore) Enrol(ctx context.Context, code people.Sum, c people.Credential, by people.By) (people.User, error) {
	const doing = "sqlite: enrol a user"
	if (c.Password == "") == (c.Passkey == nil) {
		return people.User{}, fmt.Errorf("%s: give a password's hash or a passkey", doing)
	}
	var after people.User
	err := p.s.write(ctx, doing, func(t *tx) error {
		u, err := loadUser(t.reading(), codeIsGood, code[:], micros(t.now))
		if err != nil {
			return err
		}
		if _, err := t.exec(`UPDATE people_users SET code_sha256 = NULL, code_expire_us = 0 WHERE name = ?`, u.Name); err != nil {
			return err
		}
		if c.Passkey != nil {
			_, err = t.exec(`INSERT INTO people_passkeys (id, user_name, data) VALUES (?, ?, ?)`, c.Passkey.ID, u.Name, c.Passkey.Data)
		} else {
			_, err = t.exec(`UPDATE people_users SET password = ? WHERE name = ?`, c.Password, u.Name)
		}
		if err != nil {
			return err
		}
		if err := t.admin("user.enrol", "users/"+u.Name, by); err != nil {
			return err
		}
		after, err = loadUser(t.reading(), `name = ?`, u.Name)
		return err
	})
	if err != nil {
		return people.User{}, err
	}
	return after, nil
}

// Rehash replaces a hash of the same password.
func (p peopleStore) Rehash(ctx context.Context, name, old, hash string) error {
	if old == "" || hash == "" {
		return errors.New("sqlite: rehash a password: both hashes must be given")
	}
	return p.s.write(ctx, "sqlite: rehash a password", func(t *tx) error {
		_, err := t.exec(`UPDATE people_users SET password = ? WHERE name = ? AND password = ?`, hash, name, old)
		return err
	})
}

// UsePasskey stores what a login changed in a passkey.
func (p peopleStore) UsePasskey(ctx context.Context, name string, k people.Passkey) error {
	return p.s.write(ctx, "sqlite: store a passkey's use", func(t *tx) error {
		n, err := t.exec(`UPDATE people_passkeys SET data = ? WHERE id = ? AND user_name = ?`, k.Data, k.ID, name)
		if err != nil || n == 0 {
			return orElse(err, people.ErrNotFound)
		}
		return nil
	})
}

// CreateToken stores a token; see people.Store.
func (p peopleStore) CreateToken(ctx context.Context, user string, token people.Token, secret people.Sum, by people.By) error {
	return p.s.write(ctx, "sqlite: create a token", func(t *tx) error {
		if _, err := loadUser(t.reading(), `name = ? AND disabled = 0`, user); err != nil {
			return err
		}
		if _, err := t.exec(`INSERT INTO people_tokens (id, user_name, secret_sha256, description, created_us, expire_us, last_use_us)
			VALUES (?, ?, ?, ?, ?, ?, 0)`, token.ID, user, secret[:], token.Description, micros(t.now), micros(token.Expire)); err != nil {
			return err
		}
		return t.admin("token.create", "users/"+user, by)
	})
}

// RevokeToken ends a token.
func (p peopleStore) RevokeToken(ctx context.Context, user, id string, by people.By) error {
	return p.s.write(ctx, "sqlite: revoke a token", func(t *tx) error {
		n, err := t.exec(`DELETE FROM people_tokens WHERE id = ? AND user_name = ?`, id, user)
		if err != nil || n == 0 {
			return orElse(err, people.ErrNotFound)
		}
		return t.admin("token.revoke", "users/"+user, by)
	})
}

// Token answers whose token it is.
func (p peopleStore) Token(ctx context.Context, secret people.Sum) (people.Person, people.Token, error) {
	const doing = "sqlite: read a token"
	var token people.Token
	var name string
	err := p.s.reader(ctx)(`SELECT id, description, created_us, expire_us, last_use_us, user_name FROM people_tokens
		WHERE secret_sha256 = ? AND expire_us > ?`, []any{secret[:], micros(p.s.Now())}, func(row scanner) (err error) {
		token, err = scanToken(row, &name)
		return err
	})
	if err == nil && name == "" {
		err = people.ErrNotFound
	}
	if err != nil {
		return people.Person{}, people.Token{}, fmt.Errorf("%s: %w", doing, err)
	}
	u, err := p.load(ctx, `name = ? AND disabled = 0`, name)
	if err != nil {
		return people.Person{}, people.Token{}, err
	}
	return u.Person(people.MethodToken), token, nil
}

// TouchToken stores a token's use.
func (p peopleStore) TouchToken(ctx context.Context, id string) error {
	return p.s.write(ctx, "sqlite: store a token's use", func(t *tx) error {
		_, err := t.exec(`UPDATE people_tokens SET last_use_us = ? WHERE id = ?`, micros(t.now), id)
		return err
	})
}

func scanToken(row scanner, more ...any) (people.Token, error) {
	var t people.Token
	var created, expire, used int64
	err := row.Scan(append([]any{&t.ID, &t.Description, &created, &expire, &used}, more...)...)
	t.Created, t.Expire, t.LastUse = instant(created), instant(expire), instant(used)
	return t, err
}
