package web

import (
	"log/slog"
	"net/http"

	"github.com/candor-gateway/candor/people"
)

// The pages of a people.Gate: they stand in the same layout, and work without script but for passkeys.

// Login shows the ways to log in.
func (s *Server) Login(w http.ResponseWriter, r *http.Request, p people.LoginPage) {
	s.renderGate(w, r, view{Template: "login", Title: "Log in", Status: p.Status, Data: p})
}

// Enrol asks for an enrolment code, or for what somebody with a good one logs in by.
func (s *Server) Enrol(w http.ResponseWriter, r *http.Request, p people.EnrolPage) {
	s.renderGate(w, r, view{Template: "enrol", Title: "Enrol", Status: p.Status, Data: p})
}

// accountSection is no entry of the navigation: the page is in the menu.
const accountSection = "/account"

// Account shows what somebody who has logged in can change about that.
func (s *Server) Account(w http.ResponseWriter, r *http.Request, p people.AccountPage) {
	s.renderGate(w, r, view{Template: "account", Title: "Your account", Section: accountSection, Status: p.Status, Data: p})
}

// Message says why something was not done.
func (s *Server) Message(w http.ResponseWriter, r *http.Request, p people.MessagePage) {
	s.renderGate(w, r, view{Template: "problem", Title: p.Title, Status: p.Status, Data: problem{Title: p.Title, Detail: p.Text}})
}

func (s *Server) renderGate(w http.ResponseWriter, r *http.Request, p view) {
	if err := s.render(w, r, s.visitOf(r), p); err != nil {
		s.deps.Log.ErrorContext(r.Context(), "a page of the login failed", slog.Any("error", err))
		http.Error(w, p.Title, max(p.Status, http.StatusInternalServerError))
	}
}

var _ people.Pages = (*Server)(nil)
