package postgres

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/candor-gateway/candor/calibration"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// artefactLock is the first half of the lock on a name.
const artefactLock = 0x434e4441

// PutArtefact stores an artefact under the next version of its name, and answers it with its version and the time by the store's
// clock. The same scope, data set and body under the same name answer what is there already, whoever the author. It keeps
// nothing of a and doesn't check what is in the body.
func (s *Store) PutArtefact(ctx context.Context, a *candorv1.Artefact) (*candorv1.Artefact, error) {
	const doing = "postgres: store an artefact"
	if a.GetName() == "" || a.GetScope() == nil || a.GetData() == nil || a.GetBody() == nil {
		return nil, fmt.Errorf("%s: an artefact has a name, a scope, a data set and a body", doing)
	}
	digest, err := contentDigest(a)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	var stored *candorv1.Artefact
	err = s.directly(ctx, doing, func(d *direct) error {
		// One after the other for each name, or two would get the same version.
		if _, err := d.exec(`SELECT pg_advisory_xact_lock($1, hashtext($2))`, artefactLock, a.GetName()); err != nil {
			return err
		}
		var data []byte
		err := d.queryRow(`SELECT data FROM artefacts WHERE name = $1 AND digest = $2`, []any{a.GetName(), digest}, &data)
		if err == nil {
			stored, err = decodeArtefact(data)
			return err
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		var version int64
		if err := d.queryRow(`SELECT coalesce(max(version), 0) + 1 FROM artefacts WHERE name = $1`, []any{a.GetName()}, &version); err != nil {
			return err
		}
		stored = proto.CloneOf(a)
		stored.Version, stored.CreateTime = uint32(version), timestamppb.New(d.now)
		if data, err = proto.Marshal(stored); err != nil {
			return err
		}
		_, err = d.exec(`INSERT INTO artefacts (name, version, digest, data, created_us) VALUES ($1, $2, $3, $4, $5)`,
			a.GetName(), version, digest, data, micros(d.now))
		return err
	})
	if err != nil {
		return nil, err
	}
	return stored, nil
}

// GetArtefact answers one; version 0 is the newest. Errors: calibration.ErrNoArtefact.
func (s *Store) GetArtefact(ctx context.Context, name string, version uint32) (*candorv1.Artefact, error) {
	const doing = "postgres: read an artefact"
	found, err := s.artefacts(ctx, `SELECT data FROM artefacts WHERE name = $1 AND (version = $2 OR $2 = 0) ORDER BY version DESC LIMIT 1`,
		name, int64(version))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s: %s@%d: %w", doing, name, version, calibration.ErrNoArtefact)
	}
	return found[0], nil
}

// ListArtefacts answers all, by name and then by version.
func (s *Store) ListArtefacts(ctx context.Context) ([]*candorv1.Artefact, error) {
	found, err := s.artefacts(ctx, `SELECT data FROM artefacts ORDER BY name, version`)
	if err != nil {
		return nil, fmt.Errorf("postgres: list the artefacts: %w", err)
	}
	return found, nil
}

func (s *Store) artefacts(ctx context.Context, query string, args ...any) ([]*candorv1.Artefact, error) {
	var out []*candorv1.Artefact
	err := s.reader(ctx)(query, args, func(row scanner) error {
		var data []byte
		if err := row.Scan(&data); err != nil {
			return err
		}
		a, err := decodeArtefact(data)
		out = append(out, a)
		return err
	})
	return out, err
}

func decodeArtefact(data []byte) (*candorv1.Artefact, error) {
	a := &candorv1.Artefact{}
	if err := proto.Unmarshal(data, a); err != nil {
		return nil, fmt.Errorf("decode an artefact: %w", err)
	}
	return a, nil
}

// contentDigest is over what makes an artefact another one.
func contentDigest(a *candorv1.Artefact) ([]byte, error) {
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(&candorv1.Artefact{Scope: a.GetScope(), Data: a.GetData(), Body: a.GetBody()})
	if err != nil {
		return nil, fmt.Errorf("encode the artefact: %w", err)
	}
	sum := sha256.Sum256(data)
	return sum[:], nil
}
