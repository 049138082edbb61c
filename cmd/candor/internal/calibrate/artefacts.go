package calibrate

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/candor-gateway/candor/calibration"
	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/datadir"
	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// source is where artefacts are read: a gateway, or a store without one.
type source struct {
	dataDir string
	remote  remote.Flags
}

// ArtefactsCommand is candor artefacts.
func ArtefactsCommand() *cobra.Command {
	s := &source{}
	c := &cobra.Command{
		Use:   "artefacts",
		Short: "Look at calibrators and certificates that are stored",
		Long: `Look at what candor calibrate has stored: calibrators, and certificates of held-out
files. They are never changed and never removed, for decisions name them.`,
		Example: `  candor artefacts list
  candor artefacts show linear-temperature@2
  candor artefacts list --data-dir /var/lib/candor`,
		RunE: cli.Group,
	}
	c.PersistentFlags().StringVar(&s.dataDir, "data-dir", "", "read this store, its file or a folder that holds one, and ask no gateway")
	s.remote.Register(c.PersistentFlags())
	c.AddCommand(s.listCommand(), s.showCommand())
	return c
}

func (s *source) listCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List artefacts: what they are, and what for",
		Example: `  candor artefacts list
  candor artefacts list --data-dir /var/lib/candor --json`,
		Args: cli.Args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := s.list(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return cli.JSON(cmd.OutOrStdout(), &candorv1.ListArtefactsResponse{Artefacts: all})
			}
			if len(all) == 0 {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), "there are no artefacts; candor calibrate --store makes one")
				return err
			}
			table := [][]string{{"ARTEFACT", "WHAT", "MODEL", "VERSION", "SCORE", "DATA", "ROWS", "AUTHOR", "STORED"}}
			for _, a := range all {
				table = append(table, []string{
					fmt.Sprintf("%s@%d", a.GetName(), a.GetVersion()), describe(a), a.GetScope().GetModel(), a.GetScope().GetVersion(),
					strings.ToLower(cli.Enum(a.GetScope().GetKind())), a.GetData().GetSource(), fmt.Sprint(a.GetData().GetRows()), a.GetAuthor(),
					cli.Time(a.GetCreateTime().AsTime()),
				})
			}
			return cli.Table(cmd.OutOrStdout(), table)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return c
}

func (s *source) list(ctx context.Context) (all []*candorv1.Artefact, err error) {
	if s.dataDir != "" {
		store, err := datadir.Open(ctx, s.dataDir)
		if err != nil {
			return nil, err
		}
		all, err = store.ListArtefacts(ctx)
		return all, errors.Join(err, store.Close(context.WithoutCancel(ctx)))
	}
	err = s.remote.Call(ctx, func(ctx context.Context, conn *remote.Conn) error {
		resp, err := candorv1.NewArtefactServiceClient(conn).ListArtefacts(ctx, &candorv1.ListArtefactsRequest{})
		all = resp.GetArtefacts()
		return err
	})
	return all, err
}

func (s *source) showCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show ARTEFACT",
		Short: "Show one as JSON, by name@version; by name, its newest version",
		Example: `  candor artefacts show linear-temperature@2
  candor artefacts show linear-temperature --data-dir /var/lib/candor`,
		Args: cli.Args("ARTEFACT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, version, err := parseName(args[0])
			if err != nil {
				return err
			}
			a, err := s.get(cmd.Context(), name, version)
			if errors.Is(err, calibration.ErrNoArtefact) {
				return cli.Fail("candor artefacts list shows what there is", "there is no artefact %q", args[0])
			}
			if err != nil {
				return err
			}
			return cli.JSON(cmd.OutOrStdout(), a)
		},
	}
}

func (s *source) get(ctx context.Context, name string, version uint32) (a *candorv1.Artefact, err error) {
	if s.dataDir != "" {
		store, err := datadir.Open(ctx, s.dataDir)
		if err != nil {
			return nil, err
		}
		a, err = store.GetArtefact(ctx, name, version)
		return a, errors.Join(err, store.Close(context.WithoutCancel(ctx)))
	}
	err = s.remote.Call(ctx, func(ctx context.Context, conn *remote.Conn) error {
		resp, err := candorv1.NewArtefactServiceClient(conn).GetArtefact(ctx, &candorv1.GetArtefactRequest{Name: name, Version: version})
		a = resp.GetArtefact()
		return err
	})
	return a, err
}

// parseName reads name or name@version; version 0: the newest.
func parseName(text string) (string, uint32, error) {
	name, number, versioned := strings.Cut(text, "@")
	if !versioned {
		return name, 0, nil
	}
	version, err := strconv.ParseUint(number, 10, 32)
	if err != nil || version == 0 {
		return "", 0, cli.Usage("write name@version, such as linear-temperature@2", "%q is not the name of an artefact", text)
	}
	return name, uint32(version), nil
}
