package users

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// A token is good for a minute to a year.
const (
	shortestLife = time.Minute
	longestLife  = 366 * 24 * time.Hour
)

func tokenCommand(f *remote.Flags) *cobra.Command {
	var description, out string
	var lifetime time.Duration
	c := &cobra.Command{
		Use:   "token NAME",
		Short: "Make a bearer token with which a user calls gRPC",
		Long: `Make a bearer token with which a user calls gRPC, by candor's commands or by programs of
their own. It is shown once, or goes to a file that only you can read; the gateway keeps
its SHA-256.`,
		Example: `  candor users token sam --description laptop --lifetime 720h --out sam.token
  CANDOR_TOKEN=$(cat sam.token) candor review next`,
		Args: cli.Args("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := &candorv1.CreateUserTokenRequest{Name: args[0], Description: description}
			if cmd.Flags().Changed("lifetime") {
				if lifetime < shortestLife || lifetime > longestLife {
					return cli.Usage(fmt.Sprintf("write %v to %v", shortestLife, longestLife), "--lifetime is %v", lifetime)
				}
				in.Lifetime = durationpb.New(lifetime)
			}
			file, err := newSecretFile(out)
			if err != nil {
				return err
			}
			err = f.Call(cmd.Context(), func(ctx context.Context, conn *remote.Conn) error {
				made, err := client(conn).CreateUserToken(ctx, in)
				if err != nil {
					return err
				}
				said := fmt.Sprintf("token %s of %s is good until %s\n", made.GetToken().GetId(), cli.Plain(args[0]), cli.Time(made.GetToken().GetExpireTime().AsTime()))
				if file != nil {
					if _, err := fmt.Fprintln(file, made.GetSecret()); err != nil {
						return fmt.Errorf("--out: %w", err)
					}
					_, err = fmt.Fprint(cmd.OutOrStdout(), said)
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n\n%s", made.GetSecret(), said)
				return err
			})
			return closeSecretFile(file, out, err)
		},
	}
	c.Flags().StringVar(&description, "description", "", "what it is for, to tell it from others")
	c.Flags().DurationVar(&lifetime, "lifetime", 0, "how long it is good (default 2160h, 90 days)")
	c.Flags().StringVar(&out, "out", "", "write the token to this new file instead of showing it")
	return c
}

// newSecretFile makes a file for its owner only, before there is a secret that could get lost; nil: none is wanted.
func newSecretFile(path string) (*os.File, error) {
	if path == "" {
		return nil, nil
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, cli.Fail("name a file that doesn't exist yet", "--out: %w", err)
	}
	return file, nil
}

// closeSecretFile takes an empty file away again when there was no token for it.
func closeSecretFile(file *os.File, path string, err error) error {
	if file == nil {
		return err
	}
	closeErr := file.Close()
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return closeErr
}

func revokeCommand(f *remote.Flags) *cobra.Command {
	return &cobra.Command{
		Use:     "revoke NAME TOKEN",
		Short:   "End a user's token, by its id in candor users list",
		Long:    `End a user's token. The gateway refuses it within a minute.`,
		Example: `  candor users revoke sam k3v7q2m5x4ab`,
		Args:    cli.Args("NAME", "TOKEN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.Call(cmd.Context(), func(ctx context.Context, conn *remote.Conn) error {
				if _, err := client(conn).RevokeUserToken(ctx, &candorv1.RevokeUserTokenRequest{Name: args[0], Id: args[1]}); err != nil {
					return err
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "revoked token %s of %s\n", cli.Plain(args[1]), cli.Plain(args[0]))
				return err
			})
		},
	}
}

func sessionsCommand(f *remote.Flags) *cobra.Command {
	var asJSON bool
	var user string
	c := &cobra.Command{
		Use:   "sessions",
		Short: "List who has logged in, from where, until when",
		Example: `  candor users sessions
  candor users sessions --user sam@example.com --json`,
		Args: cli.Args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.Call(cmd.Context(), func(ctx context.Context, conn *remote.Conn) error {
				all, err := client(conn).ListSessions(ctx, &candorv1.ListSessionsRequest{User: user})
				if err != nil {
					return err
				}
				if asJSON {
					return cli.JSON(cmd.OutOrStdout(), all)
				}
				if len(all.GetSessions()) == 0 {
					_, err := fmt.Fprintln(cmd.OutOrStdout(), "nobody has logged in")
					return err
				}
				table := [][]string{{"PERSON", "BY", "SINCE", "LAST USE", "ENDS", "FROM", "BROWSER"}}
				for _, s := range all.GetSessions() {
					table = append(table, []string{
						s.GetUser(), s.GetMethod(), cli.Time(s.GetCreateTime().AsTime()), cli.Time(s.GetLastUseTime().AsTime()),
						cli.Time(s.GetExpireTime().AsTime()), s.GetRemote(), s.GetUserAgent(),
					})
				}
				return cli.Table(cmd.OutOrStdout(), table)
			})
		},
	}
	c.Flags().StringVar(&user, "user", "", "only this person's")
	c.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return c
}

func endSessionsCommand(f *remote.Flags) *cobra.Command {
	return &cobra.Command{
		Use:   "end-sessions NAME",
		Short: "End all of a person's sessions and tokens",
		Long: `End all of a person's sessions, at once, and their tokens, within a minute: also of
somebody who logs in by the OpenID provider. They can log in again; to shut out a user,
disable them.`,
		Example: `  candor users end-sessions sam@example.com`,
		Args:    cli.Args("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.Call(cmd.Context(), func(ctx context.Context, conn *remote.Conn) error {
				ended, err := client(conn).EndSessions(ctx, &candorv1.EndSessionsRequest{User: args[0]})
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "ended %s and %s of %s\n",
					cli.Count(ended.GetSessions(), "session"), cli.Count(ended.GetTokens(), "token"), cli.Plain(args[0]))
				return err
			})
		},
	}
}
