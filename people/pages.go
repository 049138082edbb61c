package people

import (
	"bytes"
	"html/template"
	"net/http"
	"time"
)

// Pages show what the gate has to say. They write the status, and a form for each thing that can be done, with the token in the field
// FormField: see the fields of what they get. Safe for concurrent use.
type Pages interface {
	Login(w http.ResponseWriter, r *http.Request, p LoginPage)
	Enrol(w http.ResponseWriter, r *http.Request, p EnrolPage)
	Account(w http.ResponseWriter, r *http.Request, p AccountPage)
	Message(w http.ResponseWriter, r *http.Request, p MessagePage)
}

// LoginPage offers the ways to log in that there are.
type LoginPage struct {
	Status int
	CSRF   string
	// Next is the path that the person goes on to; forms carry it as the field next.
	Next string
	// Name that was typed before, and what was wrong; empty: nothing.
	Name, Problem string
	// Password: a form that posts name and password to /login, and a link to /enrol. Passkeys: a button for /login/passkey.js. OIDC: a
	// link to /oidc/start?next=...
	Password, Passkeys, OIDC bool
}

// EnrolPage is for somebody with an enrolment code.
type EnrolPage struct {
	Status int
	CSRF   string
	// Code that was typed; Name of its user, once it is known to be good. Without a name the page asks for the code, and posts it to
	// /enrol; with one, it also asks for password and again, or shows a button for /login/passkey.js where Passkeys says so.
	Code, Name string
	Passkeys   bool
	// Problem is what was wrong; empty: nothing.
	Problem string
	// MinPassword characters have passwords at least.
	MinPassword int
}

// AccountPage is for somebody who has logged in: what they log in by, and where they are logged in.
type AccountPage struct {
	Status int
	CSRF   string
	Person Person
	// Local: a user of the store. Others change password and passkeys at their provider, and have none of what follows.
	Local bool
	// HasPassword: a form that posts old, password and again to /account/password. Otherwise, where the login was Recent, one that
	// posts password and again to /account/password/add.
	HasPassword bool
	// Passkeys, the oldest first: each with a form that posts its ID as id to /account/passkey/remove.
	Passkeys []PasskeyFacts
	// CanAdd: a button for /login/passkey.js with data-passkey="account". Recent: the login was lately enough to change passkeys
	// and to add a password; otherwise the page says to log out and in again.
	CanAdd, Recent bool
	// Sessions are where the person is logged in, the newest first; Current is the id of this one.
	Sessions []Session
	Current  string
	// Done is what was done, Problem what was wrong; empty: nothing.
	Done, Problem string
	MinPassword   int
}

// PasskeyFacts are what a person can know a passkey by.
type PasskeyFacts struct {
	// ID in base64url, without padding.
	ID string
	// Label that its user gave it; empty: none.
	Label string
	// Added and Used last; zero: not known.
	Added, Used time.Time
	// Only: there is nothing else to log in by, so that it must stay.
	Only bool
}

// MessagePage says why something was not done.
type MessagePage struct {
	Status      int
	Title, Text string
}

// plainPages need nothing but a browser.
type plainPages struct{}

// plainPolicy lets nothing in but our own script.
const plainPolicy = "default-src 'none'; script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

