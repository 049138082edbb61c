package config

import "testing"

func TestCheckPeople(t *testing.T) {
	listen := func(more string) edit { return edit{`"127.0.0.1:0"`, `"127.0.0.1:0", ` + more} }
	people := func(text string) edit { return edit{"backends:\n", "people: " + text + "\nbackends:\n"} }
	oidc := func(more string) edit {
		return people(`{oidc: {issuer: "https://login.example.com", client_id: candor, grants: [{group: a, roles: [reviewer]}]` + more + `}}`)
	}
	open := edit{"{token_sha256: 0000000000000000000000000000000000000000000000000000000000000001}", "{anonymous: true}"}
	const web = `web: "127.0.0.1:8502", public_url: "http://localhost:8502"`
	for _, tc := range []struct {
		name  string
		edits []edit
		want  []string
	}{
		{"local users", []edit{listen(web), people("{local: true}")}, nil},
		{"a provider", []edit{listen(web), oidc("")}, nil},
		{"people without pages", []edit{people("{local: true}")}, nil},
		{"nobody can log in", []edit{listen(web), people("{sessions: {idle: 1h}}")}, []string{"people: nobody can log in"}},
		{"pages for nobody", []edit{listen(web)}, []string{"listen.web: nobody could log in; add people"}},
		{"pages without a login", []edit{listen(`web: "127.0.0.1:8502"`), open}, []string{"warning: listen.web: has no login: whoever uses this machine is operators.ana"}},
		{"pages without a login for everybody", []edit{listen(`web: "0.0.0.0:8502", insecure: true`), open},
			[]string{"listen.web: anybody who reaches 0.0.0.0:8502 would be operators.ana, without a login"}},
		{"pages without a login by a name", []edit{listen(`web: "review:8502"`), open}, []string{"listen.web: anybody who reaches review:8502 would be"}},
		{"plain text for everybody", []edit{listen(`web: "0.0.0.0:8502", public_url: "https://review.example.com"`), people("{local: true}")},
			[]string{"listen.web: browsers on other machines would send passwords"}},
		{"plain text behind a proxy", []edit{listen(`web: "0.0.0.0:8502", insecure: true, public_url: "https://review.example.com"`), people("{local: true}")}, nil},
		{"proxies", []edit{listen(web + `, trusted_proxies: [10.0.0.0/8, 192.0.2.7, "2001:db8::/32"]`), people("{local: true}")}, nil},
		{"a proxy by name", []edit{listen(web + `, trusted_proxies: [10.0.0.0/8, proxy]`), people("{local: true}")},
			[]string{`listen.trusted_proxies[1]: "proxy" is no network; write one such as 10.0.0.0/8`}},
		{"everybody is a proxy", []edit{listen(web + `, trusted_proxies: ["::/0"]`), people("{local: true}")},
			[]string{"listen.trusted_proxies[0]: is every address"}},
		{"proxies of nothing", []edit{listen("trusted_proxies: [10.0.0.0/8]"), people("{local: true}")},
			[]string{"warning: listen.trusted_proxies: has no effect without web"}},
		{"plain text by name", []edit{listen(`web: "0.0.0.0:8502", insecure: true, public_url: "http://review.example.com"`), people("{local: true}")},
			[]string{"listen.public_url: browsers would send passwords and cookies in plain text; write https"}},
		{"every address", []edit{listen(`web: ":8502", insecure: true`), people("{local: true}")}, []string{"listen.web: is every address of the machine"}},
		{"passkeys of an address", []edit{listen(`web: "127.0.0.1:8502"`), people("{local: true}")}, []string{"warning: listen.web: browsers make no passkeys for an IP address"}},
		{"passkeys of a public address", []edit{listen(`web: "127.0.0.1:8502", public_url: "https://192.0.2.1"`), people("{local: true}")},
			[]string{"warning: listen.public_url: browsers make no passkeys"}},
		{"http beside tls", []edit{listen(web + ", tls: {cert_file: c, key_file: k}"), people("{local: true}")}, []string{"listen.public_url: the pages are served by https"}},
		{"a path", []edit{listen(`web: "127.0.0.1:8502", public_url: "https://example.com/review?x=1"`), people("{local: true}")},
			[]string{"listen.public_url: has more than a scheme, a host and a port; write https://example.com"}},
		{"no scheme for pages", []edit{listen(`web: "127.0.0.1:8502", public_url: "ftp://example.com"`), people("{local: true}")}, []string{`listen.public_url: "ftp://example.com" is no address`}},
		{"no URL", []edit{listen(`web: "127.0.0.1:8502", public_url: "example"`), people("{local: true}")}, []string{`listen.public_url: "example" is not a URL`}},
		{"a name for nothing", []edit{listen(`public_url: "https://review.example.com"`), people("{local: true}")}, []string{"warning: listen.public_url: has no effect without web"}},
		{"no port", []edit{listen(`web: localhost`), people("{local: true}")}, []string{`listen.web: "localhost" is not host:port`}},
		{"one port for two", []edit{{`"127.0.0.1:0"`, `"127.0.0.1:80", web: "127.0.0.1:80", public_url: "https://review.example.com"`}, people("{local: true}")}, []string{"listen.web: is the address of grpc"}},
		{"idle above absolute", []edit{people("{local: true, sessions: {idle: 13h}}")}, []string{"people.sessions.idle: is longer than absolute, 12h0m0s"}},
		{"idle of nothing", []edit{people("{local: true, sessions: {idle: 0s}}")}, []string{"people.sessions.idle: is out of range"}},

		{"issuer in plain text", []edit{people(`{oidc: {issuer: "http://login.example.com", client_id: candor, grants: [{group: a, roles: [reviewer]}]}}`)},
			[]string{"people.oidc.issuer: anybody on the way could be the provider"}},
		{"issuer on this machine", []edit{people(`{oidc: {issuer: "http://localhost:5556/dex", client_id: candor, grants: [{group: a, roles: [reviewer]}]}}`)}, nil},
		{"no grants", []edit{people(`{oidc: {issuer: "https://login.example.com", client_id: candor}}`)}, []string{"people.oidc.grants: is missing"}},
		{"a group twice", []edit{people(`{oidc: {issuer: "https://login.example.com", client_id: candor, grants: [{group: a, roles: [reviewer]}, {group: a, roles: [auditor]}]}}`)},
			[]string{`people.oidc.grants[1].group: the group "a" is already given at [0]`}},
		{"no such queue", []edit{people(`{oidc: {issuer: "https://login.example.com", client_id: candor, grants: [{group: a, roles: [reviewer], queues: [dsek]}]}}`)},
			[]string{`people.oidc.grants[0].queues[0]: there is no queue "dsek"`}},
		{"everybody administers", []edit{people(`{oidc: {issuer: "https://login.example.com", client_id: candor, grants: [{group: "*", roles: [admin]}]}}`)},
			[]string{"warning: people.oidc.grants[0].roles: everybody whom the provider lets in"}},
		{"no email", []edit{oidc(", scopes: [profile]")}, []string{"warning: people.oidc.scopes: without email"}},
		{"another name", []edit{oidc(", scopes: [profile], name_claim: preferred_username")}, nil},
		{"openid", []edit{oidc(", scopes: [openid, email]")}, []string{"warning: people.oidc.scopes: openid is always asked for"}},
		{"two scopes in one", []edit{oidc(`, scopes: ["email profile", email]`)}, []string{`people.oidc.scopes[0]: "email profile" is no scope`}},
		{"one audience", []edit{oidc(", audience: candor")}, []string{"warning: people.oidc.audience: is client_id"}},

		{"new roles", []edit{{"roles: [reviewer, operator]", "roles: [senior, admin]"}}, nil},
		{"a senior reviews", []edit{{"roles: [reviewer, operator]", "roles: [senior, operator]"}}, nil},
		{"a reviewer who may be a user", []edit{{"{reviewers: [ana]}", "{reviewers: [ana, sam]}"}, people("{local: true}")}, nil},
		{"a reviewer who is nobody", []edit{{"{reviewers: [ana]}", "{reviewers: [ana, sam]}"}}, []string{`queues.desk.reviewers[1]: there is no operator "sam"`}},
		{"staff that may be users", []edit{{"roles: [reviewer, operator]", "roles: [auditor]"}, {"{reviewers: [ana]}", "{}"}, people("{local: true}")}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, faults := Parse("base.yaml", base(t, tc.edits...))
			expect(t, faults, tc.want)
		})
	}
}
