package people

import (
	_ "embed"
	"encoding/json"
	"errors"
	"io"
	"net/http"
)

// passkeyScript is what a page needs to use passkeys; pages of others' may load it, too. See its first lines.
//
//go:embed passkey.js
var passkeyScript []byte

func servePasskeyScript(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(passkeyScript)
}

// answerJSON is for the script: options, or where to go, or what to show.
func answerJSON(w http.ResponseWriter, status int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		status, data = http.StatusInternalServerError, []byte(`{"problem":"a defect of the gateway"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(data)
}

// told is the script's answer when a ceremony has ended.
type told struct {
	Next    string `json:"next,omitempty"`
	Problem string `json:"problem,omitempty"`
}

func (g *Gate) beginPasskeyLogin(w http.ResponseWriter, r *http.Request) {
	options, err := g.passkeys.beginLogin(r.Context(), SumOf(g.CSRF(r)))
	if err != nil {
		g.tellScript(w, r, err, "", wrongPasskey)
		return
	}
	answerJSON(w, http.StatusOK, options)
}

func (g *Gate) finishPasskeyLogin(w http.ResponseWriter, r *http.Request) {
	address := addressKey(RemoteOf(r))
	may, err := g.throttle.take(r.Context(), address, failuresOfAddress)
	if err != nil {
		g.tellScript(w, r, err, "", wrongPasskey)
		return
	}
	if !may {
		answerJSON(w, http.StatusTooManyRequests, told{Problem: tooMany})
		return
	}
	body, err := readBody(w, r)
	if err != nil {
		answerJSON(w, http.StatusBadRequest, told{Problem: wrongPasskey})
		return
	}
	user, key, err := g.passkeys.finishLogin(r.Context(), body, SumOf(g.CSRF(r)), func(handle []byte) (User, error) {
		return g.store.UserByHandle(r.Context(), handle)
	})
	if err == nil {
		err = g.store.UsePasskey(r.Context(), user.Name, key)
	}
	if err == nil {
		err = g.begin(w, r, user.Person(MethodPasskey))
	}
	if err != nil {
		g.tellScript(w, r, err, user.Name, wrongPasskey)
		return
	}
	g.throttle.giveBack(r.Context(), address)
	answerJSON(w, http.StatusOK, told{Next: here(r.URL.Query().Get("next"))})
}

func (g *Gate) beginPasskeyEnrol(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Code string `json:"code"`
	}
	body, err := readBody(w, r)
	if err != nil || json.Unmarshal(body, &in) != nil {
		answerJSON(w, http.StatusBadRequest, told{Problem: wrongCode})
		return
	}
	code := SumOfCode(in.Code)
	u, ok := g.userOfCode(w, r, code, func(status int, problem string) { answerJSON(w, status, told{Problem: problem}) })
	if !ok {
		return
	}
	options, err := g.passkeys.beginEnrol(r.Context(), u, code, SumOf(g.CSRF(r)))
	if err != nil {
		g.tellScript(w, r, err, u.Name, wrongPasskey)
		return
	}
	answerJSON(w, http.StatusOK, options)
}

func (g *Gate) finishPasskeyEnrol(w http.ResponseWriter, r *http.Request) {
	body, err := readBody(w, r)
	if err != nil {
		answerJSON(w, http.StatusBadRequest, told{Problem: wrongPasskey})
		return
	}
	var u User
	key, code, err := g.passkeys.finishEnrol(r.Context(), body, SumOf(g.CSRF(r)), func(code Sum) (found User, err error) {
		u, err = g.store.UserByCode(r.Context(), code)
		return u, err
	})
	if err == nil {
		_, err = g.store.Enrol(r.Context(), code, Credential{Passkey: &key}, By{Name: u.Name, Reason: MethodPasskey, Remote: RemoteOf(r)})
	}
	if errors.Is(err, ErrNotFound) {
		answerJSON(w, http.StatusUnauthorized, told{Problem: wrongCode})
		return
	}
	if err != nil {
		g.tellScript(w, r, err, u.Name, wrongPasskey)
		return
	}
	answerJSON(w, http.StatusOK, told{Next: "/login"})
}

// tellScript says why a ceremony has failed.
func (g *Gate) tellScript(w http.ResponseWriter, r *http.Request, err error, name, problem string) {
	switch {
	case errors.Is(err, ErrRefused), errors.Is(err, ErrNotFound):
		g.refused(r, name, err.Error())
		answerJSON(w, http.StatusUnauthorized, told{Problem: problem})
	case errors.Is(err, ErrFull):
		answerJSON(w, http.StatusServiceUnavailable, told{Problem: tooBusy})
	default:
		g.log.ErrorContext(r.Context(), "a passkey could not be used", "error", err)
		answerJSON(w, http.StatusServiceUnavailable, told{Problem: "The store does not answer. Please try again in a moment."})
	}
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	return io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
}
