package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/candor-gateway/candor/people"
)

const (
	sessionColumns = `s.id, s.key_sha256, s.key_since_us, s.forgery_sha256, s.user_name, s.local, s.method, s.roles, s.queues,
		coalesce(u.roles, s.roles), coalesce(u.queues, s.queues), s.remote, s.user_agent, s.created_us, s.last_use_us, s.idle_until_us, s.expire_us`

	// liveSessions are those that aren't over at $1. A local user must be there and not disabled; of anybody else no user may have the
	// name, so that an administrator can shut them out by making one.
	liveSessions = ` FROM people_sessions s LEFT JOIN people_users u ON u.name = s.user_name
		WHERE s.idle_until_us > $1 AND s.expire_us > $1
		AND (s.local AND NOT u.disabled OR NOT s.local AND u.name IS NULL)`
)

// BeginSession stores a session; see people.Store.
func (p peopleStore) BeginSession(ctx context.Context, s people.Session, by people.By) error {
	const doing = "postgres: begin a session"
	if s.ID == "" || s.Person.Name == "" || s.Key == (people.Sum{}) {
		return fmt.Errorf("%s: id, key and person must be given", doing)
	}
	roles, queues, err := people.EncodeRights(s.Person.Roles, s.Person.Queues)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return p.s.write(ctx, doing, needs{}, func(b *batch) error {
		now := micros(b.now)
		b.later(`DELETE FROM people_sessions WHERE id IN (SELECT id FROM people_sessions WHERE expire_us <= $1 OR idle_until_us <= $1 FOR UPDATE SKIP LOCKED)`, now)
		if s.Local {
			n, err := b.count(`UPDATE people_users SET last_login_us = $1 WHERE name = $2 AND NOT disabled RETURNING true`, now, s.Person.Name)
			if err != nil || n == 0 {
				return orElse(err, people.ErrNotFound)
			}
		}
		b.later(`INSERT INTO people_sessions (id, key_sha256, key_since_us, before_sha256, before_us, forgery_sha256, user_name, local,
			method, roles, queues, remote, user_agent, created_us, last_use_us, idle_until_us, expire_us)
			VALUES ($1, $2, $3, NULL, 0, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
			s.ID, s.Key[:], now, s.Forgery[:], s.Person.Name, s.Local, s.Person.Method, roles, queues, text(s.Remote), text(s.UserAgent),
			now, now, micros(s.IdleUntil), micros(s.Expire))
		return b.admin("session.begin", "sessions/"+s.Person.Name, by)
	})
}

// Session answers the live session of a key; see people.Store.
func (p peopleStore) Session(ctx context.Context, key people.Sum) (people.Session, error) {
	found, err := loadSessions(p.s.reader(ctx), ` AND (s.key_sha256 = $2 OR s.before_sha256 = $2 AND s.before_us > $1)`, micros(p.s.Now()), key[:])
	if err == nil && len(found) == 0 {
		err = people.ErrNotFound
	}
	if err != nil {
		return people.Session{}, fmt.Errorf("postgres: read a session: %w", err)
	}
	return found[0], nil
}

// Sessions answers live ones, newest first.
func (p peopleStore) Sessions(ctx context.Context, user string) ([]people.Session, error) {
	found, err := loadSessions(p.s.reader(ctx), ` AND ($2::text = '' OR s.user_name = $2) ORDER BY s.created_us DESC, s.id`, micros(p.s.Now()), user)
	if err != nil {
		return nil, fmt.Errorf("postgres: list sessions: %w", err)
	}
	for i := range found {
		found[i].Key, found[i].Forgery = people.Sum{}, people.Sum{}
	}
	return found, nil
}

func loadSessions(query queryFunc, where string, args ...any) ([]people.Session, error) {
	var out []people.Session
	err := query(`SELECT `+sessionColumns+liveSessions+where, args, func(row scanner) error {
		s, err := scanSession(row)
		out = append(out, s)
		return err
	})
	return out, err
}

func scanSession(row scanner) (people.Session, error) {
	var s people.Session
	var key, forgery []byte
	var since, created, used, idle, expire int64
	var before, now struct{ roles, queues string }
	if err := row.Scan(&s.ID, &key, &since, &forgery, &s.Person.Name, &s.Local, &s.Person.Method, &before.roles, &before.queues,
		&now.roles, &now.queues, &s.Remote, &s.UserAgent, &created, &used, &idle, &expire); err != nil {
		return s, err
	}
	copy(s.Key[:], key)
	copy(s.Forgery[:], forgery)
	s.KeySince, s.Created, s.LastUse, s.IdleUntil, s.Expire = instant(since), instant(created), instant(used), instant(idle), instant(expire)
	var err error
	s.Before = people.Person{Name: s.Person.Name, Method: s.Person.Method}
	if s.Before.Roles, s.Before.Queues, err = people.DecodeRights(before.roles, before.queues); err != nil {
		return s, err
	}
	s.Person.Roles, s.Person.Queues, err = people.DecodeRights(now.roles, now.queues)
	return s, err
}

// TouchSession stores a session's use.
func (p peopleStore) TouchSession(ctx context.Context, id string, idleUntil time.Time) error {
	return p.s.directly(ctx, "postgres: store a session's use", func(d *direct) error {
		n, err := d.exec(`UPDATE people_sessions SET last_use_us = $1, idle_until_us = $2 WHERE id = $3`, micros(d.now), micros(idleUntil), id)
		if err != nil || n == 0 {
			return orElse(err, people.ErrNotFound)
		}
		return nil
	})
}

// RotateSession gives a session another key; see people.Store.
func (p peopleStore) RotateSession(ctx context.Context, id string, from, to people.Sum, grace time.Time, by people.By) error {
	return p.s.write(ctx, "postgres: rotate a session", needs{}, func(b *batch) error {
		var name string
		err := b.query(`SELECT user_name FROM people_sessions WHERE id = $1 AND key_sha256 = $2 FOR UPDATE`, []any{id, from[:]}, func(row scanner) error {
			return row.Scan(&name)
		})
		if err != nil || name == "" {
			return orElse(err, people.ErrNotFound)
		}
		b.later(`UPDATE people_sessions SET key_sha256 = $1, key_since_us = $2, before_sha256 = $3, before_us = $4,
			roles = coalesce((SELECT u.roles FROM people_users u WHERE u.name = user_name), roles),
			queues = coalesce((SELECT u.queues FROM people_users u WHERE u.name = user_name), queues) WHERE id = $5`,
			to[:], micros(b.now), from[:], micros(grace), id)
		return b.admin("session.rotate", "sessions/"+name, by)
	})
}

// EndSession ends one.
func (p peopleStore) EndSession(ctx context.Context, id string, by people.By) error {
	return p.s.write(ctx, "postgres: end a session", needs{}, func(b *batch) error {
		var name string
		err := b.change(`DELETE FROM people_sessions WHERE id = $1 RETURNING user_name`, []any{id}, func(row scanner) error { return row.Scan(&name) })
		if err != nil || name == "" {
			return orElse(err, people.ErrNotFound)
		}
		return b.admin("session.end", "sessions/"+name, by)
	})
}

// EndSessions ends all of a person's; see people.Store.
func (p peopleStore) EndSessions(ctx context.Context, user string, tokens bool, by people.By) (sessions, ended int64, err error) {
	err = p.s.write(ctx, "postgres: end sessions", needs{}, func(b *batch) (err error) {
		ended = 0
		if sessions, err = b.count(`DELETE FROM people_sessions WHERE user_name = $1 RETURNING true`, user); err != nil {
			return err
		}
		if tokens {
			if ended, err = b.count(`DELETE FROM people_tokens WHERE user_name = $1 RETURNING true`, user); err != nil {
				return err
			}
		}
		if sessions+ended == 0 {
			return nil
		}
		return b.admin("session.end_all", "sessions/"+user, by)
	})
	if err != nil {
		return 0, 0, err
	}
	return sessions, ended, nil
}
