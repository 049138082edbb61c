package people

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const (
	// maxPasskeys of one user: more are no help, and a login asks for all of them.
	maxPasskeys = 20
	// maxLabel bounds the name of a passkey, in characters.
	maxLabel = 40
)

func (g *Gate) removePasskey(w http.ResponseWriter, r *http.Request) {
	u, s, ok := g.own(w, r)
	if !ok {
		return
	}
	if !g.recent(s) {
		g.showAccount(w, r, http.StatusForbidden, "", logInAgain)
		return
	}
	id, err := base64.RawURLEncoding.DecodeString(r.PostFormValue("id"))
	if err != nil {
		g.showAccount(w, r, http.StatusBadRequest, "", passkeyGone)
		return
	}
	_, err = g.store.RemovePasskey(r.Context(), u.Name, id, s.ID, By{Name: u.Name, Reason: "by the user", Remote: RemoteOf(r)})
	switch {
	case errors.Is(err, ErrLastCredential):
		g.showAccount(w, r, http.StatusConflict, "", lastCredential)
	case errors.Is(err, ErrNotFound):
		g.showAccount(w, r, http.StatusNotFound, "", passkeyGone)
	case err != nil:
		g.trouble(w, r, err)
	default:
		http.Redirect(w, r, "/account?done=removed", http.StatusSeeOther)
	}
}

// mayAddPasskey answers the user who is about to add one, and their session; otherwise the script has been told why not.
func (g *Gate) mayAddPasskey(w http.ResponseWriter, r *http.Request) (User, Session, bool) {
	v, _ := visitOf(r)
	if !v.session.Local || !g.recent(v.session) {
		answerJSON(w, http.StatusForbidden, told{Problem: logInAgain})
		return User{}, Session{}, false
	}
	u, err := g.store.User(r.Context(), v.session.Person.Name)
	switch {
	case err != nil:
		g.tellScript(w, r, err, v.session.Person.Name, wrongPasskey)
		return User{}, Session{}, false
	case len(u.Passkeys) >= maxPasskeys:
		answerJSON(w, http.StatusConflict, told{Problem: tooManyPasskeys})
		return User{}, Session{}, false
	}
	return u, v.session, true
}

func (g *Gate) beginPasskeyAdd(w http.ResponseWriter, r *http.Request) {
	u, _, ok := g.mayAddPasskey(w, r)
	if !ok {
		return
	}
	options, err := g.passkeys.beginAdd(r.Context(), u, SumOf(g.CSRF(r)))
	if err != nil {
		g.tellScript(w, r, err, u.Name, wrongPasskey)
		return
	}
	answerJSON(w, http.StatusOK, options)
}

// finishPasskeyAdd takes the new passkey, with the name that the person gives it as the parameter label.
func (g *Gate) finishPasskeyAdd(w http.ResponseWriter, r *http.Request) {
	u, s, ok := g.mayAddPasskey(w, r)
	if !ok {
		return
	}
	body, err := readBody(w, r)
	if err != nil {
		answerJSON(w, http.StatusBadRequest, told{Problem: wrongPasskey})
		return
	}
	key, err := g.passkeys.finishAdd(r.Context(), body, u, SumOf(g.CSRF(r)), labelOf(r.URL.Query()))
	if err == nil {
		err = g.store.AddPasskey(r.Context(), u.Name, key, s.ID, By{Name: u.Name, Reason: "by the user", Remote: RemoteOf(r)})
	}
	if errors.Is(err, ErrExists) {
		answerJSON(w, http.StatusConflict, told{Problem: passkeyKnown})
		return
	}
	if err != nil {
		g.tellScript(w, r, err, u.Name, wrongPasskey)
		return
	}
	answerJSON(w, http.StatusOK, told{Next: "/account?done=added"})
}

// labelOf is the name of a passkey: printable, and short.
func labelOf(q url.Values) string {
	runes := []rune(strings.Join(strings.Fields(strings.ToValidUTF8(q.Get("label"), "?")), " "))
	return string(runes[:min(len(runes), maxLabel)])
}

// passkeyFacts are a user's passkeys as people see them, the oldest first.
func passkeyFacts(u User) []PasskeyFacts {
	var out []PasskeyFacts
	for _, k := range u.Passkeys {
		f := PasskeyFacts{ID: base64.RawURLEncoding.EncodeToString(k.ID), Only: u.Password == "" && len(u.Passkeys) == 1}
		var n keyNotes
		if json.Unmarshal(k.Data, &n) == nil {
			f.Label, f.Added, f.Used = n.Label, n.Added, n.Used
		}
		out = append(out, f)
	}
	slices.SortStableFunc(out, func(a, b PasskeyFacts) int { return a.Added.Compare(b.Added) })
	return out
}
