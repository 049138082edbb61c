package soak

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// A process that a test needs beside the gateway is this test's binary, with its role and what that takes in the environment.
const (
	roleVariable = "CANDOR_SOAK_ROLE"
	rolePlain    = "plain"  // the model server's address
	roleAttack   = "attack" // the number of the attack, and whom to attack
	roleSink     = "sink"
	roleNuisance = "nuisance" // the number of the nuisance, to whom, and how often at least
)

// beSomething plays a role until the process is killed, or has done what it was made for.
func beSomething(role []string) (err error) {
	switch {
	case len(role) == 2 && role[0] == rolePlain:
		return bePlain(role[1])
	case len(role) == 1 && role[0] == roleSink:
		return beSink()
	case len(role) == 3 && role[0] == roleAttack:
		return beAttacker(role[1], role[2])
	case len(role) == 4 && role[0] == roleNuisance:
		return beNuisance(role[1], role[2], role[3])
	}
	return fmt.Errorf("there is no role %q", role)
}

// beAttacker attacks over four connections from the first line that it writes until its input ends, and then says how often it struck.
func beAttacker(number, addr string) error {
	n, err := strconv.Atoi(number)
	if err != nil {
		return err
	}
	if attacks[n].prepare != nil {
		attacks[n].prepare()
	}
	if _, err := fmt.Println("ready"); err != nil {
		return err
	}
	stop := make(chan struct{})
	var struck atomic.Int64
	var crowd sync.WaitGroup
	for range 4 {
		crowd.Go(func() { struck.Add(int64(attacks[n].run(addr, stop))) })
	}
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	close(stop)
	crowd.Wait()
	_, err = fmt.Println(struck.Load())
	return err
}

// played is a process in a role.
type played struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.Closer
	lines *bufio.Reader
}

// play starts one, under a command if there is one. It ends with the test.
func play(t *testing.T, under []string, role ...string) *played {
	t.Helper()
	words := append(under, os.Args[0])
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env = append(os.Environ(), roleVariable+"="+strings.Join(role, " "))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &played{t, cmd, in, bufio.NewReader(out)}
	t.Cleanup(p.end)
	return p
}

// says is its next line.
func (p *played) says() string {
	p.t.Helper()
	line, err := p.lines.ReadString('\n')
	if err != nil {
		p.t.Fatalf("%s: %v", p.cmd.Env[len(p.cmd.Env)-1], err)
	}
	return strings.TrimSpace(line)
}

// end ends it. It may have ended.
func (p *played) end() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
}

// startAttack begins an attack on an address. What is answered ends it and says how often it struck.
func startAttack(t *testing.T, number int, addr string) (stop func() int) {
	t.Helper()
	return strike(t, roleAttack, strconv.Itoa(number), addr)
}

// lowest is the command under which a process is of the lowest priority; nil where there is none.
func lowest() []string {
	if nice, err := exec.LookPath("nice"); err == nil {
		return []string{nice, "-n", "19"}
	}
	return nil
}

// strike begins what an attacker does, and answers what ends it and says how often that was. Attackers are elsewhere in life: here they get the
// processors that nobody else wants, where the system has a way to say so.
func strike(t *testing.T, role ...string) (stop func() int) {
	t.Helper()
	p := play(t, lowest(), role...)
	p.says()
	return func() int {
		_ = p.in.Close()
		struck, err := strconv.Atoi(p.says())
		if err != nil {
			t.Fatal(err)
		}
		p.end()
		return struck
	}
}
