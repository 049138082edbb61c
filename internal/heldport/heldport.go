// Package heldport finds ports for processes that can't say which one they were given.
//
// A port that was found free and let go may be anybody's before it is listened on, or between two lives of a server. One that is held is
// given to nobody who asks for any port, and to no outgoing connection; who names it can listen on it, as often as they like. Until they do,
// connections to it are refused.
package heldport

import (
	"net"
	"testing"
)

// Hold answers an address, host:port, of the loopback interface, and what lets go of it. Where the system can't hold a port, the address is
// merely free now. Servers must bind with SO_REUSEADDR, as nearly all do, and everything in Go. Safe for concurrent use.
func Hold() (address string, release func(), err error) {
	if address, release, err = hold(); err == nil {
		// It is worth something only if it can be listened on.
		lis, err := net.Listen("tcp", address)
		if err == nil {
			return address, release, lis.Close()
		}
		release()
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	return lis.Addr().String(), func() {}, lis.Close()
}

// For is Hold until the test ends.
func For(t testing.TB) string {
	t.Helper()
	address, release, err := Hold()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return address
}
