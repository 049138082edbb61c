package web

import (
	"bytes"
	"log/slog"
	"net/http"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/people"
)

// view is a page that is to be rendered.
type view struct {
	// Template is the name of a file in templates, without .html, that defines "main".
	Template string
	// Title of the document, without the product's name.
	Title string
	// Section of the navigation that the page belongs to: the path of its link.
	Section string
	// Status; 0: 200.
	Status int
	// Data for the template, as .Data.
	Data any
}

// frame is what every template gets.
type frame struct {
	view
	*visit
	Nav []navLink
	// Path of the page, to come back to after settings.
	Path string
}

// navLink is an entry of the navigation.
type navLink struct {
	Href, Text string
	Current    bool
}

// sections are the navigation, in its order: what a person without one of the roles could not use is left out.
var sections = []struct {
	href, text string
	roles      []candorv1.Role
}{
	{"/work", "My work", []candorv1.Role{candorv1.Role_ROLE_REVIEWER}},
	{"/queue", "Queues", nil},
	{"/items", "Items", nil},
	{"/ops", "Operation", opsRoles},
}

func navOf(p people.Person, section string) []navLink {
	var nav []navLink
	for _, s := range sections {
		may := len(s.roles) == 0
		for _, role := range s.roles {
			may = may || p.Has(role)
		}
		if may {
			nav = append(nav, navLink{s.href, s.text, s.href == section})
		}
	}
	return nav
}

// render answers the page: the whole of it, or, where htmx asks, its title and its main part.
func (s *Server) render(w http.ResponseWriter, r *http.Request, v *visit, p view) error {
	f := frame{view: p, visit: v, Nav: navOf(v.Person, p.Section), Path: r.URL.RequestURI()}
	if r.Method != http.MethodGet {
		// The page of a refusal isn't at the address that was posted to.
		f.Path = p.Section
		w.Header().Set("HX-Push-Url", "false")
	}
	part := "layout"
	if r.Header.Get("HX-Request") == "true" && r.Header.Get("HX-History-Restore-Request") != "true" {
		part = "fragment"
	}
	// Into memory first: a template that fails must not leave half a page behind.
	var b bytes.Buffer
	if err := s.templates.execute(&b, p.Template, part, f); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Add("Vary", "HX-Request")
	w.WriteHeader(max(p.Status, http.StatusOK))
	if _, err := w.Write(b.Bytes()); err != nil {
		s.deps.Log.DebugContext(r.Context(), "a page was not read to its end", slog.Any("error", err))
	}
	return nil
}
