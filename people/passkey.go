package people

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
)

// ceremonyAge is how long a person may take to confirm a passkey.
const ceremonyAge = 5 * time.Minute

// passkeys is the relying party of WebAuthn. What a browser must answer is in the store, so that begin and finish may reach different
// gateways. Safe for concurrent use.
type passkeys struct {
	web   *webauthn.WebAuthn
	store Store
}

// ceremony is a registration or a login that is under way, as the store has it in JSON.
type ceremony struct {
	Data webauthn.SessionData
	// Browser is the token of the forms of whoever began it.
	Browser Sum
	// Code is the enrolment code of a registration, User the name of somebody who adds a passkey to theirs. A login has neither.
	Code Sum
	User string
}

// newPasskeys answers nil where the pages' host is an IP address, for which browsers make no passkeys.
func newPasskeys(public *url.URL, store Store) (*passkeys, error) {
	if net.ParseIP(public.Hostname()) != nil {
		return nil, nil
	}
	web, err := webauthn.New(&webauthn.Config{
		RPID: public.Hostname(), RPDisplayName: "Candor", RPOrigins: []string{public.Scheme + "://" + public.Host},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, UserVerification: protocol.VerificationRequired,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("listen.public_url: passkeys can't be used under %s: %w", public.Host, err)
	}
	return &passkeys{web: web, store: store}, nil
}

// keep remembers a ceremony. Errors: ErrFull.
func (p *passkeys) keep(ctx context.Context, c ceremony) error {
	data, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("people: encode a passkey's challenge: %w", err)
	}
	now := p.store.Now()
	return p.store.KeepChallenge(ctx, SumOf(c.Data.Challenge), data, now, now.Add(ceremonyAge))
}

// take ends the ceremony of a challenge, whatever comes of it: it is good once, for the browser that began it. Errors: ErrRefused.
func (p *passkeys) take(ctx context.Context, challenge string, browser Sum) (c ceremony, err error) {
	data, err := p.store.TakeChallenge(ctx, SumOf(challenge), p.store.Now())
	if err != nil && !errors.Is(err, ErrNotFound) {
		return c, err
	}
	if err == nil {
		err = json.Unmarshal(data, &c)
	}
	if err != nil || c.Browser != browser {
		return ceremony{}, refusedf("the challenge is unknown, used or expired")
	}
	return c, nil
}

func (p *passkeys) beginLogin(ctx context.Context, browser Sum) (*protocol.CredentialAssertion, error) {
	options, data, err := p.web.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return nil, err
	}
	if err := p.keep(ctx, ceremony{Data: *data, Browser: browser}); err != nil {
		return nil, err
	}
	return options, nil
}

// finishLogin answers whose passkey has signed, and the passkey as it is to be stored. find answers a user by handle. Errors:
// ErrRefused; find's.
func (p *passkeys) finishLogin(ctx context.Context, body []byte, browser Sum, find func(handle []byte) (User, error)) (User, Passkey, error) {
	answer, err := protocol.ParseCredentialRequestResponseBytes(body)
	if err != nil {
		return User{}, Passkey{}, refusedf("the answer is not readable: %v", err)
	}
	c, err := p.take(ctx, answer.Response.CollectedClientData.Challenge, browser)
	if err != nil {
		return User{}, Passkey{}, err
	}
	var user User
	var trouble error
	_, cred, err := p.web.ValidatePasskeyLogin(func(_, handle []byte) (webauthn.User, error) {
		if user, trouble = find(handle); trouble != nil {
			return nil, trouble
		}
		return newKeyHolder(user)
	}, c.Data, answer)
	switch {
	case trouble != nil && !errors.Is(trouble, ErrNotFound):
		return User{}, Passkey{}, trouble
	case err != nil:
		return user, Passkey{}, refusedf("the passkey is not good: %v", err)
	case cred.Authenticator.CloneWarning:
		return user, Passkey{}, refusedf("the passkey's counter went back: there may be a copy of it")
	case user.Disabled:
		return user, Passkey{}, refusedf("the user is disabled")
	}
	stored, err := encodePasskey(cred, notesOf(user, cred.ID).used(p.store.Now()))
	return user, stored, err
}

