package people

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
)

// serveOwn answers the paths of the login. Their unsafe requests carry a token, too.
func (g *Gate) serveOwn(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/logout" {
		// It has a session, or nothing to end.
		g.login.ServeHTTP(w, r)
		return
	}
	token, ok := g.formToken(w, r)
	if !ok {
		g.refuseForgery(w, r)
		return
	}
	g.login.ServeHTTP(w, withVisit(r, visit{forms: token}))
}

func (g *Gate) showLogin(w http.ResponseWriter, r *http.Request) {
	next := here(r.URL.Query().Get("next"))
	if key, _, ok := g.sessionCookie(r); ok {
		if _, err := g.store.Session(r.Context(), SumOf(key)); err == nil {
			http.Redirect(w, r, next, http.StatusSeeOther)
			return
		}
	}
	g.offerLogin(w, r, http.StatusOK, next, "", "")
}

func (g *Gate) offerLogin(w http.ResponseWriter, r *http.Request, status int, next, name, problem string) {
	g.pages.Login(w, r, LoginPage{
		Status: status, CSRF: g.CSRF(r), Next: next, Name: name, Problem: problem,
		Password: g.local, Passkeys: g.passkeys != nil, OIDC: g.provider != nil,
	})
}

// What people are told. Who guesses must not learn whether it was the name or the password.
const (
	wrongLogin   = "The name or the password is not right."
	tooMany      = "There were too many tries. Please wait a quarter of an hour, or ask an administrator."
	wrongPasskey = "The passkey is not known here, or was not confirmed."
	wrongCode    = "The code is not right, has expired, or was used before. An administrator can make another."
	tooBusy      = "Too many people are logging in at this moment. Please try again."
)

func (g *Gate) loginByPassword(w http.ResponseWriter, r *http.Request) {
	next := here(r.PostFormValue("next"))
	name, password := strings.ToLower(strings.TrimSpace(r.PostFormValue("name"))), r.PostFormValue("password")
	who, problem, err := g.checkPassword(r, name, password)
	switch {
	case errors.Is(err, ErrBusy):
		g.offerLogin(w, r, http.StatusServiceUnavailable, next, name, tooBusy)
		return
	case err != nil:
		g.trouble(w, r, err)
		return
	case problem == tooMany:
		g.offerLogin(w, r, http.StatusTooManyRequests, next, name, problem)
		return
	case problem != "":
		g.offerLogin(w, r, http.StatusUnauthorized, next, name, problem)
		return
	}
	g.enter(w, r, who, next)
}

// enter begins the session and sends the person on.
func (g *Gate) enter(w http.ResponseWriter, r *http.Request, who Person, next string) {
	err := g.begin(w, r, who)
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrRefused) {
		// Disabled in the meantime, or a namesake of somebody of the configuration.
		g.refused(r, who.Name, err.Error())
		g.offerLogin(w, r, http.StatusUnauthorized, next, "", wrongLogin)
		return
	}
	if err != nil {
		g.trouble(w, r, err)
		return
	}
	http.Redirect(w, r, next, http.StatusSeeOther)
}

