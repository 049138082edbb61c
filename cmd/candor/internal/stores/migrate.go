package stores

import (
	"context"
	"errors"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/store/postgres"
	"github.com/candor-gateway/candor/store/sqlite"
)

// Schema is what became of a store's schema.
type Schema struct {
	// Name is what to call the store.
	Name string
	// Was is its version before, Wanted the one that this program works with.
	Was, Wanted int64
}

// Versions answers the version of the schema of a configuration's store. It changes nothing.
func Versions(ctx context.Context, cfg *candorv1.Config) (Schema, error) {
	return schemaOf(ctx, cfg, sqlite.Versions, postgres.Versions)
}

// Migrate brings the schema of a configuration's store to the version that this program wants.
func Migrate(ctx context.Context, cfg *candorv1.Config) (Schema, error) {
	return schemaOf(ctx, cfg, sqlite.Migrate, postgres.Migrate)
}

func schemaOf(ctx context.Context, cfg *candorv1.Config, file, database func(ctx context.Context, where, identity string) (int64, int64, error)) (s Schema, err error) {
	identity := cfg.GetStore().GetIdentity()
	if p := cfg.GetStore().GetPostgres(); p != nil {
		url, err := urlOf(p)
		if err != nil {
			return s, err
		}
		s.Name = postgres.Name(url)
		s.Was, s.Wanted, err = database(ctx, url, identity)
		return s, told(err)
	}
	s.Name = cfg.GetStore().GetSqlite().GetPath()
	s.Was, s.Wanted, err = file(ctx, s.Name, identity)
	return s, told(err)
}

// Moved says what Move has moved, and where.
type Moved struct {
	From, To string
	postgres.Imported
}

// Move moves the SQLite store of one configuration into the PostgreSQL database of another, which must have no store. The file stays
// as it is. On an error the database has no store.
func Move(ctx context.Context, from, to *candorv1.Config, progress func(postgres.ImportedTable)) (m Moved, err error) {
	switch {
	case from.GetStore().GetSqlite() == nil:
		return m, cli.Fail("a store is moved from SQLite to PostgreSQL; between databases PostgreSQL's own pg_dump moves it", "--from has no store.sqlite")
	case to.GetStore().GetPostgres() == nil:
		return m, cli.Fail("give store.postgres the database to move to", "--to has no store.postgres")
	case from.GetStore().GetIdentity() != to.GetStore().GetIdentity():
		return m, cli.Fail("a store keeps its identity when it moves; correct whichever is wrong",
			"store.identity is %q in --from and %q in --to", from.GetStore().GetIdentity(), to.GetStore().GetIdentity())
	}
	url, err := urlOf(to.GetStore().GetPostgres())
	if err != nil {
		return m, err
	}
	m.From, m.To = from.GetStore().GetSqlite().GetPath(), postgres.Name(url)
	if _, _, err := sqlite.Versions(ctx, m.From, from.GetStore().GetIdentity()); err != nil {
		return m, told(err)
	}
	source, err := sqlite.OpenExport(ctx, m.From)
	if err != nil {
		return m, told(err)
	}
	m.Imported, err = postgres.Import(ctx, url, source.Export, progress)
	return m, told(errors.Join(err, source.Close(context.WithoutCancel(ctx))))
}
