package people

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
)

const (
	// ceremonyAge is how long a person may take to confirm a passkey.
	ceremonyAge = 5 * time.Minute
	// maxCeremonies bounds the memory; beyond it nobody begins another until some have ended.
	maxCeremonies = 10_000
)

// passkeys is the relying party of WebAuthn. What a browser must answer is in this process's memory: begin and finish must reach the
// same gateway, or be repeated. Safe for concurrent use.
type passkeys struct {
	web *webauthn.WebAuthn
	now func() time.Time

	mu    sync.Mutex
	begun map[string]ceremony // by challenge
}

// ceremony is a registration or a login that is under way.
type ceremony struct {
	data webauthn.SessionData
	// browser is the token of the forms of whoever began it.
	browser Sum
	// code is the enrolment code of a registration, user the name of somebody who adds a passkey to theirs. A login has neither.
	code  Sum
	user  string
	began time.Time
}

// newPasskeys answers nil where the pages' host is an IP address, for which browsers make no passkeys.
func newPasskeys(public *url.URL, now func() time.Time) (*passkeys, error) {
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
	return &passkeys{web: web, now: now, begun: map[string]ceremony{}}, nil
}

// keep remembers a ceremony. It answers false when there are too many.
func (p *passkeys) keep(c ceremony) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.began = p.now()
	if len(p.begun) >= maxCeremonies {
		for challenge, old := range p.begun {
			if c.began.Sub(old.began) >= ceremonyAge {
				delete(p.begun, challenge)
			}
		}
	}
	if len(p.begun) >= maxCeremonies {
		return false
	}
	p.begun[c.data.Challenge] = c
	return true
}

// take ends the ceremony of a challenge, whatever comes of it: it is good once, for the browser that began it.
func (p *passkeys) take(challenge string, browser Sum) (ceremony, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, ok := p.begun[challenge]
	delete(p.begun, challenge)
	return c, ok && c.browser == browser && p.now().Sub(c.began) < ceremonyAge
}

var errTooManyCeremonies = errors.New("people: too many passkeys are being confirmed at once")

func (p *passkeys) beginLogin(browser Sum) (*protocol.CredentialAssertion, error) {
	options, data, err := p.web.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return nil, err
	}
	if !p.keep(ceremony{data: *data, browser: browser}) {
		return nil, errTooManyCeremonies
	}
	return options, nil
}

// finishLogin answers whose passkey has signed, and the passkey as it is to be stored. find answers a user by handle. Errors:
// ErrRefused; find's.
func (p *passkeys) finishLogin(body []byte, browser Sum, find func(handle []byte) (User, error)) (User, Passkey, error) {
	answer, err := protocol.ParseCredentialRequestResponseBytes(body)
	if err != nil {
		return User{}, Passkey{}, refusedf("the answer is not readable: %v", err)
	}
	c, ok := p.take(answer.Response.CollectedClientData.Challenge, browser)
	if !ok {
		return User{}, Passkey{}, refusedf("the challenge is unknown, used or expired")
	}
	var user User
	var trouble error
	_, cred, err := p.web.ValidatePasskeyLogin(func(_, handle []byte) (webauthn.User, error) {
		if user, trouble = find(handle); trouble != nil {
			return nil, trouble
		}
		return newKeyHolder(user)
	}, c.data, answer)
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
	stored, err := encodePasskey(cred, notesOf(user, cred.ID).used(p.now()))
	return user, stored, err
}

func (p *passkeys) beginEnrol(u User, code, browser Sum) (*protocol.CredentialCreation, error) {
	return p.begin(u, ceremony{browser: browser, code: code})
}

// beginAdd begins the registration of one more passkey of somebody who has logged in.
func (p *passkeys) beginAdd(u User, browser Sum) (*protocol.CredentialCreation, error) {
	return p.begin(u, ceremony{browser: browser, user: u.Name})
}

func (p *passkeys) begin(u User, c ceremony) (*protocol.CredentialCreation, error) {
	holder, err := newKeyHolder(u)
	if err != nil {
		return nil, err
	}
	// A device that has one already must not make another: it would replace it.
	options, data, err := p.web.BeginRegistration(holder, webauthn.WithExclusions(webauthn.Credentials(holder.keys).CredentialDescriptors()))
	if err != nil {
		return nil, err
	}
	c.data = *data
	if !p.keep(c) {
		return nil, errTooManyCeremonies
	}
	return options, nil
}

// finishEnrol answers a new passkey and the code that it is for. find answers the user of a code. Errors: ErrRefused; find's.
func (p *passkeys) finishEnrol(body []byte, browser Sum, find func(code Sum) (User, error)) (Passkey, Sum, error) {
	answer, c, err := p.registered(body, browser)
	if err != nil {
		return Passkey{}, Sum{}, err
	}
	if c.code == (Sum{}) {
		return Passkey{}, Sum{}, refusedf("the challenge is unknown, used or expired")
	}
	u, err := find(c.code)
	if err != nil {
		return Passkey{}, Sum{}, err
	}
	key, err := p.create(u, c, answer, "")
	return key, c.code, err
}

// finishAdd answers the passkey that somebody who has logged in adds, with the name that they gave it. Errors: ErrRefused.
func (p *passkeys) finishAdd(body []byte, u User, browser Sum, label string) (Passkey, error) {
	answer, c, err := p.registered(body, browser)
	if err != nil {
		return Passkey{}, err
	}
	if c.user != u.Name {
		return Passkey{}, refusedf("the challenge is unknown, used or expired")
	}
	return p.create(u, c, answer, label)
}

// registered reads a browser's answer, and ends the ceremony that it belongs to. Errors: ErrRefused.
func (p *passkeys) registered(body []byte, browser Sum) (*protocol.ParsedCredentialCreationData, ceremony, error) {
	answer, err := protocol.ParseCredentialCreationResponseBytes(body)
	if err != nil {
		return nil, ceremony{}, refusedf("the answer is not readable: %v", err)
	}
	c, ok := p.take(answer.Response.CollectedClientData.Challenge, browser)
	if !ok {
		return nil, ceremony{}, refusedf("the challenge is unknown, used or expired")
	}
	return answer, c, nil
}

func (p *passkeys) create(u User, c ceremony, answer *protocol.ParsedCredentialCreationData, label string) (Passkey, error) {
	holder, err := newKeyHolder(u)
	if err != nil {
		return Passkey{}, err
	}
	cred, err := p.web.CreateCredential(holder, c.data, answer)
	if err != nil {
		return Passkey{}, refusedf("the passkey is not good: %v", err)
	}
	return encodePasskey(cred, keyNotes{Label: label, Added: p.now()})
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
