// Package webhooks is candor webhooks: a look at receivers of final answers, and what administrators do to them.
package webhooks

import (
	"github.com/spf13/cobra"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
)

// prefix of a webhook's resource name.
const prefix = "webhooks/"

// Command makes candor webhooks.
func Command() *cobra.Command {
	f := &remote.Flags{}
	c := &cobra.Command{
		Use:   "webhooks",
		Short: "Look at receivers of final answers, give them secrets, send again",
		Long: `Look at receivers of final answers, give them secrets, send again.

Receivers are declared under webhooks in the configuration. Each gets every final answer
that it wants, signed per the Standard Webhooks specification: at least once, under one
id, in order for each prediction. Nothing is sent before candor webhooks rotate has made
a secret. You need an operator's token, with any role but reviewer to look and with the
role admin to change anything; what you change goes into the decision log.`,
		Example: `  candor webhooks rotate payments
  candor webhooks test payments
  candor webhooks list
  candor webhooks deliveries payments --state failed
  candor webhooks replay payments --since 2h --failed`,
		RunE: cli.Group,
	}
	f.Register(c.PersistentFlags())
	c.AddCommand(listCommand(f), deliveriesCommand(f), rotateCommand(f), testCommand(f), replayCommand(f), enableCommand(f))
	return c
}
