package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/server"
	"github.com/candor-gateway/candor/cmd/candor/internal/stores"
	"github.com/candor-gateway/candor/store/postgres"
)

func migrateCommand() *cobra.Command {
	var file, from, to string
	var check bool
	c := &cobra.Command{
		Use:   "migrate (--config FILE [--check] | --from FILE --to FILE)",
		Short: "Bring a store's schema up to date, or move a store from SQLite to PostgreSQL",
		Long: `With --config: bring the schema of a configuration's store to the version that this
program works with. candor serve does the same when it starts; this is for those who
want to do it at a time of their own. With --check nothing is changed, and the exit
status is 1 if there is something to do.

With --from and --to: move everything in the SQLite store of one configuration into the
database of the other, which must have no store. Stop the gateway first: the move is
refused while one has the file open. The decision log arrives byte by byte and is
verified, every table is counted again, and all of it is one transaction: after an error
the database has no store, and only candor migrate may try again. Clients go on where they were, with the same resume tokens.

The file stays as it is. Don't serve from it again: it would grant permits, and give out
work, that the moved store grants and gives out too.`,
		Example: `  candor migrate --config candor.yaml --check
  candor migrate --from old.yaml --to new.yaml`,
		Args: cli.Args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch moves := from != "" || to != ""; {
			case moves && (file != "" || check):
				return cli.Usage("give --config, or --from and --to", "a move takes neither --config nor --check")
			case moves && (from == "" || to == ""):
				return cli.Usage("candor migrate --from old.yaml --to new.yaml", "--from and --to go together")
			case moves:
				return moveStore(cmd, from, to)
			case file == "":
				return cli.Usage("candor migrate --config candor.yaml", "--config is missing")
			}
			return migrateSchema(cmd, file, check)
		},
	}
	c.Flags().StringVar(&file, "config", "", "configuration of the store")
	c.Flags().BoolVar(&check, "check", false, "only say which version the store is at")
	c.Flags().StringVar(&from, "from", "", "configuration with the SQLite store to move")
	c.Flags().StringVar(&to, "to", "", "configuration with the PostgreSQL database to move it to")
	return c
}

func migrateSchema(cmd *cobra.Command, file string, check bool) error {
	cfg, err := server.Load(file, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	act := stores.Migrate
	if check {
		act = stores.Versions
	}
	s, err := act(cmd.Context(), cfg)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	switch {
	case s.Was == s.Wanted:
		_, err = fmt.Fprintf(out, "store %s is at version %d, as this program wants it\n", s.Name, s.Was)
		return err
	case check:
		if _, err := fmt.Fprintf(out, "store %s is at version %d, this program wants %d; candor migrate --config %s brings it there, and so does candor serve\n",
			s.Name, s.Was, s.Wanted, file); err != nil {
			return err
		}
		return cli.Told(cli.StatusFailed)
	}
	_, err = fmt.Fprintf(out, "migrated store %s from version %d to %d\n", s.Name, s.Was, s.Wanted)
	return err
}

func moveStore(cmd *cobra.Command, from, to string) error {
	old, err := server.Load(from, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	fresh, err := server.Load(to, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	moved, err := stores.Move(cmd.Context(), old, fresh, func(t postgres.ImportedTable) {
		// Progress only: an error to write it is no reason to stop.
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\n", t.Name, cli.Count(t.Arrived, "row"))
	})
	if err != nil {
		return err
	}
	table := [][]string{{"TABLE", "SQLITE", "POSTGRESQL"}}
	for _, t := range moved.Tables {
		table = append(table, []string{t.Name, fmt.Sprint(t.Source), fmt.Sprint(t.Arrived)})
	}
	out := cmd.OutOrStdout()
	if err := cli.Table(out, table); err != nil {
		return err
	}
	var records uint64
	for _, w := range moved.Log.Writers {
		records += w.Entries
	}
	_, err = fmt.Fprintf(out, `moved %s to %s; %s of the decision log verified there
next: candor serve --config %s
never serve from %s again: it would grant and give out what the moved store does; keep it as a copy, or remove it
`, moved.From, moved.To, cli.Count(records, "record"), to, moved.From)
	return err
}
