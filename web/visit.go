package web

import (
	"net/http"
	"time"

	"github.com/candor-gateway/candor/people"
)

// visit is what a request brings with it besides its question: who asks, and how they want pages to be.
type visit struct {
	Person people.Person
	// Token that its forms carry.
	Token string
	// NoLogin: the person proved nothing.
	NoLogin bool
	// Theme is light or dark; empty: as the system has it.
	Theme string
	// KeysOff: single-character keys do nothing (WCAG 2.1.4).
	KeysOff bool
	// Zone is the browser's, by its script; UTC without.
	Zone *time.Location
	Now  time.Time
}

// The cookies of a person's own settings: they hold nothing that is secret, and nothing hangs on them.
const (
	themeCookie = "candor_theme"
	keysCookie  = "candor_keys"
	zoneCookie  = "candor_zone"
)

const (
	themeLight = "light"
	themeDark  = "dark"
	keysOff    = "off"
)

func (s *Server) visitOf(r *http.Request) *visit {
	v := &visit{Token: s.gate.CSRF(r), NoLogin: s.gate.Anonymous(), Zone: time.UTC, Now: time.Now()}
	v.Person, _, _ = s.gate.Person(r)
	if t := cookie(r, themeCookie); t == themeLight || t == themeDark {
		v.Theme = t
	}
	v.KeysOff = cookie(r, keysCookie) == keysOff
	if zone, err := time.LoadLocation(cookie(r, zoneCookie)); err == nil {
		v.Zone = zone
	}
	v.Now = v.Now.In(v.Zone)
	return v
}

func cookie(r *http.Request, name string) string {
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

// saveSettings remembers theme and keys for a year.
func (s *Server) saveSettings(w http.ResponseWriter, r *http.Request, _ *visit) error {
	set := func(name, value string) {
		const year = 365 * 24 * time.Hour
		c := &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: int(year.Seconds()), HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode}
		if value == "" {
			c.MaxAge = -1
		}
		http.SetCookie(w, c)
	}
	theme, keys := r.PostFormValue("theme"), keysOff
	if theme != themeLight && theme != themeDark {
		theme = ""
	}
	if r.PostFormValue("keys") == "on" {
		keys = ""
	}
	set(themeCookie, theme)
	set(keysCookie, keys)
	http.Redirect(w, r, localPath(r.PostFormValue("back")), http.StatusSeeOther)
	return nil
}

// localPath is a path of these pages; anything else is the first page.
func localPath(p string) string {
	// Browsers read \ as /, and // begins another host.
	if len(p) == 0 || p[0] != '/' || len(p) > 1 && (p[1] == '/' || p[1] == '\\') {
		return "/"
	}
	return p
}
