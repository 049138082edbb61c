package webhook

import (
	"fmt"
	"net/netip"
	"syscall"
)

// RefusedError says that an address points inside and that nothing was sent there.
type RefusedError struct {
	Addr netip.Addr
	// Why is what kind of address it is.
	Why string
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("refused to connect to %s, %s; allow_private: true permits it", e.Addr, e.Why)
}

// Networks that a public receiver isn't in, by the IANA registries of special-purpose addresses. A cloud's metadata service is
// link-local.
var (
	inside4 = []network{
		{netip.MustParsePrefix("0.0.0.0/8"), "this network"},
		{netip.MustParsePrefix("10.0.0.0/8"), "a private address"},
		{netip.MustParsePrefix("100.64.0.0/10"), "a carrier's private address"},
		{netip.MustParsePrefix("127.0.0.0/8"), "a loopback address"},
		{netip.MustParsePrefix("169.254.0.0/16"), "a link-local address"},
		{netip.MustParsePrefix("172.16.0.0/12"), "a private address"},
		{netip.MustParsePrefix("192.0.0.0/24"), "a protocol's address"},
		{netip.MustParsePrefix("192.0.2.0/24"), "an address for documentation"},
		{netip.MustParsePrefix("192.88.99.0/24"), "a relay's address"},
		{netip.MustParsePrefix("192.168.0.0/16"), "a private address"},
		{netip.MustParsePrefix("198.18.0.0/15"), "an address for benchmarks"},
		{netip.MustParsePrefix("198.51.100.0/24"), "an address for documentation"},
		{netip.MustParsePrefix("203.0.113.0/24"), "an address for documentation"},
		{netip.MustParsePrefix("224.0.0.0/4"), "a multicast address"},
		{netip.MustParsePrefix("240.0.0.0/4"), "a reserved address"},
	}
	inside6 = []network{
		{netip.MustParsePrefix("::/128"), "the unspecified address"},
		{netip.MustParsePrefix("::1/128"), "a loopback address"},
		{netip.MustParsePrefix("fc00::/7"), "a private address"},
		{netip.MustParsePrefix("fe80::/10"), "a link-local address"},
		{netip.MustParsePrefix("ff00::/8"), "a multicast address"},
		{netip.MustParsePrefix("64:ff9b:1::/48"), "a local translation's address"},
		{netip.MustParsePrefix("2001::/32"), "a tunnel's address"},
		{netip.MustParsePrefix("2001:2::/48"), "an address for benchmarks"},
		{netip.MustParsePrefix("2001:10::/28"), "no address of a machine"},
		{netip.MustParsePrefix("2001:20::/28"), "no address of a machine"},
		{netip.MustParsePrefix("2001:db8::/32"), "an address for documentation"},
		{netip.MustParsePrefix("2002::/16"), "a tunnel's address"},
		{netip.MustParsePrefix("3fff::/20"), "an address for documentation"},
	}
	// global is all that is handed out of IPv6 so far.
	global = netip.MustParsePrefix("2000::/3")
	// translated has an IPv4 address in its last four bytes (RFC 6052): behind DNS64 it leads to any public receiver.
	translated = netip.MustParsePrefix("64:ff9b::/96")
)

type network struct {
	prefix netip.Prefix
	why    string
}

// Inside says what kind of address it is, if it is none that a public receiver can have; empty: it is public.
func Inside(a netip.Addr) string {
	if a.Zone() != "" {
		return "a link-local address"
	}
	a = a.Unmap()
	if translated.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	networks := inside4
	if a.Is6() {
		networks = inside6
	}
	for _, n := range networks {
		if n.prefix.Contains(a) {
			return n.why
		}
	}
	if !a.IsValid() || a.Is6() && !global.Contains(a) {
		return "no public address"
	}
	return ""
}

// refuseInside is a net.Dialer's Control: it sees the address that is about to be connected to, after names have been resolved, so
// that a name that resolves differently a moment later changes nothing.
func refuseInside(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("refused to connect to %q, which is no address: %w", address, err)
	}
	if why := Inside(to.Addr()); why != "" {
		return &RefusedError{to.Addr(), why}
	}
	return nil
}
