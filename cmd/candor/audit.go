package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/candor-gateway/candor/audit"
	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/datadir"
	"github.com/candor-gateway/candor/cmd/candor/internal/server"
	"github.com/candor-gateway/candor/cmd/candor/internal/stores"
)

func auditCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "audit",
		Short: "Check that the decision log is what was written",
		Example: `  candor audit verify --data-dir /var/lib/candor
  candor audit verify --config candor.yaml`,
		RunE: cli.Group,
	}
	c.AddCommand(auditVerifyCommand())
	return c
}

func auditVerifyCommand() *cobra.Command {
	var dataDir, file string
	c := &cobra.Command{
		Use:   "verify (--data-dir DIR | --config FILE)",
		Short: "Verify the decision log's hash chains and the digests of payloads",
		Long: `Verify the decision log of a store, beside the gateway that serves from it or without
one: every record's hash chain from the first to the last, and that stored inputs of
reviews are those whose digests were recorded. A record that was changed, deleted or
moved is named, and the exit status is 1.

The chain shows tampering up to its head. Keep the heads that this prints somewhere
else, such as in a ticket: then nobody can rewrite the whole log without it being seen.`,
		Example: `  candor audit verify --data-dir /var/lib/candor
  candor audit verify --config candor.yaml`,
		Args: cli.Args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			store, err := openReader(cmd, dataDir, file)
			if err != nil {
				return err
			}
			report, err := store.VerifyLog(cmd.Context())
			if err := errors.Join(err, store.Close(context.WithoutCancel(cmd.Context()))); err != nil {
				return err
			}
			return writeVerified(cmd.OutOrStdout(), report)
		},
	}
	c.Flags().StringVar(&dataDir, "data-dir", "", "the store: its file, or a folder that holds one")
	c.Flags().StringVar(&file, "config", "", "the store of this configuration, also one in PostgreSQL")
	return c
}

// openReader opens the store that one of two flags names.
func openReader(cmd *cobra.Command, dataDir, file string) (stores.Reader, error) {
	switch {
	case dataDir == "" && file == "":
		return nil, cli.Usage("name the file of store.sqlite.path, or its folder; or the configuration with --config", "--data-dir is missing")
	case dataDir != "" && file != "":
		return nil, cli.Usage("give one of them", "--data-dir and --config both name a store")
	case dataDir != "":
		return datadir.Open(cmd.Context(), dataDir)
	}
	cfg, err := server.Load(file, cmd.ErrOrStderr())
	if err != nil {
		return nil, err
	}
	return stores.Read(cmd.Context(), cfg)
}

func writeVerified(w io.Writer, report audit.VerifyReport) error {
	table := [][]string{{"WRITER", "RECORDS", "INPUTS", "REMOVED", "HEAD", "RESULT"}}
	var records uint64
	for _, r := range report.Writers {
		result := "ok"
		if r.Fault != nil {
			result = fmt.Sprintf("FAULT at record %d: %s", r.Fault.Seq, r.Fault.Detail)
		}
		records += r.Entries
		table = append(table, []string{
			r.Writer, fmt.Sprint(r.Entries), fmt.Sprint(r.Payloads), fmt.Sprint(r.PayloadsRemoved), fmt.Sprintf("%x", r.Head), result,
		})
	}
	if err := cli.Table(w, table); err != nil {
		return err
	}
	if fault := report.Fault(); fault != nil {
		return cli.Fail("keep a copy of the store before anything else, and find out who could write to it",
			"the decision log is not what was written: %w", fault)
	}
	_, err := fmt.Fprintf(w, "%s verified\n", cli.Count(records, "record"))
	return err
}
