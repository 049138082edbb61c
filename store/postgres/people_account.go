package postgres

import (
	"context"
	"errors"

	"github.com/candor-gateway/candor/people"
)

// SetPassword replaces a user's own password; see people.Store.
func (p peopleStore) SetPassword(ctx context.Context, name, old, hash, keep string, by people.By) (ended int64, err error) {
	if old == "" || hash == "" {
		return 0, errors.New("postgres: set a password: both hashes must be given")
	}
	err = p.s.write(ctx, "postgres: set a password", needs{}, func(b *batch) error {
		n, err := b.count(`UPDATE people_users SET password = $1 WHERE name = $2 AND password = $3 AND NOT disabled RETURNING true`, hash, name, old)
		if err != nil || n == 0 {
			return orElse(err, people.ErrNotFound)
		}
		if ended, err = b.endOthers(name, keep); err != nil {
			return err
		}
		return b.admin("user.password", "users/"+name, by)
	})
	if err != nil {
		return 0, err
	}
	return ended, nil
}

// AddPassword gives a user without one a password; see people.Store.
func (p peopleStore) AddPassword(ctx context.Context, name, hash, session string, by people.By) (ended int64, err error) {
	if hash == "" {
		return 0, errors.New("postgres: add a password: its hash must be given")
	}
	err = p.s.write(ctx, "postgres: add a password", needs{}, func(b *batch) error {
		old, err := b.passwordAsked(name, session)
		if err == nil && old != "" {
			err = people.ErrNotFound
		}
		if err != nil {
			return err
		}
		if _, err := b.count(`UPDATE people_users SET password = $1 WHERE name = $2 RETURNING true`, hash, name); err != nil {
			return err
		}
		if ended, err = b.endOthers(name, session); err != nil {
			return err
		}
		return b.admin("user.add_password", "users/"+name, by)
	})
	if err != nil {
		return 0, err
	}
	return ended, nil
}

// AddPasskey stores one more passkey; see people.Store.
func (p peopleStore) AddPasskey(ctx context.Context, name string, k people.Passkey, session string, by people.By) error {
	return p.s.write(ctx, "postgres: add a passkey", needs{}, func(b *batch) error {
		if _, err := b.passwordAsked(name, session); err != nil {
			return err
		}
		n, err := b.count(`INSERT INTO people_passkeys (id, user_name, data) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING true`, k.ID, name, k.Data)
		if err != nil || n == 0 {
			return orElse(err, people.ErrExists)
		}
		return b.admin("user.add_passkey", "users/"+name, by)
	})
}

// RemovePasskey takes one away; see people.Store.
func (p peopleStore) RemovePasskey(ctx context.Context, name string, id []byte, keep string, by people.By) (ended int64, err error) {
	err = p.s.write(ctx, "postgres: remove a passkey", needs{}, func(b *batch) error {
		password, err := b.passwordOf(name)
		if err != nil {
			return err
		}
		n, err := b.count(`DELETE FROM people_passkeys WHERE id = $1 AND user_name = $2 RETURNING true`, id, name)
		if err != nil || n == 0 {
			return orElse(err, people.ErrNotFound)
		}
		if password == "" {
			left := false
			if err := b.query(`SELECT EXISTS (SELECT 1 FROM people_passkeys WHERE user_name = $1)`, []any{name},
				func(row scanner) error { return row.Scan(&left) }); err != nil || !left {
				return orElse(err, people.ErrLastCredential)
			}
		}
		if ended, err = b.endOthers(name, keep); err != nil {
			return err
		}
		return b.admin("user.remove_passkey", "users/"+name, by)
	})
	if err != nil {
		return 0, err
	}
	return ended, nil
}

// passwordOf answers the hash of a user who isn't disabled, and keeps others from changing the user meanwhile: two passkeys that are
// removed at once must not both be the last but one. Errors: people.ErrNotFound.
func (b *batch) passwordOf(name string) (password string, err error) {
	known := false
	err = b.query(`SELECT true, password FROM people_users WHERE name = $1 AND NOT disabled FOR UPDATE`, []any{name},
		func(row scanner) error { return row.Scan(&known, &password) })
	if err == nil && !known {
		err = people.ErrNotFound
	}
	return password, err
}

// passwordAsked is passwordOf for what one of the user's sessions asks for. The session is looked for when nobody else can change the
// user any more, in a statement of its own, which sees what a reset has done. Errors: people.ErrNotFound, also where it has ended.
func (b *batch) passwordAsked(name, session string) (password string, err error) {
	if password, err = b.passwordOf(name); err != nil {
		return "", err
	}
	there := false
	err = b.query(`SELECT EXISTS (SELECT 1 FROM people_sessions WHERE id = $1 AND user_name = $2)`, []any{session, name},
		func(row scanner) error { return row.Scan(&there) })
	if err == nil && !there {
		err = people.ErrNotFound
	}
	return password, err
}

// endOthers ends a user's sessions but one.
func (b *batch) endOthers(name, keep string) (int64, error) {
	return b.count(`DELETE FROM people_sessions WHERE user_name = $1 AND id <> $2 RETURNING true`, name, keep)
}
