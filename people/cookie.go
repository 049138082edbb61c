package people

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// Cookies. Where the pages are called by https their names begin with __Host-, so that a browser takes them from this host alone, over
// TLS (RFC 6265bis, section 4.1.3).
const (
	sessionCookie = "candor_session"
	formCookie    = "candor_form"
	oidcCookie    = "candor_oidc"
)

// attemptAge is how long a login at the provider may take.
const attemptAge = 10 * time.Minute

func (g *Gate) cookieName(name string) string {
	if g.secure() {
		return "__Host-" + name
	}
	return name
}

func (g *Gate) setCookie(w http.ResponseWriter, name, value string, age time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: g.cookieName(name), Value: value, Path: "/", Secure: g.secure(), HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: int(age.Seconds()),
	})
}

func (g *Gate) clearCookie(w http.ResponseWriter, name string) {
	http.SetCookie(w, &http.Cookie{
		Name: g.cookieName(name), Path: "/", Secure: g.secure(), HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: -1,
	})
}

func (g *Gate) cookie(r *http.Request, name string) string {
	c, err := r.Cookie(g.cookieName(name))
	if err != nil {
		return ""
	}
	return c.Value
}

// A session's cookie is its key, which changes, and the token of its forms, which stays: a form that somebody has open must still work
// after the key has changed.
func (g *Gate) setSessionCookie(w http.ResponseWriter, key, forms string) {
	g.setCookie(w, sessionCookie, key+"."+forms, 0)
}

func (g *Gate) sessionCookie(r *http.Request) (key, forms string, ok bool) {
	key, forms, ok = strings.Cut(g.cookie(r, sessionCookie), ".")
	return key, forms, ok && isSecret(key) && isSecret(forms)
}

// isSecret says whether a text has the form of what newSecret makes.
func isSecret(s string) bool {
	b, err := base64.RawURLEncoding.DecodeString(s)
	return err == nil && len(b) == secretBytes
}

// formToken is the token of forms before there is a session: a cookie of the browser's own, which another site can neither read nor
// set. It answers false for an unsafe request that doesn't carry it.
func (g *Gate) formToken(w http.ResponseWriter, r *http.Request) (string, bool) {
	token := g.cookie(r, formCookie)
	if !safe(r) {
		return token, isSecret(token) && g.carries(w, r, token)
	}
	if !isSecret(token) {
		token = newSecret()
		g.setCookie(w, formCookie, token, 0)
	}
	return token, true
}

// setAttempt gives a browser what it must bring back from the provider. None of it is a secret from the browser's own person.
func (g *Gate) setAttempt(w http.ResponseWriter, a attempt) error {
	data, err := json.Marshal(a)
	if err != nil {
		return err
	}
	g.setCookie(w, oidcCookie, base64.RawURLEncoding.EncodeToString(data), attemptAge)
	return nil
}

func (g *Gate) attempt(r *http.Request) (attempt, bool) {
	var a attempt
	data, err := base64.RawURLEncoding.DecodeString(g.cookie(r, oidcCookie))
	if err != nil || json.Unmarshal(data, &a) != nil {
		return attempt{}, false
	}
	return a, isSecret(a.State) && isSecret(a.Nonce) && a.Verifier != ""
}
