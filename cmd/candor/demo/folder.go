package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/store/sqlite"
)

// anotherFolder is what helps in a folder that isn't the demo's.
const anotherFolder = "nothing was written; name a new folder with --data-dir, or one that an earlier demo left"

// refuseForeign refuses a folder with a store that no demo made: a demo puts tokens, a log and a configuration beside its store, and
// must find out before. It
// changes nothing; SQLite's own two files appear beside a store that is read.
func (d *dataDir) refuseForeign(ctx context.Context) error {
	if path := d.found.GetStore().GetSqlite().GetPath(); d.continued && path != storeName {
		return cli.Fail(anotherFolder, "%s is no demo's: its store.sqlite.path is %q, not %s", d.in(configName), path, storeName)
	}
	_, _, err := sqlite.Versions(ctx, d.in(storeName), d.found.GetStore().GetIdentity())
	var open *sqlite.OpenError
	switch {
	case errors.Is(err, sqlite.ErrAbsent):
		return d.refuseOthers()
	case errors.As(err, &open):
		return &cli.Error{What: fmt.Sprintf("%s: %v", open.Path, open.Err), Remedy: anotherFolder, Err: err}
	}
	return err
}

// refuseOthers looks for stores under other names, where a demo hasn't been before.
func (d *dataDir) refuseOthers() error {
	if d.continued {
		return nil
	}
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() && filepath.Ext(e.Name()) == filepath.Ext(storeName) {
			return cli.Fail(anotherFolder, "%s is no demo's store", d.in(e.Name()))
		}
	}
	return nil
}