var plain = template.Must(template.New("head").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{{.}} - Candor</title></head>
<body><main><h1>{{.}}</h1>
{{define "problem"}}<p role="alert" id="problem"{{if not .}} hidden{{end}}>{{.}}</p>{{end}}
{{define "login"}}{{template "head" "Log in"}}{{template "problem" .Problem}}
{{if .OIDC}}<p><a href="/oidc/start?next={{.Next}}">Log in with your organisation's account</a></p>{{end}}
{{if .Passkeys}}<p><button type="button" hidden data-passkey="login" data-csrf="{{.CSRF}}" data-next="{{.Next}}" data-problem="problem">Log in with a passkey</button></p>{{end}}
{{if .Password}}<form method="post" action="/login"><input type="hidden" name="csrf" value="{{.CSRF}}"><input type="hidden" name="next" value="{{.Next}}">
<p><label>Name <input name="name" value="{{.Name}}" autocomplete="username" autocapitalize="none" required></label></p>
<p><label>Password <input name="password" type="password" autocomplete="current-password" required></label></p>
<p><button>Log in</button></p></form>
<p><a href="/enrol">I have an enrolment code</a></p>{{end}}
{{if .Passkeys}}<script src="/login/passkey.js"></script>{{end}}</main></body></html>
{{end}}
{{define "enrol"}}{{template "head" "Enrol"}}{{template "problem" .Problem}}
{{if .Name}}<p>Your name here is <strong>{{.Name}}</strong>.</p>
{{if .Passkeys}}<p><button type="button" hidden data-passkey="enrol" data-csrf="{{.CSRF}}" data-code="{{.Code}}" data-problem="problem">Make a passkey</button></p>{{end}}
<form method="post" action="/enrol"><input type="hidden" name="csrf" value="{{.CSRF}}"><input type="hidden" name="code" value="{{.Code}}">
<input type="hidden" name="username" value="{{.Name}}" autocomplete="username">
<p><label>Password, of {{.MinPassword}} characters at least <input name="password" type="password" autocomplete="new-password" minlength="{{.MinPassword}}" required></label></p>
<p><label>The same again <input name="again" type="password" autocomplete="new-password" required></label></p>
<p><button>Set the password</button></p></form>
{{if .Passkeys}}<script src="/login/passkey.js"></script>{{end}}
{{else}}<form method="post" action="/enrol"><input type="hidden" name="csrf" value="{{.CSRF}}">
<p><label>Enrolment code <input name="code" value="{{.Code}}" autocomplete="one-time-code" required></label></p>
<p><button>Go on</button></p></form>{{end}}</main></body></html>
{{end}}
{{define "account"}}{{template "head" "Your account"}}{{template "problem" .Problem}}{{with .Done}}<p role="status">{{.}}</p>{{end}}
<p>You are <strong>{{.Person.Name}}</strong>.</p>
{{if .HasPassword}}<h2>Password</h2><form method="post" action="/account/password"><input type="hidden" name="csrf" value="{{.CSRF}}">
<p><label>Old password <input name="old" type="password" autocomplete="current-password" required></label></p>
<p><label>New password, of {{.MinPassword}} characters at least <input name="password" type="password" autocomplete="new-password" minlength="{{.MinPassword}}" required></label></p>
<p><label>The same again <input name="again" type="password" autocomplete="new-password" required></label></p>
<p><button>Change the password</button></p></form>
{{else if and .Local .Recent}}<h2>Password</h2><form method="post" action="/account/password/add"><input type="hidden" name="csrf" value="{{.CSRF}}">
<input type="hidden" name="username" value="{{.Person.Name}}" autocomplete="username">
<p><label>Password, of {{.MinPassword}} characters at least <input name="password" type="password" autocomplete="new-password" minlength="{{.MinPassword}}" required></label></p>
<p><label>The same again <input name="again" type="password" autocomplete="new-password" required></label></p>
<p><button>Add a password</button></p></form>{{end}}
{{if .Local}}<h2>Passkeys</h2>{{$p := .}}{{range .Passkeys}}<form method="post" action="/account/passkey/remove"><input type="hidden" name="csrf" value="{{$p.CSRF}}"><input type="hidden" name="id" value="{{.ID}}">
<p>{{or .Label "A passkey"}} {{if .Only}}(the only one){{else}}<button>Remove</button>{{end}}</p></form>{{end}}
{{if .CanAdd}}<p><label>Name of a new one <input id="label" maxlength="40"></label> <button type="button" hidden data-passkey="account" data-csrf="{{.CSRF}}" data-label="label" data-problem="problem">Add a passkey</button></p>
<script src="/login/passkey.js"></script>{{end}}{{end}}
<form method="post" action="/logout"><input type="hidden" name="csrf" value="{{.CSRF}}"><p><button>Log out</button></p></form></main></body></html>
{{end}}
{{define "message"}}{{template "head" .Title}}<p>{{.Text}}</p><p><a href="/">Go on</a></p></main></body></html>
{{end}}`))

func (plainPages) Login(w http.ResponseWriter, _ *http.Request, p LoginPage) {
	show(w, p.Status, "login", p)
}

func (plainPages) Enrol(w http.ResponseWriter, _ *http.Request, p EnrolPage) {
	show(w, p.Status, "enrol", p)
}

func (plainPages) Account(w http.ResponseWriter, _ *http.Request, p AccountPage) {
	show(w, p.Status, "account", p)
}

func (plainPages) Message(w http.ResponseWriter, _ *http.Request, p MessagePage) {
	show(w, p.Status, "message", p)
}

func show(w http.ResponseWriter, status int, name string, p any) {
	var page bytes.Buffer
	if err := plain.ExecuteTemplate(&page, name, p); err != nil {
		http.Error(w, "a defect of the gateway", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", plainPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes())
}
