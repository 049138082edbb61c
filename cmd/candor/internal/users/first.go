package users

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os/user"
	"slices"
	"time"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/server"
	"github.com/candor-gateway/candor/cmd/candor/internal/stores"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/defect"
	"github.com/candor-gateway/candor/people"
	"github.com/candor-gateway/candor/store/sqlite"
)

// codeLifetime is that of the first administrator's code, who sits at the machine.
const codeLifetime = 24 * time.Hour

// first makes an administrator in the store of a configuration: in a file that no gateway serves from, in a database beside those
// that do. Whoever can open either could write anything into it; so there is nobody else to ask.
func first(ctx context.Context, stderr io.Writer, file string, u *candorv1.User) (code string, expire time.Time, err error) {
	if !slices.Contains(u.GetRoles(), candorv1.Role_ROLE_ADMIN) {
		return "", expire, cli.Usage("leave out --config: an administrator makes others, by the running gateway", "--config is for the first user with --role admin")
	}
	cfg, err := server.Load(file, stderr)
	if err != nil {
		return "", expire, err
	}
	name := u.GetName()
	switch {
	case cfg.GetPeople() == nil:
		return "", expire, cli.Fail("add people: {local: true}", "%s has no people", file)
	case !cfg.GetPeople().GetLocal():
		return "", expire, cli.Fail("add local: true, or give the role admin in a grant of people.oidc", "users can't log in: people.local is not set")
	case !people.ValidName(name):
		return "", expire, cli.Usage("1 to 127 of a-z 0-9 . _ @ + -, beginning with a letter or digit", "%q is no name for a user", name)
	case cfg.GetConsumers()[name] != nil || cfg.GetOperators()[name] != nil:
		return "", expire, cli.Fail("take another", "the name %q is one of the configuration's", name)
	}
	for _, q := range u.GetQueues() {
		if cfg.GetQueues()[q] == nil {
			return "", expire, cli.Usage("name one of the configuration", "--queue: there is no queue %q", q)
		}
	}
	store, err := stores.Open(ctx, cfg, defect.Guard{Log: slog.New(slog.DiscardHandler)})
	if errors.Is(err, sqlite.ErrLocked) {
		err = &cli.Error{What: "a gateway serves from the store", Remedy: "leave out --config and ask it as an administrator, or stop it first", Err: err}
	}
	if err != nil {
		return "", expire, err
	}
	defer func() { err = errors.Join(err, store.Close(context.WithoutCancel(ctx))) }()
	code, expire = people.NewCode(), store.Now().Add(codeLifetime)
	err = store.People().CreateUser(ctx, people.User{Name: name, Roles: u.GetRoles(), Queues: u.GetQueues(), Handle: people.NewHandle()},
		people.Code{Sum: people.SumOfCode(code), Expire: expire}, people.By{Name: "gateway", Reason: "made at the store" + whoSits()})
	if errors.Is(err, people.ErrExists) {
		err = cli.Fail("take another: a name is never given twice", "there is, or was, a user %q", name)
	}
	return code, expire, err
}

// whoSits says which user of the machine runs the command, where that can be known.
func whoSits() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	return " by the machine's user " + u.Username
}
