package config

import "testing"

func TestCheckStore(t *testing.T) {
	const url = "store.postgres.url: "
	for _, tc := range []struct {
		name, postgres string
		want           []string
	}{
		{"a database", "url: 'postgres://candor@db:5432/candor?sslmode=verify-full'", nil},
		{"by the other scheme", "url: 'postgresql://db/candor'", nil},
		{"on a socket", "url: 'postgres:///candor?host=/run/postgresql', max_connections: 4", nil},
		{"in the environment", "url_env: CANDOR_STORE_URL, max_connections: 1000", nil},
		{"nowhere", "max_connections: 8", []string{"store.postgres: nothing is chosen; add url or url_env"}},
		{"twice", "url: 'postgres://db/candor', url_env: X", []string{"store.postgres.url_env: "}},
		{"with a password", "url: 'postgres://candor:hunter2@db/candor'", []string{url + "everybody who may read this file"}},
		{"with a password elsewhere", "url: 'postgres://db/candor?password=x'", []string{url + "everybody who may read this file"}},
		{"with a variable", "url: 'postgres://candor:${PASSWORD}@db/candor'", []string{url + "variables are not filled in"}},
		{"another scheme", "url: 'mysql://db/candor'", []string{url + `"mysql" is not the scheme`}},
		{"words", "url: 'host=db dbname=candor'", []string{url + `"" is not the scheme`}},
		{"no URL", "url: 'postgres://db:x:y/%zz'", []string{url + "it is not a URL"}},
		{"no database", "url: 'postgres://candor@db'", []string{url + "names no database"}},
		{"a bad name", "url_env: 'MY-URL'", []string{"store.postgres.url_env: "}},
		{"too few connections", "url_env: X, max_connections: 3", []string{"store.postgres.max_connections: "}},
		{"too many connections", "url_env: X, max_connections: 1001", []string{"store.postgres.max_connections: "}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, faults := Parse("base.yaml", base(t, edit{"sqlite: {path: candor.db}", "postgres: {" + tc.postgres + "}"}))
			expect(t, faults, tc.want)
		})
	}
}
