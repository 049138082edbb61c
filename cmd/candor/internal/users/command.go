// Package users is candor users: local users, their tokens and everybody's sessions.
package users

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Command is candor users.
func Command() *cobra.Command {
	f := &remote.Flags{}
	c := &cobra.Command{
		Use:   "users",
		Short: "Make users, say what they may do, end their sessions",
		Long: `Local users, their tokens, and everybody's sessions. You need the role admin, but for
whoami. All of it is recorded in the decision log, with your name.

A new user gets an enrolment code, with which they set a password or a passkey on the
page /enrol. Names are never given twice, because records name people: who leaves is
disabled.`,
		Example: `  candor users create ana --role admin --config candor.yaml    # the first, while no gateway runs
  candor users create sam --role reviewer --queue fraud-desk
  candor users update sam --role senior
  candor users disable sam
  candor users token sam --description "batch of the night" --out sam.token`,
		RunE: cli.Group,
	}
	f.Register(c.PersistentFlags())
	c.AddCommand(
		whoAmICommand(f), listCommand(f), createCommand(f), updateCommand(f), disableCommand(f, true), disableCommand(f, false), resetCommand(f),
		tokenCommand(f), revokeCommand(f), sessionsCommand(f), endSessionsCommand(f),
	)
	return c
}

func client(conn *remote.Conn) candorv1.PeopleServiceClient {
	return candorv1.NewPeopleServiceClient(conn)
}

func whoAmICommand(f *remote.Flags) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "whoami",
		Short: "Say who the gateway takes you for, and what you may do",
		Example: `  candor users whoami
  candor users whoami --token-file sam.token`,
		Args: cli.Args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.Call(cmd.Context(), func(ctx context.Context, conn *remote.Conn) error {
				me, err := client(conn).WhoAmI(ctx, &candorv1.WhoAmIRequest{})
				if err != nil {
					return err
				}
				if asJSON {
					return cli.JSON(cmd.OutOrStdout(), me)
				}
				return cli.Columns(cmd.OutOrStdout(), [][]string{
					{"name", me.GetName()}, {"roles", roleText(me.GetRoles())}, {"queues", orNone(me.GetQueues())}, {"models", orNone(me.GetModels())},
				})
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return c
}

func listCommand(f *remote.Flags) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List users: what they may do, how they log in, which tokens they have",
		Example: `  candor users list
  candor users list --json`,
		Args: cli.Args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.Call(cmd.Context(), func(ctx context.Context, conn *remote.Conn) error {
				all, err := client(conn).ListUsers(ctx, &candorv1.ListUsersRequest{})
				if err != nil {
					return err
				}
				if asJSON {
					return cli.JSON(cmd.OutOrStdout(), all)
				}
				if len(all.GetUsers()) == 0 {
					_, err := fmt.Fprintln(cmd.OutOrStdout(), "there are no users; candor users create makes one")
					return err
				}
				table := [][]string{{"USER", "ROLES", "QUEUES", "STATE", "LOGS IN BY", "LAST LOGIN", "TOKENS"}}
				for _, u := range all.GetUsers() {
					table = append(table, userCells(u))
				}
				return cli.Table(cmd.OutOrStdout(), table)
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return c
}

func userCells(u *candorv1.User) []string {
	state, last := "active", ""
	var by, tokens []string
	if u.GetDisabled() {
		state = "disabled"
	}
	if u.GetHasPassword() {
		by = append(by, "password")
	}
	if n := u.GetPasskeys(); n > 0 {
		by = append(by, cli.Count(n, "passkey"))
	}
	if t := u.GetLastLoginTime(); t != nil {
		last = cli.Time(t.AsTime())
	}
	for _, t := range u.GetTokens() {
		tokens = append(tokens, strings.TrimSpace(t.GetId()+" "+t.GetDescription()))
	}
	return []string{u.GetName(), roleText(u.GetRoles()), queueText(u.GetQueues()), state, strings.Join(by, ", "), last, strings.Join(tokens, ", ")}
}

func roleText(roles []candorv1.Role) string {
	names := make([]string, len(roles))
	for i, r := range roles {
		names[i] = strings.ToLower(cli.Enum(r))
	}
	return orNone(names)
}

func queueText(queues []string) string {
	if len(queues) == 0 {
		return "all"
	}
	return strings.Join(queues, ", ")
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// parseRoles reads the values of --role.
func parseRoles(names []string) ([]candorv1.Role, error) {
	var out []candorv1.Role
	for _, name := range names {
		r, err := cli.ParseEnum[candorv1.Role](name)
		if err != nil {
			return nil, cli.Usage("give one of them, and --role again for another", "--role: %v", err)
		}
		out = append(out, r)
	}
	return out, nil
}
