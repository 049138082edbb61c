package gateway

import (
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// visits are arrivals of which no address may have more than so many connections open.
func visits(most int) *arrivals {
	return &arrivals{most: func() int { return most }, refused: func(string) {}}
}

// visit is a connection of an address, or why there is none.
func visit(a *arrivals, host string) (*arrival, string) {
	theirs, ours := net.Pipe()
	_ = theirs.Close()
	if why := a.enter(host, time.Now()); why != "" {
		_ = ours.Close()
		return nil, why
	}
	return &arrival{Conn: ours, at: a, host: host}, ""
}

// useful is one that has had a call.
func useful(t *testing.T, a *arrivals, host string) *arrival {
	t.Helper()
	c, why := visit(a, host)
	if why != "" {
		t.Fatalf("turned away: %s", why)
	}
	c.hasBegun()
	c.called.Store(true)
	return c
}

// An address has so many connections open, and another one as many; one that is closed, however often, makes room for one.
func TestArrivalsAreBounded(t *testing.T) {
	a := visits(2)
	first := useful(t, a, "192.0.2.1")
	useful(t, a, "192.0.2.1")
	if _, why := visit(a, "192.0.2.1"); why != tooManyOpen {
		t.Errorf("a third is refused as %q", why)
	}
	useful(t, a, "192.0.2.2")
	_ = first.Close()
	_ = first.Close()
	useful(t, a, "192.0.2.1")
	if _, why := visit(a, "192.0.2.1"); why != tooManyOpen {
		t.Errorf("a third of those there are is refused as %q", why)
	}
	any := visits(0)
	for range 5000 {
		useful(t, any, "192.0.2.1")
	}
}

// Connections that are beginning are bounded by themselves: each may take as long as a handshake may.
func TestArrivalsThatBegin(t *testing.T) {
	a := visits(0)
	var beginning []*arrival
	for range beginningMost {
		c, why := visit(a, "192.0.2.1")
		if why != "" {
			t.Fatal(why)
		}
		beginning = append(beginning, c)
	}
	if _, why := visit(a, "192.0.2.1"); why != tooManyBeginning {
		t.Errorf("one more is refused as %q", why)
	}
	useful(t, a, "192.0.2.2")
	beginning[0].hasBegun()
	useful(t, a, "192.0.2.1")
	_ = beginning[1].Close() // without an end of its handshake
	useful(t, a, "192.0.2.1")
}

// An address whose connections come to nothing is turned away beyond a burst, and lets its other connections through at its pace; one whose
// connections had calls may have any number.
func TestArrivalsThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := visits(1000)
		fail := func() string {
			c, why := visit(a, "192.0.2.1")
			if why == "" {
				_ = c.Close()
			}
			return why
		}
		burst := 0
		for fail() == "" {
			burst++
		}
		if burst != failedBurst+1 || fail() != tooManyFailed {
			t.Errorf("%d in a burst, then %q", burst, fail())
		}
		useful(t, a, "192.0.2.2")
		const seconds = 10
		through := 0
		for range seconds * 1000 {
			time.Sleep(time.Millisecond)
			if fail() == "" {
				through++
			}
		}
		if through != seconds*failedPerSecond {
			t.Errorf("%d of %d a second in %d seconds", through, failedPerSecond, seconds)
		}
		time.Sleep(time.Minute)
		for range 10 * failedBurst {
			_ = useful(t, a, "192.0.2.1").Close()
		}
	})
}

// What is remembered of addresses that nothing is left of is bounded.
func TestArrivalsForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := visits(1)
		stays := useful(t, a, "stays")
		for i := range 20 * visitorsKept {
			c, _ := visit(a, fmt.Sprint(i))
			_ = c.Close()
			time.Sleep(time.Millisecond)
		}
		if n := len(a.from); n > 2*visitorsKept {
			t.Errorf("%d addresses are remembered", n)
		}
		if _, why := visit(a, "stays"); why != tooManyOpen {
			t.Errorf("a second is refused as %q", why)
		}
		_ = stays.Close()
	})
}

// Who computes in a handshake has a turn, which is somebody else's while it waits for the other side.
func TestHandshakesTakeTurns(t *testing.T) {
	a, turns := visits(0), make(chan struct{}, 1)
	theirs, ours := net.Pipe()
	one := &arrival{Conn: ours, at: a, host: "1"}
	one.begins(turns)
	var all sync.WaitGroup
	all.Go(func() {
		if _, err := io.ReadFull(one, make([]byte, 1)); err != nil {
			t.Error(err)
		}
	})
	other := &arrival{at: a, host: "2"}
	other.begins(turns) // while the first reads
	other.computed()
	if _, err := theirs.Write([]byte{1}); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	select {
	case turns <- struct{}{}:
		t.Error("the first has no turn after it has read")
	default:
	}
	one.computed()
	one.computed()
	turns <- struct{}{}
	_, _ = theirs.Close(), ours.Close()
}

// On a socket: who is turned away hears at once, and the others are heard.
func TestArrivalsOnASocket(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var refused []string
	a := &arrivals{Listener: lis, most: func() int { return 1 }, refused: func(why string) { refused = append(refused, why) }}
	over := make(chan struct{})
	go func() {
		defer close(over)
		for {
			c, err := a.Accept()
			if err != nil {
				return
			}
			defer func() { _ = c.Close() }()
			_, _ = c.Write([]byte("!"))
		}
	}()
	heard := func() bool {
		c, err := net.Dial("tcp", lis.Addr().String())
		if err != nil {
			return false
		}
		t.Cleanup(func() { _ = c.Close() })
		_, err = io.ReadFull(c, make([]byte, 1))
		return err == nil
	}
	if !heard() || heard() {
		t.Error("the first was not heard, or the second was")
	}
	_ = lis.Close()
	<-over
	if fmt.Sprint(refused) != "[open]" {
		t.Errorf("refused: %v", refused)
	}
}

func TestNetwork(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.1:80": "192.0.2.1", "[::ffff:192.0.2.1]:80": "192.0.2.1", "[2001:db8:1:2:3:4:5:6]:80": "2001:db8:1:2::/64", "[fe80::1%eth0]:80": "fe80::/64", "@": "@",
	} {
		if got := network(written(addr)); got != want {
			t.Errorf("%s is of %s, want %s", addr, got, want)
		}
	}
}

// written is an address as it is written.
type written string

func (written) Network() string  { return "tcp" }
func (s written) String() string { return string(s) }
