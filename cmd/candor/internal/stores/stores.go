// Package stores opens the store that a configuration names, whichever driver it is.
package stores

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/candor-gateway/candor/audit"
	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/defect"
	"github.com/candor-gateway/candor/limits"
	"github.com/candor-gateway/candor/people"
	"github.com/candor-gateway/candor/review"
	"github.com/candor-gateway/candor/store/postgres"
	"github.com/candor-gateway/candor/store/sqlite"
	"github.com/candor-gateway/candor/webhook"
)

// Store is an open store, for a gateway to serve from.
type Store interface {
	Reader
	gateway.Ledger
	gateway.Certificates
	gateway.Artefacts
	gateway.Pins
	review.Store
	limits.Store
	webhook.Store
	// People answers the part of the store that knows users, sessions and tokens.
	People() people.Store
	// Identity is the name that Init gave the store.
	Identity() string
	// Sweep removes payloads of items that were finished at least payloadAge before now.
	Sweep(ctx context.Context, now time.Time, payloadAge time.Duration) (removed int64, err error)
}

// Reader is an open store, for a command to read beside gateways.
type Reader interface {
	Find(ctx context.Context, predictionID string) (audit.Stored, error)
	Summarize(ctx context.Context, q audit.Query) (audit.Summary, error)
	Outcomes(ctx context.Context, predictionID string) ([]*candorv1.OutcomeRecord, error)
	List(ctx context.Context, f review.Filter) (review.Page, error)
	Events(ctx context.Context, id string, after uint64, limit int) ([]review.Event, error)
	Certificate(ctx context.Context, id string) (*candorv1.CertificateState, error)
	Certificates(ctx context.Context, model string, ended bool) ([]*candorv1.CertificateState, error)
	GetArtefact(ctx context.Context, name string, version uint32) (*candorv1.Artefact, error)
	// Scan finds the records of a span of time.
	Scan(ctx context.Context, since, until time.Time) (*audit.Scan, error)
	// VerifyLog checks the hash chains, and that stored payloads are those whose digests were recorded.
	VerifyLog(ctx context.Context) (audit.VerifyReport, error)
	Now() time.Time
	// Close ends it; ctx bounds the wait.
	Close(ctx context.Context) error
}

var (
	_ Store = (*sqlite.Store)(nil)
	_ Store = (*postgres.Store)(nil)
)

// Open opens the store of a configuration for serving. Close it. Who tells of panics tells of everything else, too.
func Open(ctx context.Context, cfg *candorv1.Config, tell defect.Guard) (Store, error) {
	identity, queue := cfg.GetStore().GetIdentity(), int(cfg.GetAudit().GetQueueRecords())
	linger := cfg.GetAudit().GetMaxLinger().AsDuration()
	if p := cfg.GetStore().GetPostgres(); p != nil {
		url, err := urlOf(p)
		if err != nil {
			return nil, err
		}
		s, err := postgres.Open(ctx, url, identity, postgres.Options{
			MaxLinger: linger, QueueRecords: queue, MaxConnections: int(p.GetMaxConnections()), Logger: tell.Log, Panicked: tell.Count,
		})
		if err != nil {
			return nil, told(err)
		}
		return s, nil
	}
	s, err := sqlite.Open(ctx, cfg.GetStore().GetSqlite().GetPath(), identity, sqlite.Options{MaxLinger: linger, QueueRecords: queue, Logger: tell.Log})
	if err != nil {
		return nil, told(err)
	}
	return s, nil
}

// Name is what errors call the store of a configuration; empty where the configuration leads nowhere.
func Name(cfg *candorv1.Config) string {
	if p := cfg.GetStore().GetPostgres(); p != nil {
		url, err := urlOf(p)
		if err != nil {
			return ""
		}
		return postgres.Name(url)
	}
	return cfg.GetStore().GetSqlite().GetPath()
}

// Passing says of an error that came of opening a store, or of making a gateway over it, that waiting may mend it.
func Passing(err error) bool {
	var timeout interface{ Timeout() bool }
	return postgres.Passing(err) || sqlite.Passing(err) || errors.As(err, &timeout) && timeout.Timeout()
}

// Init makes the store of a configuration, and answers what to call it.
func Init(ctx context.Context, cfg *candorv1.Config) (name string, err error) {
	identity := cfg.GetStore().GetIdentity()
	if p := cfg.GetStore().GetPostgres(); p != nil {
		url, err := urlOf(p)
		if err != nil {
			return "", err
		}
		return postgres.Name(url), told(postgres.Init(ctx, url, identity))
	}
	path := cfg.GetStore().GetSqlite().GetPath()
	return path, told(sqlite.Init(ctx, path, identity))
}

// Read opens the store of a configuration for reading. Close it.
func Read(ctx context.Context, cfg *candorv1.Config) (Reader, error) {
	if p := cfg.GetStore().GetPostgres(); p != nil {
		url, err := urlOf(p)
		if err != nil {
			return nil, err
		}
		s, err := postgres.OpenReadOnly(ctx, url)
		if err != nil {
			return nil, told(err)
		}
		return s, nil
	}
	s, err := sqlite.OpenReadOnly(ctx, cfg.GetStore().GetSqlite().GetPath())
	if err != nil {
		return nil, told(err)
	}
	return s, nil
}

// urlOf answers where the database is, from the environment if the configuration says so.
func urlOf(p *candorv1.PostgresStore) (string, error) {
	name := p.GetUrlEnv()
	if name == "" {
		return p.GetUrl(), nil
	}
	if url := os.Getenv(name); url != "" {
		return url, nil
	}
	return "", cli.Fail("set it to postgres://USER:PASSWORD@HOST:PORT/DATABASE", "the environment variable %s, which store.postgres.url_env names, is empty", name)
}

// told puts a store's refusal in the form of the command line: the store has the remedy.
func told(err error) error {
	var file *sqlite.OpenError
	if errors.As(err, &file) {
		return &cli.Error{What: fmt.Sprintf("store %s: %v", file.Path, file.Err), Remedy: file.Remedy, Err: err}
	}
	var database *postgres.OpenError
	if errors.As(err, &database) {
		return &cli.Error{What: fmt.Sprintf("store %s: %v", database.Database, database.Err), Remedy: database.Remedy, Err: err}
	}
	return err
}
