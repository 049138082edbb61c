package people

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// recentLogin is how long after a login what one logs in by can be added or removed: whoever finds a browser open must not be able to make themselves a
// key of it that lasts.
const recentLogin = 15 * time.Minute

// isAccount says whether a path is of the page of one's own account.
func isAccount(path string) bool { return path == "/account" || strings.HasPrefix(path, "/account/") }

// accountRoutes answer /account and what is below it. Requests have passed: they have a session, and unsafe ones its token.
func (g *Gate) accountRoutes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /account", func(w http.ResponseWriter, r *http.Request) {
		g.showAccount(w, r, http.StatusOK, accountDone[r.URL.Query().Get("done")], "")
	})
	if g.local {
		mux.HandleFunc("POST /account/password", g.changePassword)
		mux.HandleFunc("POST /account/password/add", g.addPassword)
		mux.HandleFunc("POST /account/passkey/remove", g.removePasskey)
	}
	if g.passkeys != nil {
		mux.HandleFunc("POST /account/passkey/begin", g.beginPasskeyAdd)
		mux.HandleFunc("POST /account/passkey/finish", g.finishPasskeyAdd)
	}
	return mux
}

// accountDone are the words of what the address of the page says was done.
var accountDone = map[string]string{
	"password":       "The password is changed. Your other sessions have ended.",
	"password-added": "The password is added. You can log in with it. Your other sessions have ended.",
	"added":          "The passkey is added. You can log in with it.",
	"removed":        "The passkey is removed. Your other sessions have ended.",
}

const (
	wrongOldPassword = "The old password is not right."
	logInAgain       = "It is a while since you logged in. Log out and in again, then change passkeys."
	lastCredential   = "It is the only thing that you can log in by. Add another passkey or a password first."
	passkeyGone      = "You have no such passkey any more. Load the page again."
	passkeyKnown     = "This passkey is known here already."
	tooManyPasskeys  = "You have as many passkeys as one can have. Remove one first."
)

// own answers the user whom a request's session belongs to, and the session. It has answered the request where it says false.
func (g *Gate) own(w http.ResponseWriter, r *http.Request) (User, Session, bool) {
	v, _ := visitOf(r)
	if !v.session.Local {
		g.refuse(w, r, http.StatusForbidden, "Your account is not kept here", "You log in with your organisation's account. Its password and passkeys are changed there.")
		return User{}, Session{}, false
	}
	u, err := g.store.User(r.Context(), v.session.Person.Name)
	if err != nil {
		g.trouble(w, r, err)
		return User{}, Session{}, false
	}
	return u, v.session, true
}

func (g *Gate) showAccount(w http.ResponseWriter, r *http.Request, status int, done, problem string) {
	v, _ := visitOf(r)
	p := AccountPage{
		Status: status, CSRF: v.forms, Person: v.session.Person, Local: v.session.Local, Done: done, Problem: problem,
		MinPassword: MinPassword, Current: v.session.ID, Recent: g.recent(v.session), CanAdd: g.passkeys != nil,
	}
	var err error
	if p.Sessions, err = g.store.Sessions(r.Context(), v.session.Person.Name); err != nil {
		g.trouble(w, r, err)
		return
	}
	if v.session.Local {
		u, err := g.store.User(r.Context(), v.session.Person.Name)
		if err != nil {
			g.trouble(w, r, err)
			return
		}
		p.HasPassword = u.Password != ""
		p.Passkeys = passkeyFacts(u)
	}
	g.pages.Account(w, r, p)
}

func (g *Gate) recent(s Session) bool { return g.store.Now().Sub(s.Created) < recentLogin }

// changePassword asks for the old password: a browser that was left open must not be enough. Guesses count as those of a login do.
func (g *Gate) changePassword(w http.ResponseWriter, r *http.Request) {
	_, s, ok := g.own(w, r)
	if !ok {
		return
	}
	name := s.Person.Name
	_, problem, err := g.checkPassword(r, name, r.PostFormValue("old"))
	switch {
	case errors.Is(err, ErrBusy):
		g.showAccount(w, r, http.StatusServiceUnavailable, "", tooBusy)
		return
	case err != nil:
		g.trouble(w, r, err)
		return
	case problem == tooMany:
		g.showAccount(w, r, http.StatusTooManyRequests, "", problem)
		return
	case problem != "":
		g.showAccount(w, r, http.StatusUnprocessableEntity, "", wrongOldPassword)
		return
	}
	password := r.PostFormValue("password")
	problem = CheckPassword(name, password)
	switch {
	case problem == "" && password != r.PostFormValue("again"):
		problem = "The two passwords are not the same."
	case problem == "" && password == r.PostFormValue("old"):
		problem = "The new password is the old one."
	}
	if problem != "" {
		g.showAccount(w, r, http.StatusUnprocessableEntity, "", problem)
		return
	}
	// Read after it was checked, which may have hashed it anew.
	u, err := g.store.User(r.Context(), name)
	hash := ""
	if err == nil {
		hash, err = g.hasher.hash(r.Context(), password)
	}
	if errors.Is(err, ErrBusy) {
		g.showAccount(w, r, http.StatusServiceUnavailable, "", tooBusy)
		return
	}
	if err == nil {
		_, err = g.store.SetPassword(r.Context(), name, u.Password, hash, s.ID, By{Name: name, Reason: "by the user", Remote: RemoteOf(r)})
	}
	if errors.Is(err, ErrNotFound) {
		g.showAccount(w, r, http.StatusConflict, "", wrongOldPassword)
		return
	}
	if err != nil {
		g.trouble(w, r, err)
		return
	}
	g.log.InfoContext(r.Context(), "a password was changed by its user", slog.String("user", name), slog.String("remote", RemoteOf(r)))
	http.Redirect(w, r, "/account?done=password", http.StatusSeeOther)
}