// checkPassword answers whose name and password they are, or the problem to show. Who doesn't exist takes as long as who does.
func (g *Gate) checkPassword(r *http.Request, name, password string) (Person, string, error) {
	ctx, user, address := r.Context(), "user "+cut(name, maxSubject), addressKey(RemoteOf(r))
	may, err := g.throttle.take(ctx, address, failuresOfAddress)
	if err != nil {
		return Person{}, "", err
	}
	if !may {
		g.log.WarnContext(ctx, "login refused: too many failures from an address", slog.String("remote", RemoteOf(r)))
		return Person{}, tooMany, nil
	}
	if may, err = g.throttle.take(ctx, user, failuresOfUser); err != nil {
		return Person{}, "", err
	}
	if !may {
		g.throttle.giveBack(ctx, address)
		g.log.WarnContext(ctx, "login refused: too many failures of a user", slog.String("remote", RemoteOf(r)))
		return Person{}, tooMany, nil
	}
	u, err := g.store.User(ctx, name)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Person{}, "", err
	}
	known := err == nil
	if len(password) > maxForm || len([]rune(password)) > MaxPassword {
		password = "" // None is that long; hashing it would only cost time.
	}
	ok, cheap, err := g.hasher.verify(ctx, u.Password, password)
	switch {
	case err != nil:
		g.throttle.giveBack(ctx, address, user)
		return Person{}, "", err
	case !known:
		g.refused(r, "", "no such user")
		return Person{}, wrongLogin, nil
	case !ok && u.Password == "":
		g.refused(r, name, "the user has no password")
		return Person{}, wrongLogin, nil
	case !ok:
		g.refused(r, name, "wrong password")
		return Person{}, wrongLogin, nil
	case u.Disabled:
		g.refused(r, name, "the user is disabled")
		return Person{}, wrongLogin, nil
	}
	g.throttle.giveBack(ctx, address, user)
	if cheap {
		g.rehash(ctx, u, password)
	}
	return u.Person(MethodPassword), "", nil
}

// rehash replaces a hash that costs less than new ones. The login doesn't depend on it.
func (g *Gate) rehash(ctx context.Context, u User, password string) {
	hash, err := g.hasher.hash(ctx, password)
	if err == nil {
		err = g.store.Rehash(ctx, u.Name, u.Password, hash)
	}
	if err != nil {
		g.log.WarnContext(ctx, "a password could not be hashed anew", slog.String("user", u.Name), slog.Any("error", err))
	}
}

// maxSubject and maxReason bound what of a refusal is kept, in bytes.
const (
	maxSubject = 128
	maxReason  = 240
)

// refused records a login that failed. name is that of a user that there is, or empty: what people type by mistake where a name
// belongs is often their password.
func (g *Gate) refused(r *http.Request, name, reason string) {
	subject := "users/?"
	if name != "" {
		subject = "users/" + cut(name, maxSubject)
	}
	reason = cut(reason, maxReason)
	g.log.WarnContext(r.Context(), "login refused", slog.String("subject", subject), slog.String("reason", reason), slog.String("remote", RemoteOf(r)))
	may, err := g.throttle.take(r.Context(), "refusals recorded", refusalsRecorded)
	if err == nil && !may {
		return
	}
	if err == nil {
		err = g.store.Note(r.Context(), "session.refused", subject, By{Name: "gateway", Reason: reason, Remote: RemoteOf(r)})
	}
	if err != nil {
		g.log.ErrorContext(r.Context(), "a refused login could not be recorded", slog.Any("error", err))
	}
}

// logout ends this session or, where the form says everywhere, all of the person's. The form's next is where the next login leads.
func (g *Gate) logout(w http.ResponseWriter, r *http.Request) {
	key, forms, ok := g.sessionCookie(r)
	if ok {
		s, err := g.store.Session(r.Context(), SumOf(key))
		if err != nil && !errors.Is(err, ErrNotFound) {
			g.trouble(w, r, err)
			return
		}
		if err == nil {
			if SumOf(forms) != s.Forgery || !g.carries(w, r, forms) {
				g.refuseForgery(w, r)
				return
			}
			by := By{Name: s.Person.Name, Reason: "logged out", Remote: RemoteOf(r)}
			if r.PostFormValue("everywhere") != "" {
				_, _, err = g.store.EndSessions(r.Context(), s.Person.Name, false, by)
			} else {
				err = g.store.EndSession(r.Context(), s.ID, by)
			}
			if err != nil && !errors.Is(err, ErrNotFound) {
				g.trouble(w, r, err)
				return
			}
		}
	}
	g.clearCookie(w, sessionCookie)
	to := "/login"
	if next := here(r.PostFormValue("next")); next != "/" {
		to += "?" + url.Values{"next": {next}}.Encode()
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}
