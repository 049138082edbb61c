package heldport

import (
	"errors"
	"net"
	"runtime"
	"syscall"
	"testing"
)

// A held port refuses connections, can be listened on again and again, and is nobody else's in between.
func TestHold(t *testing.T) {
	address := For(t)
	for range 3 {
		if _, err := net.Dial("tcp", address); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("a connection to %s before anybody listens: %v", address, err)
		}
		lis, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		served, err := lis.Accept()
		if err != nil {
			t.Fatal(err)
		}
		// The server's side hangs up first, and keeps the port for a while, as that of a process that was killed does.
		if err := errors.Join(served.Close(), conn.Close(), lis.Close()); err != nil {
			t.Error(err)
		}
	}
	if runtime.GOOS != "linux" {
		return // nobody holds it there
	}
	// More than there are ports to choose from, a few at a time.
	const asked, atOnce = 40000, 100
	var open [atOnce]net.Listener
	for i := range asked {
		lis, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if lis.Addr().String() == address {
			t.Fatal("a port that is held was given to somebody who asked for any")
		}
		if old := open[i%atOnce]; old != nil {
			_ = old.Close()
		}
		open[i%atOnce] = lis
	}
	for _, lis := range open {
		_ = lis.Close()
	}
}
