package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/server"
	"github.com/candor-gateway/candor/config"
	"github.com/candor-gateway/candor/examples/digits"
	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/store/sqlite"
)

// Names in the data directory.
const (
	configName = "candor.yaml"
	storeName  = "candor.db"
	logName    = "gateway.log"
	spansName  = "spans.jsonl"
	// startName is the configuration that the gateway starts from. It becomes configName when the gateway listens: a demo
	// that can't start, because another one is in the folder, must not tell that one's addresses wrongly.
	startName = "starting.yaml"
)

// The demo's operators. Their tokens are made at random and stand in ann.token and olga.token, and in those of the simulated
// reviewers.
const (
	reviewer = "ann"
	operator = "olga"
	// visitor is whoever looks at the pages: they have no login.
	visitor = "you"
)

// rolesOf an operator, as the configuration spells them.
func rolesOf(name string) []string {
	if name == operator {
		return []string{"operator", "auditor"}
	}
	return []string{"reviewer"}
}

// operators are all of them: two people, and those who are played.
func operators() []string { return append([]string{reviewer, operator}, simulated...) }

// dataDir is the folder of one demo: the configuration in effect, the store, tokens, the gateway's log.
type dataDir struct {
	path string
	// temporary directories go with the demo, unless somebody should look at them.
	temporary bool
	// continued: there was a demo here before.
	continued bool
	// found is the configuration that the demo begins with, file its text.
	found  *candorv1.Config
	file   *configFile
	tokens map[string]string
}

// openDataDir makes the folder, or goes on with one that an earlier demo left; path empty: a temporary one. An existing
// candor.yaml is kept, with what its owner has changed in it.
func openDataDir(path string) (*dataDir, error) {
	d := &dataDir{path: path, tokens: map[string]string{}}
	var err error
	if path == "" {
		d.temporary = true
		d.path, err = os.MkdirTemp("", "candor-demo-")
	} else {
		err = os.MkdirAll(path, 0o700)
	}
	if err != nil {
		return nil, cli.Fail("name a folder that can be written with --data-dir", "the data directory: %w", err)
	}
	if d.path, err = filepath.Abs(d.path); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(d.in(configName))
	switch {
	case err == nil:
		d.continued = true
	case errors.Is(err, fs.ErrNotExist):
		text = digits.Configuration()
	default:
		return nil, err
	}
	if err := d.read(text); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *dataDir) read(text []byte) (err error) {
	var faults config.Faults
	d.found, faults = config.Parse(d.in(configName), text)
	if len(faults.Errors()) > 0 {
		return faults.Errors()
	}
	if d.file, err = parseConfigFile(d.in(configName), text); err != nil || d.continued {
		return err
	}
	return d.file.set(spansName, "telemetry", "trace_file")
}

// in is the path of a file of the directory.
func (d *dataDir) in(name string) string { return filepath.Join(d.path, name) }

// tokenFile is where an operator's token stands.
func (d *dataDir) tokenFile(name string) string { return d.in(name + ".token") }

// close removes a temporary directory, and what is of no use in a lasting one.
func (d *dataDir) close() error {
	if d.temporary {
		return os.RemoveAll(d.path)
	}
	if err := os.Remove(d.in(startName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// addTokens reads the operators' tokens, or makes them, and declares their holders. In a new directory they take the place
// of the operators that the example declares, whose tokens everybody can read there.
func (d *dataDir) addTokens() error {
	declared := map[string]any{}
	for _, name := range operators() {
		token, err := readOrMakeToken(d.tokenFile(name))
		if err != nil {
			return err
		}
		d.tokens[name] = token
		declared[name] = map[string]any{"identity": map[string]string{"token_sha256": gateway.HashToken(token)}, "roles": rolesOf(name)}
	}
	declared[visitor] = map[string]any{"identity": map[string]bool{"anonymous": true}, "roles": []string{"senior", "operator", "auditor"}}
	if !d.continued {
		return d.file.set(declared, "operators")
	}
	for name, o := range declared {
		if err := d.file.set(o, "operators", name); err != nil {
			return err
		}
	}
	return nil
}

func readOrMakeToken(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err == nil && strings.TrimSpace(string(b)) != "" {
		return strings.TrimSpace(string(b)), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	// Two texts of 128 bits each.
	token := rand.Text() + rand.Text()
	return token, os.WriteFile(path, []byte(token+"\n"), 0o600)
}

// configure writes the configuration, the example's or the one that was there, with our addresses and our store, to a file of
// the directory.
func (d *dataDir) configure(name string, servers modelServers, at addresses) error {
	for name, s := range servers {
		if err := d.file.set(s.addr, "backends", name, "address"); err != nil {
			return err
		}
	}
	err := errors.Join(
		d.file.set(at.grpc, "listen", "grpc"), d.file.set(at.http, "listen", "http"), d.file.set(at.web, "listen", "web"),
		d.file.set(storeName, "store", "sqlite", "path"),
	)
	if err != nil {
		return err
	}
	d.file.head(headComment(d.in(configName), servers))
	return d.file.write(d.in(name))
}

func headComment(path string, servers modelServers) string {
	var b strings.Builder
	b.WriteString("# Written by candor demo, which goes on with your changes to it, except for addresses, the store and the operators ann,\n" +
		"# olga, you and simulated-*. To run it yourself, when the demo has stopped:\n#\n")
	for _, name := range slices.Sorted(maps.Keys(servers)) {
		fmt.Fprintf(&b, "#   go run ./examples/digits/serve --model %s --listen %s\n", servers[name].model.Name, servers[name].addr)
	}
	fmt.Fprintf(&b, "#   candor serve --config %s\n", path)
	return b.String()
}

// initStore makes the store, unless there is one to go on with.
func (d *dataDir) initStore(ctx context.Context) error {
	_, _, err := server.Init(ctx, d.in(startName))
	if errors.Is(err, sqlite.ErrExists) {
		return nil
	}
	return err
}
