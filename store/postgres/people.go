package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/people"
)

// People answers the part of the store that knows users, sessions and tokens. It is open as long as the store is.
func (s *Store) People() people.Store { return peopleStore{s} }

// peopleStore implements people.Store.
type peopleStore struct{ s *Store }

// Now is the store's clock.
func (p peopleStore) Now() time.Time { return p.s.Now() }

// Note writes a record about something that changed nothing.
func (p peopleStore) Note(ctx context.Context, verb, subject string, by people.By) error {
	return p.s.write(ctx, "postgres: record "+verb, needs{}, func(b *batch) error { return b.admin(verb, subject, by) })
}

// admin writes what somebody did into the log.
func (b *batch) admin(verb, subject string, by people.By) error {
	return b.adminAt(b.now, verb, subject, by)
}

// adminAt is admin of a moment that the caller knows.
func (b *batch) adminAt(at time.Time, verb, subject string, by people.By) error {
	_, err := b.appendRecord(&candorv1.Record{TimeUs: micros(at), Entry: &candorv1.Record_Admin{Admin: &candorv1.AdminRecord{
		Verb: verb, By: by.Name, Subject: subject, Reason: by.Reason, Remote: by.Remote,
	}}})
	return err
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

// encodeRights answers roles and queues as the tables hold them.
func encodeRights(roles []candorv1.Role, queues []string) (string, string, error) {
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

// decodeRights is its inverse.
func decodeRights(roles, queues string) (r []candorv1.Role, q []string, err error) {
	if err := json.Unmarshal([]byte(roles), &r); err != nil {
		return nil, nil, fmt.Errorf("decode roles: %w", err)
	}
	if err := json.Unmarshal([]byte(queues), &q); err != nil {
		return nil, nil, fmt.Errorf("decode queues: %w", err)
	}
	return r, q, nil
}

// nullable is what a column that is unique holds: null where there is no sum.
func nullable(sum people.Sum) any {
	if sum == (people.Sum{}) {
		return nil
	}
	return sum[:]
}
