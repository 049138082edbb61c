// Package datadir opens a gateway's store for reading, beside the gateway that serves from it or without one.
package datadir

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/store/sqlite"
)

// Open opens the store at path: its file, or a folder that holds one store. Close it.
func Open(ctx context.Context, path string) (*sqlite.Store, error) {
	file, err := find(path)
	if err != nil {
		return nil, err
	}
	store, err := sqlite.OpenReadOnly(ctx, file)
	var open *sqlite.OpenError
	if errors.As(err, &open) {
		return nil, &cli.Error{What: fmt.Sprintf("store %s: %v", open.Path, open.Err), Remedy: open.Remedy, Err: err}
	}
	return store, err
}

// find answers the store's file.
func find(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", cli.Fail("name the file of store.sqlite.path, or its folder", "--data-dir: %w", err)
	}
	if !info.IsDir() {
		return path, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return "", cli.Fail("name the file of store.sqlite.path", "--data-dir: %w", err)
	}
	var files []string
	for _, e := range entries {
		if !e.IsDir() && filepath.Ext(e.Name()) == ".db" {
			files = append(files, filepath.Join(path, e.Name()))
		}
	}
	switch len(files) {
	case 1:
		return files[0], nil
	case 0:
		return "", cli.Fail("name the file of store.sqlite.path", "--data-dir: %s holds no *.db file", path)
	}
	return "", cli.Fail("name one of them", "--data-dir: %s holds several stores: %s", path, strings.Join(files, ", "))
}
