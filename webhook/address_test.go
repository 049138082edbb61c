package webhook

import (
	"errors"
	"net/netip"
	"testing"
)

func TestInside(t *testing.T) {
	for text, inside := range map[string]bool{
		"127.0.0.1": true, "127.255.255.254": true, "10.0.0.1": true, "172.16.0.1": true, "172.31.255.255": true, "172.32.0.1": false,
		"192.168.1.1": true, "169.254.169.254": true, "100.64.0.1": true, "100.127.255.255": true, "100.128.0.1": false,
		"0.0.0.0": true, "0.1.2.3": true, "224.0.0.1": true, "239.1.1.1": true, "255.255.255.255": true, "240.0.0.1": true,
		"198.18.0.1": true, "198.19.255.255": true, "198.20.0.1": false, "192.0.2.1": true, "198.51.100.7": true, "203.0.113.9": true,
		"192.0.0.8": true, "8.8.8.8": false, "1.1.1.1": false, "9.255.255.255": false, "11.0.0.1": false, "192.169.0.1": false,
		"::": true, "::1": true, "fe80::1": true, "fe80::1%eth0": true, "fc00::1": true, "fd12:3456::1": true, "ff02::1": true, "fec0::1": true,
		"2001:db8::1": true, "3fff::1": true, "2002:7f00:1::": true, "2001::1": true, "2001:2::1": true, "2606:4700::1111": false, "2a00:1450::1": false,
		// IPv4 in the clothes of IPv6: mapped, compatible, translated.
		"::ffff:127.0.0.1": true, "::ffff:169.254.169.254": true, "::ffff:8.8.8.8": false, "::127.0.0.1": true,
		"64:ff9b::a00:1": true, "64:ff9b::7f00:1": true, "64:ff9b::808:808": false, "64:ff9b:1::808:808": true, "4000::1": true,
	} {
		if why := Inside(netip.MustParseAddr(text)); (why != "") != inside {
			t.Errorf("%s: %q", text, why)
		}
	}
	if Inside(netip.Addr{}) == "" {
		t.Error("no address is a public one")
	}
}

func TestControlRefuses(t *testing.T) {
	var refused *RefusedError
	if err := refuseInside("tcp", "[::ffff:10.1.2.3]:443", nil); !errors.As(err, &refused) || refused.Why != "a private address" {
		t.Errorf("%v", err)
	}
	if err := refuseInside("tcp", "8.8.8.8:443", nil); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "8.8.8.8", "host:443", "/run/socket"} {
		if err := refuseInside("unix", bad, nil); err == nil {
			t.Errorf("%q is dialled", bad)
		}
	}
}

// Whatever a resolver says, an IPv4 address is judged alike in all of its forms.
func FuzzInside(f *testing.F) {
	f.Add([]byte{127, 0, 0, 1})
	f.Add([]byte{8, 8, 8, 8})
	f.Fuzz(func(t *testing.T, b []byte) {
		a, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		why := Inside(a)
		if !a.Is4() {
			return
		}
		mapped := netip.AddrFrom16(a.As16())
		bytes := translated.Addr().As16()
		copy(bytes[12:], b)
		if Inside(mapped) != why || Inside(netip.AddrFrom16(bytes)) != why {
			t.Errorf("%v is %q, mapped %q, translated %q", a, why, Inside(mapped), Inside(netip.AddrFrom16(bytes)))
		}
	})
}
