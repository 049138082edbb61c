package people

import (
	"errors"
	"log/slog"
	"net/http"
)

// callback is where the provider sends browsers back to; it is registered there.
const callback = "/oidc/callback"

func (g *Gate) startOIDC(w http.ResponseWriter, r *http.Request) {
	to, a, err := g.provider.begin(r.Context(), g.origin()+callback, here(r.URL.Query().Get("next")))
	if err == nil {
		err = g.setAttempt(w, a)
	}
	if err != nil {
		g.providerTrouble(w, r, err)
		return
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

func (g *Gate) finishOIDC(w http.ResponseWriter, r *http.Request) {
	a, ok := g.attempt(r)
	// Whatever comes of it, it is good once.
	g.clearCookie(w, oidcCookie)
	q := r.URL.Query()
	if !ok || SumOf(q.Get("state")) != SumOf(a.State) {
		g.offerLogin(w, r, http.StatusBadRequest, "/", "", "The login took too long, or was begun in another browser. Please begin again.")
		return
	}
	if e := q.Get("error"); e != "" {
		g.refused(r, "", "the provider says "+e)
		g.offerLogin(w, r, http.StatusUnauthorized, a.Next, "", "The provider did not let you in.")
		return
	}
	may, err := g.throttle.take(r.Context(), addressKey(RemoteOf(r)), failuresOfAddress)
	if err != nil {
		g.trouble(w, r, err)
		return
	}
	if !may {
		g.offerLogin(w, r, http.StatusTooManyRequests, a.Next, "", tooMany)
		return
	}
	who, err := g.provider.finish(r.Context(), g.origin()+callback, q.Get("code"), a)
	if err == nil {
		err = free(r.Context(), g.store, g.taken, who.Name)
	}
	if errors.Is(err, ErrRefused) {
		g.refused(r, who.Name, err.Error())
		g.offerLogin(w, r, http.StatusForbidden, a.Next, "", "The provider knows you, but nothing here is for you. An administrator can see why in the decision log.")
		return
	}
	g.throttle.giveBack(r.Context(), addressKey(RemoteOf(r)))
	if err != nil {
		g.providerTrouble(w, r, err)
		return
	}
	g.enter(w, r, who, here(a.Next))
}

func (g *Gate) providerTrouble(w http.ResponseWriter, r *http.Request, err error) {
	if !errors.Is(err, ErrProvider) {
		g.trouble(w, r, err)
		return
	}
	g.log.WarnContext(r.Context(), "a login failed", slog.Any("error", err))
	g.offerLogin(w, r, http.StatusBadGateway, here(r.URL.Query().Get("next")), "", "The provider does not answer. Please try again in a moment.")
}
