package people

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

const (
	// providerTimeout bounds what a login or a token waits for the provider.
	providerTimeout = 10 * time.Second
	// providerPause is how long nobody asks for the provider's configuration again after it could not be read.
	providerPause = 5 * time.Second
	// maxProviderBytes of an answer of the provider's.
	maxProviderBytes = 1 << 20
)

// algorithms that a provider may sign with. Never none, and none with a secret that both sides have: whoever checks such a token could
// make it.
var algorithms = []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA}

// ErrProvider: the OpenID provider doesn't answer as it should.
var ErrProvider = errors.New("people: the OpenID provider can't be reached")

// ErrRefused: the provider's word was understood, and isn't enough. Its text says why, for logs.
var ErrRefused = errors.New("people: refused")

func refusedf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
}

// provider is an OpenID provider, whose configuration is read when it is first needed: one that is down keeps nobody from starting.
// Safe for concurrent use.
type provider struct {
	cfg *candorv1.OIDC
	// secret of the client; empty: it has none, or nobody logs in here.
	secret string
	client *http.Client
	now    func() time.Time

	mu    sync.Mutex
	found *oidc.Provider
	// failed is when the configuration could not be read last.
	failed time.Time
}

func newProvider(cfg *candorv1.OIDC, secret string, now func() time.Time) *provider {
	return &provider{cfg: cfg, secret: secret, now: now, client: &http.Client{
		Timeout:   providerTimeout,
		Transport: bounded{http.DefaultTransport},
		// Endpoints are what the provider's configuration says they are.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// same says that another provider is this one, with the same secret, and that there is one.
func (p *provider) same(other *provider) bool {
	return p != nil && other != nil && p.secret == other.secret && proto.Equal(p.cfg, other.cfg)
}

// discover answers the provider's configuration, and asks for it once at a time. Errors: ErrProvider.
func (p *provider) discover(ctx context.Context) (*oidc.Provider, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found != nil {
		return p.found, nil
	}
	if since := p.now().Sub(p.failed); !p.failed.IsZero() && since >= 0 && since < providerPause {
		return nil, fmt.Errorf("%w: it could not %v ago", ErrProvider, since.Round(time.Millisecond))
	}
	// The context's values stay with the provider for as long as it lives, its end must not.
	asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), providerTimeout)
	defer cancel()
	found, err := oidc.NewProvider(oidc.ClientContext(asking, p.client), p.cfg.GetIssuer())
	if err != nil {
		p.failed = p.now()
		return nil, fmt.Errorf("%w: %w", ErrProvider, err)
	}
	p.found, p.failed = found, time.Time{}
	return found, nil
}

// oauth is the client that we are to the provider. Errors: ErrProvider.
func (p *provider) oauth(ctx context.Context, redirect string) (*oauth2.Config, error) {
	found, err := p.discover(ctx)
	if err != nil {
		return nil, err
	}
	return &oauth2.Config{
		ClientID: p.cfg.GetClientId(), ClientSecret: p.secret, Endpoint: found.Endpoint(), RedirectURL: redirect,
		Scopes: append([]string{oidc.ScopeOpenID}, p.cfg.GetScopes()...),
	}, nil
}

// attempt is a login that is under way at the provider: what the browser that began it must bring back.
type attempt struct {
	State    string `json:"s"`
	Nonce    string `json:"n"`
	Verifier string `json:"v"`
	// Next is where the person was going.
	Next string `json:"t"`
}

// begin answers where the browser goes to log in.
func (p *provider) begin(ctx context.Context, redirect, next string) (string, attempt, error) {
	conf, err := p.oauth(ctx, redirect)
	if err != nil {
		return "", attempt{}, err
	}
	a := attempt{State: newSecret(), Nonce: newSecret(), Verifier: oauth2.GenerateVerifier(), Next: next}
	return conf.AuthCodeURL(a.State, oidc.Nonce(a.Nonce), oauth2.S256ChallengeOption(a.Verifier)), a, nil
}

// finish exchanges the code that the browser brought back for the person. Errors: ErrProvider, ErrRefused.
func (p *provider) finish(ctx context.Context, redirect, code string, a attempt) (Person, error) {
	conf, err := p.oauth(ctx, redirect)
	if err != nil {
		return Person{}, err
	}
	ctx, cancel := context.WithTimeout(oidc.ClientContext(ctx, p.client), providerTimeout)
	defer cancel()
	token, err := conf.Exchange(ctx, code, oauth2.VerifierOption(a.Verifier))
	if err != nil {
		var answered *oauth2.RetrieveError
		if errors.As(err, &answered) && answered.Response.StatusCode < http.StatusInternalServerError {
			return Person{}, refusedf("the provider did not take the code: %s", answered.ErrorCode)
		}
		return Person{}, fmt.Errorf("%w: %w", ErrProvider, err)
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return Person{}, refusedf("the provider answered without an ID token")
	}
	id, err := p.verify(ctx, raw, p.cfg.GetClientId())
	if err != nil {
		return Person{}, err
	}
	if id.Nonce != a.Nonce {
		return Person{}, refusedf("the ID token is of another login")
	}
	return p.person(id)
}

// bearer answers the person of a token that was made for our audience, and until when it is good. Errors: ErrProvider, ErrRefused.
func (p *provider) bearer(ctx context.Context, raw string) (Person, time.Time, error) {
	id, err := p.verify(ctx, raw, p.cfg.GetAudience())
	if err != nil {
		return Person{}, time.Time{}, err
	}
	who, err := p.person(id)
	return who, id.Expiry, err
}

// verify checks signature, issuer, audience and time of a token.
func (p *provider) verify(ctx context.Context, raw, audience string) (*oidc.IDToken, error) {
	found, err := p.discover(ctx)
	if err != nil {
		return nil, err
	}
	verifier := found.VerifierContext(oidc.ClientContext(context.WithoutCancel(ctx), p.client),
		&oidc.Config{ClientID: audience, SupportedSigningAlgs: algorithms, Now: p.now})
	id, err := verifier.Verify(ctx, raw)
	if err != nil {
		// go-oidc doesn't tell keys that could not be fetched from a token that is wrong, but by these words.
		if strings.Contains(err.Error(), "fetching keys") {
			return nil, fmt.Errorf("%w: %w", ErrProvider, err)
		}
		return nil, refusedf("the token is not good: %v", err)
	}
	return id, nil
}

// person makes one of a token's claims, with the roles and queues of all grants whose group they are in.
func (p *provider) person(id *oidc.IDToken) (Person, error) {
	var claims map[string]json.RawMessage
	if err := id.Claims(&claims); err != nil {
		return Person{}, refusedf("the claims are not readable: %v", err)
	}
	name, err := p.name(claims)
	if err != nil {
		return Person{}, err
	}
	groups, err := texts(claims[p.cfg.GetGroupsClaim()])
	if err != nil {
		return Person{}, refusedf("the claim %s of %s is neither a text nor a list of texts", p.cfg.GetGroupsClaim(), name)
	}
	who := Person{Name: name, Method: MethodOIDC}
	every, granted := false, false
	for _, g := range p.cfg.GetGrants() {
		if g.GetGroup() != "*" && !slices.Contains(groups, g.GetGroup()) {
			continue
		}
		granted = true
		who.Roles = append(who.Roles, g.GetRoles()...)
		who.Queues = append(who.Queues, g.GetQueues()...)
		every = every || len(g.GetQueues()) == 0
	}
	if !granted {
		return Person{}, refusedf("no grant is for a group of %s", name)
	}
	slices.Sort(who.Roles)
	slices.Sort(who.Queues)
	who.Roles, who.Queues = slices.Compact(who.Roles), slices.Compact(who.Queues)
	if every {
		who.Queues = nil
	}
	return who, nil
}

const emailClaim = "email"

// name is the person's name. An address is theirs only when the provider has verified it, and has no capitals here: providers don't
// tell addresses apart by them.
func (p *provider) name(claims map[string]json.RawMessage) (string, error) {
	claim := p.cfg.GetNameClaim()
	var name string
	if err := json.Unmarshal(claims[claim], &name); err != nil || name == "" {
		return "", refusedf("the token has no claim %s", claim)
	}
	if claim == emailClaim {
		// Some providers write booleans as text.
		if v := string(claims["email_verified"]); v != "true" && v != `"true"` {
			return "", refusedf("the address %s is not verified", name)
		}
		name = strings.ToLower(name)
	}
	if !ValidName(name) {
		return "", refusedf("the claim %s is %q, which is no name here: 1 to 127 of a-z 0-9 . _ @ + -", claim, name)
	}
	return name, nil
}

// texts reads a text or a list of them; absent: none.
func texts(raw json.RawMessage) ([]string, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return []string{one}, nil
	}
	var many []string
	err := json.Unmarshal(raw, &many)
	return many, err
}
