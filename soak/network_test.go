package soak

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// network is a network namespace that is joined to ours by two pairs of virtual interfaces: one for callers and model servers, and one
// for the database, which can be taken down.
type network struct {
	t *testing.T
	// name of the namespace; callers is its own address for them; ours and database are our addresses on the two ways to it.
	name, callers, ours, database string
	// way to the database, on our side.
	way string
}

// newNetwork makes one until the test's end. Where the machine doesn't let us it skips, or fails when CANDOR_NETNS asks for it.
func newNetwork(t *testing.T) *network {
	t.Helper()
	id := os.Getpid() % 10_000
	// Addresses that are for tests of networks (RFC 2544).
	front, back := fmt.Sprintf("198.18.%d.", id%250), fmt.Sprintf("198.19.%d.", id%250)
	n := &network{t: t, name: fmt.Sprintf("soak%d", id), callers: front + "2", ours: front + "1", database: back + "1", way: fmt.Sprintf("soakdb%d", id)}
	if out, err := exec.Command("ip", "netns", "add", n.name).CombinedOutput(); err != nil {
		why := fmt.Sprintf("network namespaces can't be made here: ip netns add: %v: %s", err, out)
		if asked("CANDOR_NETNS") {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	t.Cleanup(func() { n.ip("netns", "delete", n.name) }) // and with it both pairs
	for _, pair := range [][4]string{
		{fmt.Sprintf("soakin%d", id), "callers", n.ours, n.callers},
		{n.way, "database", n.database, back + "2"},
	} {
		n.ip("link", "add", pair[0], "type", "veth", "peer", "name", pair[1], "netns", n.name)
		n.ip("address", "add", pair[2]+"/30", "dev", pair[0])
		n.ip("link", "set", pair[0], "up")
		n.ip("-n", n.name, "address", "add", pair[3]+"/30", "dev", pair[1])
		n.ip("-n", n.name, "link", "set", pair[1], "up")
	}
	n.ip("-n", n.name, "link", "set", "lo", "up")
	return n
}

func (n *network) ip(args ...string) {
	n.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		n.t.Errorf("ip %v: %v\n%s", args, err, out)
	}
}

// inside is the command that runs another one in the namespace.
func (n *network) inside() []string { return []string{"ip", "netns", "exec", n.name} }

// part takes the way to the database down: packets of both directions vanish, and nobody is told.
func (n *network) part() { n.t.Helper(); n.ip("link", "set", n.way, "down") }

// rejoin takes it up again.
func (n *network) rejoin() { n.t.Helper(); n.ip("link", "set", n.way, "up") }
