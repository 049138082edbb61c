package config

import (
	"fmt"
	"net/url"
	"strings"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// store checks where a database is said to be. Whether it is there is for the store to find out.
func (c *checker) store() {
	at := top("store").field("postgres").field("url")
	from, ok := c.cfg.GetStore().GetPostgres().GetSource().(*candorv1.PostgresStore_Url)
	if !ok || from.Url == "" || c.lost(at) {
		return
	}
	const form = "write postgres://USER@HOST:PORT/DATABASE"
	u, err := url.Parse(from.Url)
	switch {
	case strings.Contains(from.Url, "$"):
		c.complain(at, "variables are not filled in", "put the whole URL into an environment variable, and its name into url_env")
	case err != nil:
		// The error would repeat the text, which may have a password.
		c.complain(at, "it is not a URL", form)
	case u.Scheme != "postgres" && u.Scheme != "postgresql":
		c.complain(at, fmt.Sprintf("%q is not the scheme of PostgreSQL", abridged(u.Scheme)), form)
	case hasPassword(u):
		c.complain(at, "everybody who may read this file has the password in it",
			"put the whole URL into an environment variable, and its name into url_env, or keep the password in ~/.pgpass")
	case strings.Trim(u.Path, "/") == "" && u.Query().Get("dbname") == "" && u.Query().Get("database") == "":
		c.complain(at, "names no database", form)
	}
}

func hasPassword(u *url.URL) bool {
	_, given := u.User.Password()
	return given || u.Query().Has("password")
}
