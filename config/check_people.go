package config

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// people checks the pages for people, and how they log in.
func (c *checker) people() {
	c.web()
	at, people := top("people"), c.cfg.GetPeople()
	if people == nil {
		return
	}
	if people.GetOidc() == nil && !people.GetLocal() && !c.lostWithin(at) {
		c.complain(at, "nobody can log in", "add oidc, or local: true for users that `candor users` makes")
	}
	if s := people.GetSessions(); s.GetIdle().AsDuration() > s.GetAbsolute().AsDuration() && !c.lostWithin(at.field("sessions")) {
		c.complain(at.field("sessions").field("idle"), fmt.Sprintf("is longer than absolute, %v", s.GetAbsolute().AsDuration()), "write less, or a longer absolute")
	}
	if people.GetOidc() != nil {
		c.oidc(at.field("oidc"), people.GetOidc())
	}
}

// web checks who can reach the pages, and under which name.
func (c *checker) web() {
	at, listen := top("listen").field("web"), c.cfg.GetListen()
	host, ok := c.address(at, listen.GetWeb(), true)
	c.publicURL(host, ok)
	if !ok {
		return
	}
	for _, other := range []struct{ name, address string }{{"grpc", listen.GetGrpc()}, {"http", listen.GetHttp()}} {
		if _, port, _ := net.SplitHostPort(listen.GetWeb()); listen.GetWeb() == other.address && port != "0" {
			c.complain(at, "is the address of "+other.name, "give it a port of its own")
		}
	}
	if c.lost(top("people")) || c.lostWithin(top("operators")) {
		return
	}
	open := ""
	for _, name := range names(c.cfg.GetOperators()) {
		if c.cfg.GetOperators()[name].GetIdentity().GetAnonymous() {
			open = name
		}
	}
	people := c.cfg.GetPeople() != nil
	switch {
	case !people && open == "":
		c.complain(at, "nobody could log in", "add people, or, on this machine alone, an operator with identity: {anonymous: true}")
	case !people && !isLoopback(host):
		c.complain(at, fmt.Sprintf("anybody who reaches %s would be operators.%s, without a login", listen.GetWeb(), open), "add people, or listen on 127.0.0.1")
	case !people:
		c.warn(at, fmt.Sprintf("has no login: whoever uses this machine is operators.%s", open), "add people where others use it too")
	case !isLoopback(host) && listen.GetTls() == nil && !listen.GetInsecure() && !c.lost(top("listen").field("tls")) && !c.lost(top("listen").field("insecure")):
		c.complain(at, "browsers on other machines would send passwords and cookies in plain text",
			"add tls, listen on 127.0.0.1, or write insecure: true if something in front of it encrypts")
	}
}

// publicURL checks what browsers call the pages. host is where they listen, when ok.
func (c *checker) publicURL(host string, ok bool) {
	at, listen := top("listen").field("public_url"), c.cfg.GetListen()
	if listen.GetPublicUrl() == "" {
		if ok && c.cfg.GetPeople() != nil && (host == "" || net.ParseIP(host).IsUnspecified()) && !c.lost(at) {
			c.complain(top("listen").field("web"), "is every address of the machine, and browsers know none of them by that", "add public_url, such as https://review.example.com")
		} else if ok {
			c.passkeys(top("listen").field("web"), host)
		}
		return
	}
	if c.lost(at) {
		return
	}
	u, err := url.Parse(listen.GetPublicUrl())
	if err != nil || u.Scheme == "" {
		return // The rules of the field complain.
	}
	switch {
	case u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		c.complain(at, fmt.Sprintf("%q is no address of pages", abridged(listen.GetPublicUrl())), "write one such as https://review.example.com")
		return
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/":
		c.complain(at, "has more than a scheme, a host and a port", "write "+u.Scheme+"://"+u.Host)
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		c.complain(at, "browsers would send passwords and cookies in plain text", "write https, and see that tls here or something in front of it encrypts")
	case u.Scheme == "http" && listen.GetTls() != nil:
		c.complain(at, "the pages are served by https, because listen has tls", "write https")
	}
	if listen.GetWeb() == "" && !c.lost(top("listen").field("web")) {
		c.warn(at, "has no effect without web", "add web, or take it out")
	}
	c.passkeys(at, u.Hostname())
}

// passkeys warns where browsers make none.
func (c *checker) passkeys(at path, host string) {
	if c.cfg.GetPeople().GetLocal() && net.ParseIP(host) != nil {
		c.warn(at, "browsers make no passkeys for an IP address, so that users have passwords only", "write public_url with a domain, or localhost")
	}
}

func (c *checker) oidc(at path, o *candorv1.OIDC) {
	if u, err := url.Parse(o.GetIssuer()); err == nil && u.Host != "" && !c.lost(at.field("issuer")) {
		if u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())) {
			c.complain(at.field("issuer"), "anybody on the way could be the provider", "write https; http is for loopback only")
		}
	}
	if c.files && o.GetClientSecretFile() != "" {
		c.readable(at.field("client_secret_file"), o.GetClientSecretFile())
	}
	if o.GetAudience() != "" && o.GetAudience() == o.GetClientId() {
		c.warn(at.field("audience"), "is client_id: tokens that the pages get would be good for gRPC, too", "have the provider make tokens for an audience of its own")
	}
	c.repeated("the group", len(o.GetGrants()),
		func(i int) string { return o.GetGrants()[i].GetGroup() },
		func(i int) path { return at.field("grants").item(i).field("group") })
	for i, grant := range o.GetGrants() {
		here := at.field("grants").item(i)
		for j, queue := range grant.GetQueues() {
			refer(c, here.field("queues").item(j), "queue", queue, "queues", c.cfg.GetQueues())
		}
		if grant.GetGroup() == "*" && slices.Contains(grant.GetRoles(), candorv1.Role_ROLE_ADMIN) {
			c.warn(here.field("roles"), "everybody whom the provider lets in may administer", "name a group")
		}
	}
	if scopes := o.GetScopes(); slices.Contains(scopes, "openid") {
		c.warn(at.field("scopes"), "openid is always asked for", "take it out")
	} else if o.GetNameClaim() == "email" && !slices.Contains(scopes, "email") && !c.lostWithin(at.field("scopes")) {
		c.warn(at.field("scopes"), "without email most providers don't say the address, which is the name", "add email, or another name_claim")
	}
	for i, scope := range o.GetScopes() {
		if scope == "" || strings.ContainsAny(scope, " \"\\") {
			c.complain(at.field("scopes").item(i), fmt.Sprintf("%q is no scope", abridged(scope)), "write one word")
		}
	}
}
