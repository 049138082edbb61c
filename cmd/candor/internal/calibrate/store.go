package calibrate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	"github.com/candor-gateway/candor/cmd/candor/internal/stores"
	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/defect"
	"github.com/candor-gateway/candor/store/sqlite"
)

// store puts artefacts into the store of the configuration: itself where no gateway serves from it, else by the gateway, which needs
// an operator's token. Where --server is given, always by the gateway. It answers them as they are stored, and how.
func store(ctx context.Context, cfg *candorv1.Config, f *remote.Flags, asked bool, all []*candorv1.Artefact) ([]*candorv1.Artefact, string, error) {
	if p := cfg.GetStore().GetPostgres(); p != nil && !asked {
		// Beside the gateways that serve from it.
		s, err := stores.Open(ctx, cfg, defect.Guard{Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			return nil, "", err
		}
		stored, err := putLocally(ctx, s, all)
		return stored, "in the database of store.postgres", errors.Join(err, s.Close(context.WithoutCancel(ctx)))
	}
	if !asked {
		s, err := sqlite.Open(ctx, cfg.GetStore().GetSqlite().GetPath(), cfg.GetStore().GetIdentity(), sqlite.Options{})
		if err == nil {
			stored, err := putLocally(ctx, s, all)
			return stored, "in " + cfg.GetStore().GetSqlite().GetPath(), errors.Join(err, s.Close(context.WithoutCancel(ctx)))
		}
		var open *sqlite.OpenError
		if !errors.As(err, &open) {
			return nil, "", err
		}
		if !errors.Is(err, sqlite.ErrLocked) && !errors.Is(err, sqlite.ErrAbsent) {
			return nil, "", &cli.Error{What: fmt.Sprintf("store %s: %v", open.Path, open.Err), Remedy: open.Remedy, Err: err}
		}
	}
	var stored []*candorv1.Artefact
	conn, err := f.Dial()
	if err != nil {
		return nil, "", err
	}
	defer conn.Close()
	for _, a := range all {
		call, cancel := conn.Context(ctx)
		resp, err := candorv1.NewArtefactServiceClient(conn).PutArtefact(call, &candorv1.PutArtefactRequest{Artefact: a})
		cancel()
		if err != nil {
			return stored, "", err
		}
		stored = append(stored, resp.GetArtefact())
	}
	return stored, "by the gateway at " + f.Server(), nil
}

func putLocally(ctx context.Context, s gateway.Artefacts, all []*candorv1.Artefact) ([]*candorv1.Artefact, error) {
	author := "candor calibrate"
	if u, err := user.Current(); err == nil {
		author = u.Username
	}
	var stored []*candorv1.Artefact
	for _, a := range all {
		a = proto.CloneOf(a)
		a.Author = author
		got, err := s.PutArtefact(ctx, a)
		if err != nil {
			return stored, err
		}
		stored = append(stored, got)
	}
	return stored, nil
}

// readArtefact reads one that --out has written.
func readArtefact(file string) (*candorv1.Artefact, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, cli.Fail("name a file that candor calibrate --out has written", "--artefact: %w", err)
	}
	a := &candorv1.Artefact{}
	if err := protojson.Unmarshal(data, a); err != nil {
		return nil, cli.Fail("name a file that candor calibrate --out has written", "--artefact: %s holds no artefact (%v)", file, err)
	}
	return a, nil
}

// writeArtefact writes one as JSON.
func writeArtefact(file string, a *candorv1.Artefact) (err error) {
	f, err := os.Create(file)
	if err != nil {
		return cli.Fail("name a file that you may write", "--out: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return cli.JSON(f, a)
}
