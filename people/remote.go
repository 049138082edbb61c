package people

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// RemoteOf is the address that a request came from, without its port: behind the Gate, that of a trusted proxy's client.
func RemoteOf(r *http.Request) string { return hostOf(r.RemoteAddr) }

// ParseProxies reads listen.trusted_proxies: networks such as 10.0.0.0/8, or single addresses.
func ParseProxies(texts []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for i, text := range texts {
		p, err := netip.ParsePrefix(text)
		if addr, aerr := netip.ParseAddr(text); err != nil && aerr == nil && addr.Zone() == "" {
			p, err = addr.Prefix(addr.BitLen())
		}
		if err != nil {
			return nil, fmt.Errorf("listen.trusted_proxies[%d]: %q is no network: write one such as 10.0.0.0/8", i, text)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// believed is the request as it came to the outermost trusted proxy. X-Forwarded-For is read from the right, where the proxy next to us
// has written whom it talked to; it is believed as long as that one is a trusted proxy, too. What a client wrote itself stands further
// left, and is never reached. Without a trusted proxy the request stays as it is.
func (g *Gate) believed(r *http.Request) *http.Request {
	peer, ok := parseAddr(hostOf(r.RemoteAddr))
	if !ok || !g.trusts(peer) {
		return r
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	client := peer
	for i := len(hops) - 1; i >= 0 && g.trusts(client); i-- {
		before, ok := parseAddr(hostOf(strings.TrimSpace(hops[i])))
		if !ok {
			break // A proxy that we trust wrote something that is no address: then it is its own word that counts, and no more.
		}
		client = before
	}
	out := r.WithContext(r.Context())
	out.RemoteAddr = net.JoinHostPort(client.String(), "0")
	return out
}

func (g *Gate) trusts(addr netip.Addr) bool {
	for _, p := range g.proxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

func parseAddr(text string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(text)
	return addr.Unmap().WithZone(""), err == nil
}
