package people

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// maxSecretFile is far more than a secret takes.
const maxSecretFile = 64 << 10

// clientSecret reads the file with the client's secret, which is its text without the space around it; of no file there is none. Errors
// name the field and the remedy, and never the text.
func clientSecret(cfg *candorv1.OIDC) (string, error) {
	file := cfg.GetClientSecretFile()
	if file == "" {
		return "", nil
	}
	fail := func(err error) (string, error) { return "", fmt.Errorf("people.oidc.client_secret_file: %w", err) }
	f, err := os.Open(file)
	if err != nil {
		return fail(fmt.Errorf("%w; name a file that can be read", err))
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	secret := strings.TrimSpace(string(text))
	switch err = errors.Join(err, f.Close()); {
	case err != nil:
		return fail(fmt.Errorf("%w; name a file that can be read", err))
	case len(text) > maxSecretFile:
		return fail(fmt.Errorf("%s has more than %d bytes; write the client's secret, and nothing else", file, maxSecretFile))
	case secret == "":
		return fail(fmt.Errorf("%s is empty; write the client's secret, or take client_secret_file out", file))
	}
	return secret, nil
}

// SameSecret says that people log in with the same secret of the client at both; nil has none.
func (g *Gate) SameSecret(other *Gate) bool { return g.secret() == other.secret() }

func (g *Gate) secret() string {
	if g == nil || g.provider == nil {
		return ""
	}
	return g.provider.secret
}
