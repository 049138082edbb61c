package listening

import (
	"errors"
	"net"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Each fault of a real listener is told with its own remedy, and with no other's.
func TestRefused(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	cases := []struct {
		what, address, says string
		listen              func(string) (net.Listener, error)
	}{
		{"a port that is taken", taken.Addr().String(), "another program has the port", listen},
		{"a port that needs a privilege", "127.0.0.1:1", "CAP_NET_BIND_SERVICE", unprivileged},
		{"another machine's address", "192.0.2.1:0", "no such address", listen},
		{"no interface", "[fe80::1]:0", "needs its interface", listen},
		{"a name that nobody can have", "no..such..host:0", "the host's address can't be found", listen},
		{"a port that is none", "127.0.0.1:70000", "write host:port", listen},
		{"no port", "127.0.0.1", "write host:port", listen},
	}
	for _, c := range cases {
		t.Run(c.what, func(t *testing.T) {
			lis, err := c.listen(c.address)
			if err == nil {
				_ = lis.Close()
				t.Skip("this machine listens there all the same")
			}
			got := Refused("listen.grpc", err)
			if !errors.Is(got, err) || !strings.HasPrefix(got.Error(), "listen.grpc: "+err.Error()+"; ") {
				t.Errorf("%v doesn't say what is wrong: %v", got, err)
			}
			for _, other := range cases {
				if said := strings.Contains(got.Error(), other.says); said != (other.says == c.says) {
					t.Errorf("%v: says %q: %v", got, other.says, said)
				}
			}
		})
	}
}

func listen(address string) (net.Listener, error) { return net.Listen("tcp", address) }

// unprivileged listens as a program without privileges does, on a thread of its own that ends with it.
func unprivileged(address string) (lis net.Listener, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var caps [2]unix.CapUserData
		if err = unix.Capget(&head, &caps[0]); err != nil {
			return
		}
		caps[0].Effective &^= 1 << unix.CAP_NET_BIND_SERVICE
		if err = unix.Capset(&head, &caps[0]); err != nil {
			return
		}
		lis, err = net.Listen("tcp", address)
	}()
	<-done
	return lis, err
}
