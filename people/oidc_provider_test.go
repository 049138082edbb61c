package people_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"google.golang.org/protobuf/types/known/durationpb"
)

// openID is a small OpenID provider: discovery, authorization code with PKCE, signed tokens, keys.
type openID struct {
	t      *testing.T
	server *httptest.Server
	key    *ecdsa.PrivateKey
	down   atomic.Bool

	mu    sync.Mutex
	codes map[string]authorization
	// claims of the next token, beside the standard ones, and over them.
	claims map[string]any
	// sign makes the token of claims; nil: signed as it should be.
	sign func(claims map[string]any) string
}

type authorization struct{ nonce, challenge, redirect string }

const (
	clientID     = "candor"
	clientSecret = "a secret of the client's"
)

func startOpenID(t *testing.T) *openID {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &openID{t: t, key: key, codes: map[string]authorization{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.discovery)
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /token", p.token)
	mux.HandleFunc("GET /keys", p.keys)
	p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.down.Load() {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		p.server.Close()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	})
	return p
}

func (p *openID) say(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		p.t.Error(err)
	}
}

func (p *openID) discovery(w http.ResponseWriter, _ *http.Request) {
	p.say(w, map[string]any{
		"issuer": p.server.URL, "authorization_endpoint": p.server.URL + "/authorize", "token_endpoint": p.server.URL + "/token",
		"jwks_uri": p.server.URL + "/keys", "id_token_signing_alg_values_supported": []string{"ES256", "none", "HS256"},
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
	})
}

func (p *openID) keys(w http.ResponseWriter, _ *http.Request) {
	p.say(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: p.key.Public(), KeyID: "k", Algorithm: "ES256", Use: "sig"}}})
}

// authorize lets everybody in, at once.
func (p *openID) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("client_id") != clientID || q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" ||
		q.Get("nonce") == "" || q.Get("state") == "" || !strings.Contains(q.Get("scope"), "openid") {
		p.t.Errorf("a request that asks for too little: %v", q)
	}
	code := rand.Text()
	p.mu.Lock()
	p.codes[code] = authorization{q.Get("nonce"), q.Get("code_challenge"), q.Get("redirect_uri")}
	p.mu.Unlock()
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
}

func (p *openID) token(w http.ResponseWriter, r *http.Request) {
	id, secret, _ := r.BasicAuth()
	if id == "" {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	secret, _ = url.QueryUnescape(secret)
	p.mu.Lock()
	a, ok := p.codes[r.PostFormValue("code")]
	delete(p.codes, r.PostFormValue("code"))
	p.mu.Unlock()
	verifier := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if !ok || id != clientID || secret != clientSecret || r.PostFormValue("redirect_uri") != a.redirect ||
		base64.RawURLEncoding.EncodeToString(verifier[:]) != a.challenge {
		w.WriteHeader(http.StatusBadRequest)
		p.say(w, map[string]string{"error": "invalid_grant"})
		return
	}
	p.say(w, map[string]any{"access_token": "x", "token_type": "Bearer", "expires_in": 60, "id_token": p.make(clientID, a.nonce)})
}

// make signs a token of the claims that the test wants.
func (p *openID) make(audience, nonce string) string {
	claims := map[string]any{
		"iss": p.server.URL, "aud": audience, "sub": "1", "nonce": nonce, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
		"email": "Ann@Example.com", "email_verified": true, "groups": []string{"reviewers"},
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for k, v := range p.claims {
		claims[k] = v
	}
	if p.sign != nil {
		return p.sign(claims)
	}
	return p.signed(p.key, claims)
}

func (p *openID) signed(key *ecdsa.PrivateKey, claims map[string]any) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", "k"))
	if err != nil {
		p.t.Error(err)
		return ""
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		p.t.Error(err)
	}
	return token
}

// next sets what the next tokens say.
func (p *openID) next(claims map[string]any, sign func(map[string]any) string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.claims, p.sign = claims, sign
}

// config is a configuration with the provider; the secret's file is made for the test.
func (p *openID) config(secretFile string) *candorv1.Config {
	return &candorv1.Config{
		Operators: map[string]*candorv1.Operator{"olu": {}},
		People: &candorv1.People{
			Sessions: &candorv1.Sessions{Idle: durationpb.New(time.Hour), Absolute: durationpb.New(12 * time.Hour)},
			Oidc: &candorv1.OIDC{
				Issuer: p.server.URL, ClientId: clientID, ClientSecretFile: secretFile, NameClaim: "email", GroupsClaim: "groups",
				Scopes: []string{"email", "profile", "groups"}, Audience: "candor-grpc",
				Grants: []*candorv1.OIDCGrant{
					{Group: "reviewers", Roles: []candorv1.Role{candorv1.Role_ROLE_REVIEWER}, Queues: []string{"desk"}},
					{Group: "others", Roles: []candorv1.Role{candorv1.Role_ROLE_REVIEWER}, Queues: []string{"other", "desk"}},
					{Group: "seniors", Roles: []candorv1.Role{candorv1.Role_ROLE_SENIOR, candorv1.Role_ROLE_REVIEWER}},
				},
			},
		},
	}
}
