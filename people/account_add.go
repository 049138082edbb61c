package people

import (
	"errors"
	"log/slog"
	"net/http"
)

const (
	logInToAdd    = "It is a while since you logged in. Log out and in again, then add a password."
	passwordKnown = "You have a password already. Load the page again to change it."
	addedSince    = "A password was added meanwhile, or you were logged out. Load the page again."
)

// addPassword is for whoever logs in by passkeys alone. There is no old password to ask for: the proof is a login by one of the passkeys
// a short while ago, as for another passkey.
func (g *Gate) addPassword(w http.ResponseWriter, r *http.Request) {
	u, s, ok := g.own(w, r)
	if !ok {
		return
	}
	password := r.PostFormValue("password")
	status, problem := http.StatusUnprocessableEntity, CheckPassword(u.Name, password)
	switch {
	case u.Password != "":
		status, problem = http.StatusConflict, passwordKnown
	case !g.recent(s):
		status, problem = http.StatusForbidden, logInToAdd
	case problem == "" && password != r.PostFormValue("again"):
		problem = "The two passwords are not the same."
	}
	if problem != "" {
		g.showAccount(w, r, status, "", problem)
		return
	}
	hash, err := g.hasher.hash(r.Context(), password)
	if err == nil {
		_, err = g.store.AddPassword(r.Context(), u.Name, hash, s.ID, By{Name: u.Name, Reason: "by the user", Remote: RemoteOf(r)})
	}
	switch {
	case errors.Is(err, ErrBusy):
		g.showAccount(w, r, http.StatusServiceUnavailable, "", tooBusy)
	case errors.Is(err, ErrNotFound):
		g.showAccount(w, r, http.StatusConflict, "", addedSince)
	case err != nil:
		g.trouble(w, r, err)
	default:
		g.log.InfoContext(r.Context(), "a password was added by its user", slog.String("user", u.Name), slog.String("remote", RemoteOf(r)))
		http.Redirect(w, r, "/account?done=password-added", http.StatusSeeOther)
	}
}
