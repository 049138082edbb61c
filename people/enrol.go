package people

import (
	"errors"
	"net/http"
)

func (g *Gate) showEnrol(w http.ResponseWriter, r *http.Request) {
	g.pages.Enrol(w, r, EnrolPage{Status: http.StatusOK, CSRF: g.CSRF(r)})
}

// enrol takes a code and, where there is one, the password that the code's user has chosen.
func (g *Gate) enrol(w http.ResponseWriter, r *http.Request) {
	typed := r.PostFormValue("code")
	show := func(status int, name, problem string) {
		g.pages.Enrol(w, r, EnrolPage{
			Status: status, CSRF: g.CSRF(r), Code: typed, Name: name, Passkeys: g.passkeys != nil, Problem: problem, MinPassword: MinPassword,
		})
	}
	code := SumOfCode(typed)
	u, ok := g.userOfCode(w, r, code, func(status int, problem string) { show(status, "", problem) })
	if !ok {
		return
	}
	password, chosen := r.PostFormValue("password"), r.PostForm.Has("password")
	if !chosen {
		show(http.StatusOK, u.Name, "")
		return
	}
	problem := CheckPassword(u.Name, password)
	if problem == "" && password != r.PostFormValue("again") {
		problem = "The two passwords are not the same."
	}
	if problem != "" {
		show(http.StatusUnprocessableEntity, u.Name, problem)
		return
	}
	hash, err := g.hasher.hash(r.Context(), password)
	if errors.Is(err, ErrBusy) {
		show(http.StatusServiceUnavailable, u.Name, tooBusy)
		return
	}
	if err == nil {
		_, err = g.store.Enrol(r.Context(), code, Credential{Password: hash}, By{Name: u.Name, Reason: MethodPassword, Remote: RemoteOf(r)})
	}
	if errors.Is(err, ErrNotFound) {
		show(http.StatusUnauthorized, "", wrongCode)
		return
	}
	if err != nil {
		g.trouble(w, r, err)
		return
	}
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

// userOfCode answers whose code it is; otherwise it has said why not. Whoever guesses codes is slowed down as who guesses passwords.
func (g *Gate) userOfCode(w http.ResponseWriter, r *http.Request, code Sum, say func(status int, problem string)) (User, bool) {
	address := addressKey(RemoteOf(r))
	may, err := g.throttle.take(r.Context(), address, failuresOfAddress)
	if err != nil {
		g.trouble(w, r, err)
		return User{}, false
	}
	if !may {
		say(http.StatusTooManyRequests, tooMany)
		return User{}, false
	}
	u, err := g.store.UserByCode(r.Context(), code)
	if errors.Is(err, ErrNotFound) {
		g.refused(r, "", "an enrolment code that is not good")
		say(http.StatusUnauthorized, wrongCode)
		return User{}, false
	}
	g.throttle.giveBack(r.Context(), address)
	if err != nil {
		g.trouble(w, r, err)
		return User{}, false
	}
	return u, true
}
