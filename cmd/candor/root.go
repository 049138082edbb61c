package main

import (
	"github.com/spf13/cobra"

	"github.com/candor-gateway/candor/cmd/candor/demo"
	"github.com/candor-gateway/candor/cmd/candor/internal/calibrate"
	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/desk"
	"github.com/candor-gateway/candor/cmd/candor/internal/ensemble"
	"github.com/candor-gateway/candor/cmd/candor/internal/explain"
	"github.com/candor-gateway/candor/cmd/candor/internal/replay"
	"github.com/candor-gateway/candor/cmd/candor/internal/server"
	"github.com/candor-gateway/candor/cmd/candor/internal/users"
	"github.com/candor-gateway/candor/cmd/candor/internal/webhooks"
)

// The groups of candor help.
const (
	groupRun    = "run"
	groupAnswer = "answers"
	groupOps    = "operations"
)

// newRoot makes the tree of commands.
func newRoot(version string) *cobra.Command {
	root := &cobra.Command{
		Use:   "candor",
		Short: "A gRPC inference gateway that says when a model isn't sure, and does something about it",
		Long: `Candor stands in front of model servers that speak the Open Inference Protocol. Every
prediction comes out with its provenance and its uncertainty; one that isn't sure enough
goes to a fallback ensemble or to a person; a model server that fails is cut off; an
action that happens too often is held until a person looks.

Commands that talk to a gateway find it by --server or $CANDOR_SERVER, and authenticate
by --token-file, $CANDOR_TOKEN or a client certificate. Times are written in UTC, as
RFC 3339 has them, and flags take them so. Exit status: 0 done, 1 failed, 2 the command
line makes no sense.`,
		Example: `  candor demo                          # see all of it at work, on this machine, with real models
  candor check candor.yaml             # what is wrong with a configuration
  candor init  --config candor.yaml    # make its store, once
  candor serve --config candor.yaml    # run the gateway
  candor review next                   # answer what the models were not sure of
  candor explain PREDICTION            # the whole story of one prediction
  candor explain --since 2h --action decline --by reason,version`,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		Version:           version,
	}
	root.SetVersionTemplate(versionLine(version))
	root.AddGroup(
		&cobra.Group{ID: groupRun, Title: "Run a gateway:"},
		&cobra.Group{ID: groupAnswer, Title: "Predictions and reviews:"},
		&cobra.Group{ID: groupOps, Title: "Operations:"},
	)
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
		}
		root.AddCommand(commands...)
	}
	add(groupRun, demo.Command(), server.Command(version), server.InitCommand(), migrateCommand(), checkCommand(), tokenCommand(), healthcheckCommand())
	add(groupAnswer, desk.Command(), explain.Command(), getCommand(), watchCommand())
	add(groupOps, users.Command(), limitsCommand(), certificateCommand(), monitorsCommand(), configCommand(), webhooks.Command(), calibrate.Command(), calibrate.ArtefactsCommand(), backendsCommand(), ensemble.Command(), auditCommand(), simulateCommand(), replay.Command())
	root.AddCommand(versionCommand(version))
	cli.Prepare(root)
	return root
}
