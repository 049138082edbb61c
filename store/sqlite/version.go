package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
)

// Versions answers the version of the schema of the store at path, and the one that this program wants. It changes nothing, and
// may be called while a gateway serves. Errors: an *OpenError with ErrAbsent, ErrForeign, ErrNewer or ErrNotStore.
func Versions(ctx context.Context, path, identity string) (stored, wanted int64, err error) {
	if err := checkPath(path); err != nil {
		return 0, 0, err
	}
	s := &Store{path: path}
	if err := s.identify(ctx, path, identity); err != nil {
		return 0, 0, err
	}
	db, err := connectReaders(path, "ro")
	if err != nil {
		return 0, 0, fmt.Errorf("open store %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	d, err := describe(ctx, db)
	if err != nil {
		return 0, 0, fmt.Errorf("open store %s: %w", path, err)
	}
	wanted, err = schemaVersion(db)
	return d.version, wanted, err
}

// Migrate brings the schema of the store at path to the version that this program wants, and answers both, as Versions does.
// Errors: those of Versions, and ErrLocked in an *OpenError.
func Migrate(ctx context.Context, path, identity string) (from, to int64, err error) {
	if err := checkPath(path); err != nil {
		return 0, 0, err
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return 0, 0, fmt.Errorf("open store %s: %w", path, err)
	}
	lock, err := lockProcess(real + ".lock")
	if errors.Is(err, ErrLocked) {
		return 0, 0, &OpenError{path, err, "a gateway serves from it, and has migrated it when it started"}
	}
	if err != nil {
		return 0, 0, fmt.Errorf("open store %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, lock.release()) }()
	if from, to, err = Versions(ctx, real, identity); err != nil || from == to {
		return from, to, err
	}
	db, err := connectWriter(real)
	if err != nil {
		return from, from, fmt.Errorf("open store %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := migrate(ctx, db); err != nil {
		return from, from, fmt.Errorf("open store %s: %w", path, err)
	}
	return from, to, nil
}
