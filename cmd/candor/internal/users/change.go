package users

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

func createCommand(f *remote.Flags) *cobra.Command {
	var roles, queues []string
	var file string
	c := &cobra.Command{
		Use:   "create NAME --role ROLE",
		Short: "Make a user, and the enrolment code that they set a password or a passkey with",
		Long: `Make a user, and the code with which they set a password or a passkey on the page
/enrol. The code is shown once and is good once.

Roles: reviewer; senior, who is a reviewer too; operator; auditor; admin, who has every
role. Without --queue a user may work on every queue.

With --config the store is opened where no gateway runs, to make the first
administrator: there is nobody yet who could be asked.`,
		Example: `  candor users create ana --role admin --config candor.yaml
  candor users create sam --role reviewer --queue fraud-desk --queue invoice-desk`,
		Args: cli.Args("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			parsed, err := parseRoles(roles)
			if err != nil {
				return err
			}
			if len(parsed) == 0 {
				return cli.Usage("--role reviewer, for one who judges", "--role is missing")
			}
			u := &candorv1.User{Name: args[0], Roles: parsed, Queues: queues}
			if file != "" {
				code, expire, err := first(cmd.Context(), cmd.ErrOrStderr(), file, u)
				if err != nil {
					return err
				}
				return writeCode(cmd.OutOrStdout(), "made", args[0], code, expire)
			}
			return f.Call(cmd.Context(), func(ctx context.Context, conn *remote.Conn) error {
				made, err := client(conn).CreateUser(ctx, &candorv1.CreateUserRequest{User: u})
				if err != nil {
					return err
				}
				return writeCode(cmd.OutOrStdout(), "made", args[0], made.GetEnrolmentCode(), made.GetCodeExpireTime().AsTime())
			})
		},
	}
	c.Flags().StringArrayVar(&roles, "role", nil, "what the user may do (required, repeatable)")
	c.Flags().StringArrayVar(&queues, "queue", nil, "queue that the user may work on (repeatable; default all)")
	c.Flags().StringVar(&file, "config", "", "configuration whose store to make the first administrator in, while no gateway runs")
	return c
}

func writeCode(w io.Writer, did, name, code string, expire time.Time) error {
	_, err := fmt.Fprintf(w, "%s %s; their enrolment code for the page /enrol, good once until %s:\n\n%s\n", did, cli.Plain(name), cli.Time(expire), code)
	return err
}

func updateCommand(f *remote.Flags) *cobra.Command {
	var roles, queues []string
	var allQueues bool
	c := &cobra.Command{
		Use:   "update NAME",
		Short: "Set a user's roles or queues",
		Long: `Set a user's roles or queues; what isn't named stays. Where something is taken away the
user's sessions end, and they log in again.`,
		Example: `  candor users update sam --role senior --role auditor
  candor users update sam --queue fraud-desk
  candor users update sam --all-queues`,
		Args: cli.Args("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			parsed, err := parseRoles(roles)
			switch {
			case err != nil:
				return err
			case len(parsed) == 0 && len(queues) == 0 && !allQueues:
				return cli.Usage("--role, --queue or --all-queues", "nothing is to be changed")
			case len(queues) > 0 && allQueues:
				return cli.Usage("give one of them", "--queue and --all-queues exclude each other")
			}
			return update(cmd, f, args[0], func(u *candorv1.User) {
				if len(parsed) > 0 {
					u.Roles = parsed
				}
				if len(queues) > 0 || allQueues {
					u.Queues = queues
				}
			})
		},
	}
	c.Flags().StringArrayVar(&roles, "role", nil, "what the user may do from now on (repeatable)")
	c.Flags().StringArrayVar(&queues, "queue", nil, "queue that the user may work on from now on (repeatable)")
	c.Flags().BoolVar(&allQueues, "all-queues", false, "the user may work on every queue")
	return c
}

// disableCommand is disable, and its inverse.
func disableCommand(f *remote.Flags, disable bool) *cobra.Command {
	use, short, long, example := "disable NAME", "Shut a user out at once", `Shut a user out: sessions and tokens end at once, and an enrolment code that was not used
is good no more. Password and passkeys stay, for the day when they are enabled again.`, `  candor users disable sam`
	if !disable {
		use, short, long, example = "enable NAME", "Let a user in again who was disabled", `Let a user in again, by the password and the passkeys that they had.`, `  candor users enable sam`
	}
	return &cobra.Command{
		Use: use, Short: short, Long: long, Example: example, Args: cli.Args("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return update(cmd, f, args[0], func(u *candorv1.User) { u.Disabled = disable })
		},
	}
}

// update reads a user, changes what was asked for, and writes the user back.
func update(cmd *cobra.Command, f *remote.Flags, name string, change func(*candorv1.User)) error {
	return f.Call(cmd.Context(), func(ctx context.Context, conn *remote.Conn) error {
		all, err := client(conn).ListUsers(ctx, &candorv1.ListUsersRequest{})
		if err != nil {
			return err
		}
		wanted := &candorv1.User{Name: name}
		for _, u := range all.GetUsers() {
			if u.GetName() == name {
				wanted.Roles, wanted.Queues, wanted.Disabled = u.GetRoles(), u.GetQueues(), u.GetDisabled()
			}
		}
		change(wanted)
		// Of a user who isn't there the gateway says so.
		done, err := client(conn).UpdateUser(ctx, &candorv1.UpdateUserRequest{User: wanted})
		if err != nil {
			return err
		}
		return cli.Table(cmd.OutOrStdout(), [][]string{{"USER", "ROLES", "QUEUES", "STATE", "LOGS IN BY", "LAST LOGIN", "TOKENS"}, userCells(done.GetUser())})
	})
}

func resetCommand(f *remote.Flags) *cobra.Command {
	return &cobra.Command{
		Use:   "reset NAME",
		Short: "Give a user another enrolment code; what they logged in by stops working",
		Long: `Give a user another enrolment code. Their password, passkeys, tokens and sessions stop
working at once: for a lost device, or a password that others know.`,
		Example: `  candor users reset sam`,
		Args:    cli.Args("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.Call(cmd.Context(), func(ctx context.Context, conn *remote.Conn) error {
				done, err := client(conn).ResetUser(ctx, &candorv1.ResetUserRequest{Name: args[0]})
				if err != nil {
					return err
				}
				return writeCode(cmd.OutOrStdout(), "reset", args[0], done.GetEnrolmentCode(), done.GetCodeExpireTime().AsTime())
			})
		},
	}
}
