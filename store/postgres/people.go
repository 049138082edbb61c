package postgres

import (
	"context"
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

// nullable is what a column that is unique holds: null where there is no sum.
func nullable(sum people.Sum) any {
	if sum == (people.Sum{}) {
		return nil
	}
	return sum[:]
}