func (p *passkeys) beginEnrol(ctx context.Context, u User, code, browser Sum) (*protocol.CredentialCreation, error) {
	return p.begin(ctx, u, ceremony{Browser: browser, Code: code})
}

// beginAdd begins the registration of one more passkey of somebody who has logged in.
func (p *passkeys) beginAdd(ctx context.Context, u User, browser Sum) (*protocol.CredentialCreation, error) {
	return p.begin(ctx, u, ceremony{Browser: browser, User: u.Name})
}

func (p *passkeys) begin(ctx context.Context, u User, c ceremony) (*protocol.CredentialCreation, error) {
	holder, err := newKeyHolder(u)
	if err != nil {
		return nil, err
	}
	// A device that has one already must not make another: it would replace it.
	options, data, err := p.web.BeginRegistration(holder, webauthn.WithExclusions(webauthn.Credentials(holder.keys).CredentialDescriptors()))
	if err != nil {
		return nil, err
	}
	c.Data = *data
	if err := p.keep(ctx, c); err != nil {
		return nil, err
	}
	return options, nil
}

// finishEnrol answers a new passkey and the code that it is for. find answers the user of a code. Errors: ErrRefused; find's.
func (p *passkeys) finishEnrol(ctx context.Context, body []byte, browser Sum, find func(code Sum) (User, error)) (Passkey, Sum, error) {
	answer, c, err := p.registered(ctx, body, browser)
	if err != nil {
		return Passkey{}, Sum{}, err
	}
	if c.Code == (Sum{}) {
		return Passkey{}, Sum{}, refusedf("the challenge is unknown, used or expired")
	}
	u, err := find(c.Code)
	if err != nil {
		return Passkey{}, Sum{}, err
	}
	key, err := p.create(u, c, answer, "")
	return key, c.Code, err
}

// finishAdd answers the passkey that somebody who has logged in adds, with the name that they gave it. Errors: ErrRefused.
func (p *passkeys) finishAdd(ctx context.Context, body []byte, u User, browser Sum, label string) (Passkey, error) {
	answer, c, err := p.registered(ctx, body, browser)
	if err != nil {
		return Passkey{}, err
	}
	if c.User != u.Name {
		return Passkey{}, refusedf("the challenge is unknown, used or expired")
	}
	return p.create(u, c, answer, label)
}

// registered reads a browser's answer, and ends the ceremony that it belongs to. Errors: ErrRefused.
func (p *passkeys) registered(ctx context.Context, body []byte, browser Sum) (*protocol.ParsedCredentialCreationData, ceremony, error) {
	answer, err := protocol.ParseCredentialCreationResponseBytes(body)
	if err != nil {
		return nil, ceremony{}, refusedf("the answer is not readable: %v", err)
	}
	c, err := p.take(ctx, answer.Response.CollectedClientData.Challenge, browser)
	return answer, c, err
}

func (p *passkeys) create(u User, c ceremony, answer *protocol.ParsedCredentialCreationData, label string) (Passkey, error) {
	holder, err := newKeyHolder(u)
	if err != nil {
		return Passkey{}, err
	}
	cred, err := p.web.CreateCredential(holder, c.Data, answer)
	if err != nil {
		return Passkey{}, refusedf("the passkey is not good: %v", err)
	}
	return encodePasskey(cred, keyNotes{Label: label, Added: p.store.Now()})
}

// keyHolder is a user as WebAuthn sees them.
type keyHolder struct {
	user User
	keys []webauthn.Credential
}

func newKeyHolder(u User) (*keyHolder, error) {
	h := &keyHolder{user: u, keys: make([]webauthn.Credential, len(u.Passkeys))}
	for i, k := range u.Passkeys {
		if err := json.Unmarshal(k.Data, &h.keys[i]); err != nil {
			return nil, fmt.Errorf("people: decode a passkey of %s: %w", u.Name, err)
		}
	}
	return h, nil
}

func (h *keyHolder) WebAuthnID() []byte                         { return h.user.Handle }
func (h *keyHolder) WebAuthnName() string                       { return h.user.Name }
func (h *keyHolder) WebAuthnDisplayName() string                { return h.user.Name }
func (h *keyHolder) WebAuthnCredentials() []webauthn.Credential { return h.keys }
