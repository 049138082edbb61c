package people

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

const (
	// believed is how long a token that was found good is not looked at again: a revoked one is refused after that at the latest.
	believed = 30 * time.Second
	// touchEvery is how exact the time of a token's or a session's last use is.
	touchEvery = time.Minute
	// maxBelieved bounds the memory.
	maxBelieved = 10_000
)

// Tokens says whose a bearer token is: where people.local is set, one that CreateUserToken made, and where people.oidc.audience is set, one of the provider's.
// Safe for concurrent use.
type Tokens struct {
	store Store
	// local: users of the store log in, so that their tokens are good.
	local    bool
	provider *provider
	taken    func(name string) bool
	log      *slog.Logger

	mu    sync.Mutex
	known map[Sum]belief
}

type belief struct {
	who   Person
	until time.Time
}

// TokensOptions are what Tokens are made of.
type TokensOptions struct {
	// Config is the configuration, with defaults.
	Config *candorv1.Config
	Store  Store
	// Log; nil: nobody is told.
	Log *slog.Logger
	// Before are the Tokens of the configuration before, which go on being used; nil: there are none. What is known of the provider
	// and of tokens is taken over where it still holds.
	Before *Tokens
}

// NewTokens makes Tokens.
func NewTokens(o TokensOptions) *Tokens {
	t := &Tokens{
		store: o.Store, local: o.Config.GetPeople().GetLocal(), taken: takenNames(o.Config), log: o.Log, known: map[Sum]belief{},
	}
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	if c := o.Config.GetPeople().GetOidc(); c.GetAudience() != "" {
		t.provider = newProvider(c, "", o.Store.Now) // who checks a token needs no secret
	}
	if o.Before != nil {
		t.inherit(o.Before)
	}
	return t
}

// inherit takes over what still holds.
func (t *Tokens) inherit(before *Tokens) {
	if t.provider.same(before.provider) {
		t.provider = before.provider
	} else if t.provider != nil || before.provider != nil {
		return // What was believed may be another provider's word.
	}
	if t.local != before.local {
		return
	}
	before.mu.Lock()
	defer before.mu.Unlock()
	for sum, b := range before.known {
		if !t.taken(b.who.Name) {
			t.known[sum] = b
		}
	}
}

// takenNames says which names are those of consumers and operators of the configuration: nobody else may have them.
func takenNames(cfg *candorv1.Config) func(string) bool {
	return func(name string) bool {
		return cfg.GetConsumers()[name] != nil || cfg.GetOperators()[name] != nil
	}
}

// Authenticate answers whose token it is. What it answers is at most 30 s old. Errors: ErrNotFound and ErrRefused, when it is nobody's;
// any other is trouble, and the caller may try again.
func (t *Tokens) Authenticate(ctx context.Context, token string) (Person, error) {
	sum, now := SumOf(token), t.store.Now()
	t.mu.Lock()
	b, ok := t.known[sum]
	t.mu.Unlock()
	if ok && now.Before(b.until) {
		return b.who, nil
	}
	who, until, err := t.look(ctx, token, sum, now)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		delete(t.known, sum)
		return Person{}, err
	}
	if len(t.known) >= maxBelieved {
		clear(t.known)
	}
	t.known[sum] = belief{who, until}
	return who, nil
}

// look asks the store or the provider, and answers how long to believe it.
func (t *Tokens) look(ctx context.Context, token string, sum Sum, now time.Time) (Person, time.Time, error) {
	until := now.Add(believed)
	// A JWT in its compact form is three parts, and none of our own tokens has a dot.
	if t.provider != nil && strings.Count(token, ".") == 2 {
		who, expire, err := t.provider.bearer(ctx, token)
		if err != nil {
			return Person{}, time.Time{}, err
		}
		if err := free(ctx, t.store, t.taken, who.Name); err != nil {
			return Person{}, time.Time{}, err
		}
		if expire.Before(until) {
			until = expire
		}
		return who, until, nil
	}
	if !t.local {
		return Person{}, time.Time{}, ErrNotFound
	}
	who, found, err := t.store.Token(ctx, sum)
	if err != nil {
		return Person{}, time.Time{}, err
	}
	if t.taken(who.Name) {
		return Person{}, time.Time{}, refusedf("the name %s is one of the configuration's", who.Name)
	}
	if now.Sub(found.LastUse) >= touchEvery {
		if err := t.store.TouchToken(ctx, found.ID); err != nil {
			// Not knowing when it was used last keeps nobody from working.
			t.log.WarnContext(ctx, "the use of a token could not be stored", slog.String("user", who.Name), slog.Any("error", err))
		}
	}
	if found.Expire.Before(until) {
		until = found.Expire
	}
	return who, until, nil
}

// free says whether somebody of a provider can have the name: it must be no user's and nobody's of the configuration. Errors: ErrRefused.
func free(ctx context.Context, store Store, taken func(string) bool, name string) error {
	if taken(name) {
		return refusedf("the name %s is one of the configuration's", name)
	}
	_, err := store.User(ctx, name)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("people: look for a namesake: %w", err)
	}
	return refusedf("a local user has the name %s", name)
}
