package server

import (
	"net/http"
	"sync/atomic"

	"github.com/candor-gateway/candor/people"
)

// door is the gate of the configuration in force: a web.Gate. A request passes one gate from its beginning to its end.
type door struct{ gate atomic.Pointer[people.Gate] }

func (d *door) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { d.gate.Load().Handler(next).ServeHTTP(w, r) })
}

func (d *door) Person(r *http.Request) (people.Person, people.Session, bool) {
	return d.gate.Load().Person(r)
}

func (d *door) CSRF(r *http.Request) string { return d.gate.Load().CSRF(r) }

func (d *door) Anonymous() bool { return d.gate.Load().Anonymous() }
