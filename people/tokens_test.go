package people

import (
	"context"
	"errors"
	"testing"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// cupboard knows one token's person, while it is open.
type cupboard struct {
	Store
	shut bool
}

var errShut = errors.New("shut")

func (*cupboard) Now() time.Time { return time.Unix(1_700_000_000, 0) }

func (c *cupboard) Token(context.Context, Sum) (Person, Token, error) {
	if c.shut {
		return Person{}, Token{}, errShut
	}
	return Person{Name: "ann"}, Token{LastUse: c.Now(), Expire: c.Now().Add(time.Hour)}, nil
}

// What is known of tokens outlives a change of the configuration, so that nobody is refused for it while the store is away; but not a name
// that the configuration has given away, nor users who may no longer log in.
func TestTokensAfterAReload(t *testing.T) {
	local := func(names ...string) *candorv1.Config {
		cfg := &candorv1.Config{People: &candorv1.People{Local: true}, Operators: map[string]*candorv1.Operator{}}
		for _, name := range names {
			cfg.Operators[name] = &candorv1.Operator{}
		}
		return cfg
	}
	for name, tc := range map[string]struct {
		next *candorv1.Config
		want error
	}{
		"another operator":       {local("ben"), nil},
		"an operator with it":    {local("ann"), errShut},
		"users no longer log in": {&candorv1.Config{}, ErrNotFound},
	} {
		store := &cupboard{}
		first := NewTokens(TokensOptions{Config: local(), Store: store})
		if who, err := first.Authenticate(t.Context(), "x"); err != nil || who.Name != "ann" {
			t.Fatal(who, err)
		}
		store.shut = true
		if _, err := NewTokens(TokensOptions{Config: tc.next, Store: store, Before: first}).Authenticate(t.Context(), "x"); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
}
