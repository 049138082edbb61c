package people

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestBelieved(t *testing.T) {
	proxies, err := ParseProxies([]string{"10.0.0.0/8", "2001:db8::/32", "192.0.2.7"})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		peer, want string
		header     []string
		trusting   bool
	}{
		"no proxy is trusted":              {"10.0.0.1:99", "10.0.0.1", []string{"198.51.100.1"}, false},
		"a stranger's header":              {"203.0.113.9:99", "203.0.113.9", []string{"198.51.100.1"}, true},
		"a proxy's client":                 {"10.0.0.1:99", "198.51.100.1", []string{"198.51.100.1"}, true},
		"what the client wrote":            {"10.0.0.1:99", "198.51.100.1", []string{"127.0.0.1, 10.9.9.9, 198.51.100.1"}, true},
		"in a header of its own":           {"10.0.0.1:99", "198.51.100.1", []string{"127.0.0.1", "198.51.100.1"}, true},
		"two proxies":                      {"10.0.0.1:99", "198.51.100.1", []string{"127.0.0.1, 198.51.100.1, 10.0.0.2"}, true},
		"a client among the proxies":       {"10.0.0.1:99", "10.0.0.3", []string{"10.0.0.3"}, true},
		"a proxy without a header":         {"192.0.2.7:99", "192.0.2.7", nil, true},
		"a neighbour of a single address":  {"192.0.2.8:99", "192.0.2.8", []string{"198.51.100.1"}, true},
		"a word that is no address":        {"10.0.0.1:99", "10.0.0.1", []string{"198.51.100.1, unknown"}, true},
		"with a port":                      {"10.0.0.1:99", "198.51.100.1", []string{"198.51.100.1:4711"}, true},
		"IPv6, and IPv4 within it":         {"[2001:db8::1]:99", "198.51.100.1", []string{"::ffff:198.51.100.1"}, true},
		"a client by IPv6 behind IPv4":     {"10.0.0.1:99", "2001:dead::1", []string{"2001:dead::1"}, true},
		"a proxy that is IPv4 within IPv6": {"[::ffff:10.0.0.1]:99", "198.51.100.1", []string{"198.51.100.1"}, true},
	} {
		g := &Gate{}
		if c.trusting {
			g.proxies = proxies
		}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = c.peer
		r.Header["X-Forwarded-For"] = c.header
		if got := RemoteOf(g.believed(r)); got != c.want {
			t.Errorf("%s: it came from %s, want %s", name, got, c.want)
		}
	}
}

func TestParseProxiesRefuses(t *testing.T) {
	for _, text := range []string{"", "10.0.0.0/33", "example.com", "fe80::1%eth0", "10.0.0.1:80"} {
		if _, err := ParseProxies([]string{"10.0.0.0/8", text}); err == nil || !strings.Contains(err.Error(), "listen.trusted_proxies[1]") {
			t.Errorf("%q: error is %v, want one that names the field", text, err)
		}
	}
}
