package sqlite

import (
	"context"
	"errors"

	"github.com/candor-gateway/candor/people"
)

// SetPassword replaces a user's own password; see people.Store.
func (p peopleStore) SetPassword(ctx context.Context, name, old, hash, keep string, by people.By) (ended int64, err error) {
	if old == "" || hash == "" {
		return 0, errors.New("sqlite: set a password: both hashes must be given")
	}
	err = p.s.write(ctx, "sqlite: set a password", func(t *tx) error {
		n, err := t.exec(`UPDATE people_users SET password = ? WHERE name = ? AND password = ? AND disabled = 0`, hash, name, old)
		if err != nil || n == 0 {
			return orElse(err, people.ErrNotFound)
		}
		if ended, err = t.endOthers(name, keep); err != nil {
			return err
		}
		return t.admin("user.password", "users/"+name, by)
	})
	if err != nil {
		return 0, err
	}
	return ended, nil
}

// AddPassword gives a user without one a password; see people.Store.
func (p peopleStore) AddPassword(ctx context.Context, name, hash, session string, by people.By) (ended int64, err error) {
	if hash == "" {
		return 0, errors.New("sqlite: add a password: its hash must be given")
	}
	err = p.s.write(ctx, "sqlite: add a password", func(t *tx) error {
		n, err := t.exec(`UPDATE people_users SET password = ? WHERE name = ? AND password = '' AND disabled = 0
			AND EXISTS (SELECT 1 FROM people_sessions WHERE id = ? AND user_name = ?)`, hash, name, session, name)
		if err != nil || n == 0 {
			return orElse(err, people.ErrNotFound)
		}
		if ended, err = t.endOthers(name, session); err != nil {
			return err
		}
		return t.admin("user.add_password", "users/"+name, by)
	})
	if err != nil {
		return 0, err
	}
	return ended, nil
}

// AddPasskey stores one more passkey; see people.Store.
func (p peopleStore) AddPasskey(ctx context.Context, name string, k people.Passkey, session string, by people.By) error {
	return p.s.write(ctx, "sqlite: add a passkey", func(t *tx) error {
		if _, err := loadUser(t.reading(), `name = ? AND disabled = 0 AND EXISTS (SELECT 1 FROM people_sessions WHERE id = ? AND user_name = ?)`,
			name, session, name); err != nil {
			return err
		}
		n, err := t.exec(`INSERT INTO people_passkeys (id, user_name, data) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, k.ID, name, k.Data)
		if err != nil || n == 0 {
			return orElse(err, people.ErrExists)
		}
		return t.admin("user.add_passkey", "users/"+name, by)
	})
}

// RemovePasskey takes one away; see people.Store.
func (p peopleStore) RemovePasskey(ctx context.Context, name string, id []byte, keep string, by people.By) (ended int64, err error) {
	err = p.s.write(ctx, "sqlite: remove a passkey", func(t *tx) error {
		u, err := loadUser(t.reading(), `name = ? AND disabled = 0`, name)
		if err != nil {
			return err
		}
		n, err := t.exec(`DELETE FROM people_passkeys WHERE id = ? AND user_name = ?`, id, name)
		switch {
		case err != nil || n == 0:
			return orElse(err, people.ErrNotFound)
		case u.Password == "" && len(u.Passkeys) == 1:
			return people.ErrLastCredential
		}
		if ended, err = t.endOthers(name, keep); err != nil {
			return err
		}
		return t.admin("user.remove_passkey", "users/"+name, by)
	})
	if err != nil {
		return 0, err
	}
	return ended, nil
}

// endOthers ends a user's sessions but one.
func (t *tx) endOthers(name, keep string) (int64, error) {
	return t.exec(`DELETE FROM people_sessions WHERE user_name = ? AND id <> ?`, name, keep)
}
