package main

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/gateway"
)

const (
	// tokenPrefix lets scanners for leaked secrets recognise one.
	tokenPrefix = "candor_"
	tokenBytes  = 32
)

// principalName is what the configuration takes for the name of a consumer or an operator.
var principalName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

func tokenCommand() *cobra.Command {
	var name, out string
	c := &cobra.Command{
		Use:   "token",
		Short: "Make a token for a consumer or an operator",
		Long: `Make a fresh token of 256 random bits, and the line for the configuration that
recognises it.

The token is the first line of the output, or, with --out, goes to a file that only you
can read. It is kept nowhere else: the configuration has its SHA-256, from which nobody
can make it.`,
		Example: `  candor token
  candor token --name ana --out ana.token     # and the lines for operators: on standard output`,
		Args: cli.Args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if name != "" && !principalName.MatchString(name) {
				return cli.Usage("1 to 63 of a-z 0-9 . _ -, beginning with a letter or digit", "--name %q is no name for a consumer or operator", name)
			}
			token := newToken()
			line := fmt.Sprintf("identity: {token_sha256: %s}\n", gateway.HashToken(token))
			if name != "" {
				line = name + ":\n  " + line
			}
			text := token + "\n\n" + line
			if out != "" {
				if err := writeSecret(out, token+"\n"); err != nil {
					return err
				}
				text = line
			}
			_, err := fmt.Fprint(cmd.OutOrStdout(), text)
			return err
		},
	}
	c.Flags().StringVar(&name, "name", "", "name of the consumer or operator, for its lines in the configuration")
	c.Flags().StringVar(&out, "out", "", "write the token to this new file instead of showing it")
	return c
}

func newToken() string {
	var b [tokenBytes]byte
	_, _ = rand.Read(b[:]) // it never fails: the program ends when there is no randomness
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(b[:])
}

// writeSecret makes a file for its owner only, and overwrites none.
func writeSecret(path, text string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return cli.Fail("name a file that doesn't exist yet", "--out: %w", err)
	}
	_, err = f.WriteString(text)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	return nil
}
