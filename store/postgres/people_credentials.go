package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/candor-gateway/candor/people"
)

// Enrol gives the user of a code a credential; see people.Store.
func (p peopleStore) Enrol(ctx context.Context, code people.Sum, c people.Credential, by people.By) (people.User, error) {
	const doing = "postgres: enrol a user"
	if (c.Password == "") == (c.Passkey == nil) {
		return people.User{}, fmt.Errorf("%s: give a password's hash or a passkey", doing)
	}
	var after people.User
	err := p.s.write(ctx, doing, needs{}, func(b *batch) error {
		u, err := loadUser(b.query, codeIsGood, code[:], micros(b.now))
		if err != nil {
			return err
		}
		// Whoever uses the code up at the same time waits here, and finds it gone.
		n, err := b.count(`UPDATE people_users SET code_sha256 = NULL, code_expire_us = 0 WHERE name = $1 AND code_sha256 = $2 RETURNING true`, u.Name, code[:])
		if err != nil || n == 0 {
			return orElse(err, people.ErrNotFound)
		}
		if c.Passkey != nil {
			b.later(`INSERT INTO people_passkeys (id, user_name, data) VALUES ($1, $2, $3)`, c.Passkey.ID, u.Name, c.Passkey.Data)
		} else {
			b.later(`UPDATE people_users SET password = $1 WHERE name = $2`, c.Password, u.Name)
		}
		if err := b.admin("user.enrol", "users/"+u.Name, by); err != nil {
			return err
		}
		after, err = loadUser(b.query, `name = $1`, u.Name)
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
		return errors.New("postgres: rehash a password: both hashes must be given")
	}
	return p.s.directly(ctx, "postgres: rehash a password", func(d *direct) error {
		_, err := d.exec(`UPDATE people_users SET password = $1 WHERE name = $2 AND password = $3`, hash, name, old)
		return err
	})
}

// UsePasskey stores what a login changed in a passkey.
func (p peopleStore) UsePasskey(ctx context.Context, name string, k people.Passkey) error {
	return p.s.directly(ctx, "postgres: store a passkey's use", func(d *direct) error {
		n, err := d.exec(`UPDATE people_passkeys SET data = $1 WHERE id = $2 AND user_name = $3`, k.Data, k.ID, name)
		if err != nil || n == 0 {
			return orElse(err, people.ErrNotFound)
		}
		return nil
	})
}

// CreateToken stores a token; see people.Store.
func (p peopleStore) CreateToken(ctx context.Context, user string, token people.Token, secret people.Sum, by people.By) error {
	return p.s.write(ctx, "postgres: create a token", needs{}, func(b *batch) error {
		// Locked, or the user could be disabled meanwhile and the token stay.
		known := false
		if err := b.query(`SELECT true FROM people_users WHERE name = $1 AND NOT disabled FOR UPDATE`, []any{user},
			func(row scanner) error { return row.Scan(&known) }); err != nil || !known {
			return orElse(err, people.ErrNotFound)
		}
		b.later(`INSERT INTO people_tokens (id, user_name, secret_sha256, description, created_us, expire_us, last_use_us)
			VALUES ($1, $2, $3, $4, $5, $6, 0)`, token.ID, user, secret[:], text(token.Description), micros(b.now), micros(token.Expire))
		return b.admin("token.create", "users/"+user, by)
	})
}

// RevokeToken ends a token.
func (p peopleStore) RevokeToken(ctx context.Context, user, id string, by people.By) error {
	return p.s.write(ctx, "postgres: revoke a token", needs{}, func(b *batch) error {
		n, err := b.count(`DELETE FROM people_tokens WHERE id = $1 AND user_name = $2 RETURNING true`, id, user)
		if err != nil || n == 0 {
			return orElse(err, people.ErrNotFound)
		}
		return b.admin("token.revoke", "users/"+user, by)
	})
}

// Token answers whose token it is.
func (p peopleStore) Token(ctx context.Context, secret people.Sum) (people.Person, people.Token, error) {
	const doing = "postgres: read a token"
	var token people.Token
	var name string
	err := p.s.reader(ctx)(`SELECT id, description, created_us, expire_us, last_use_us, user_name FROM people_tokens
		WHERE secret_sha256 = $1 AND expire_us > $2`, []any{secret[:], micros(p.s.Now())}, func(row scanner) (err error) {
		token, err = scanToken(row, &name)
		return err
	})
	if err == nil && name == "" {
		err = people.ErrNotFound
	}
	if err != nil {
		return people.Person{}, people.Token{}, fmt.Errorf("%s: %w", doing, err)
	}
	u, err := p.load(ctx, `name = $1 AND NOT disabled`, name)
	if err != nil {
		return people.Person{}, people.Token{}, err
	}
	return u.Person(people.MethodToken), token, nil
}

// TouchToken stores a token's use.
func (p peopleStore) TouchToken(ctx context.Context, id string) error {
	return p.s.directly(ctx, "postgres: store a token's use", func(d *direct) error {
		_, err := d.exec(`UPDATE people_tokens SET last_use_us = $1 WHERE id = $2`, micros(d.now), id)
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
