package soak

import (
	"fmt"
	"io"
	"net"
	"testing"
)

// beSink takes connections, and reads and forgets what comes, until the process is killed. The address is the first line that it writes. An
// attack on it costs what an attack costs the machine that the attacker shares with everybody, and nothing else.
func beSink() error {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if _, err := fmt.Println(lis.Addr()); err != nil {
		return err
	}
	for {
		conn, err := lis.Accept()
		if err != nil {
			return err
		}
		go func() {
			_, _ = io.Copy(io.Discard, conn)
			_ = conn.Close()
		}()
	}
}

// startSink starts one, of the lowest priority, and answers its address.
func startSink(t *testing.T) string {
	t.Helper()
	return play(t, lowest(), roleSink).says()
}
