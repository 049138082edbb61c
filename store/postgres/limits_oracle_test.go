package postgres_test

import (
	"math/rand/v2"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/candor-gateway/candor/store/postgres/pgtest"
)

// oracleGateway is one such process.
type oracleGateway struct {
	cmd *osexec.Cmd
}

func startOracleGateway(t *testing.T, url, log string) *oracleGateway {
	t.Helper()
	cmd := osexec.Command(os.Args[0], "-test.run=^TestLimitOracle$")
	cmd.Env = append(os.Environ(), oracleURL+"="+url, oracleLog+"="+log)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &oracleGateway{cmd}
}

func (g *oracleGateway) kill() {
	_ = g.cmd.Process.Kill()
	_ = g.cmd.Wait()
}

// TestLimitOracle: eight gateways, each a process of its own, on one real PostgreSQL share a count, a sum and a ratio while they are
// killed, stopped and set going again, and cut off, and are told times of answers that are wrong by up to five minutes. Then every window of
// what each limit has released is counted.
func TestLimitOracle(t *testing.T) {
	if url := os.Getenv(oracleURL); url != "" {
		t.Fatal(beOracleGateway(url, os.Getenv(oracleLog)))
	}
	url := initialised(t)
	pgtest.Alone(t)
	length := 12 * time.Second
	if long() {
		length = 45 * time.Second
	}
	dir := t.TempDir()
	const gateways = 8
	var all [gateways]*oracleGateway
	var cuts [gateways]*cutter
	start := func(i int) {
		all[i] = startOracleGateway(t, cuts[i].url, filepath.Join(dir, strconv.Itoa(i)))
	}
	killAll := func() {
		for _, g := range all {
			_ = g.cmd.Process.Signal(syscall.SIGCONT)
			g.kill()
		}
	}
	for i := range all {
		cuts[i] = newCutter(t, url)
		start(i)
	}
	defer func() { killAll() }()
	var harm harms
	rnd := rand.New(rand.NewPCG(1, 2))
	enough := func() bool {
		for _, k := range oracleKinds() {
			if s := k.add(readOracleLogs(t, dir, k.def.Name)); !k.enough(&s, &harm) {
				return false
			}
		}
		return true
	}
	harmOne := func() {
		time.Sleep(time.Duration(rnd.Int64N(int64(200 * time.Millisecond))))
		i := rnd.IntN(gateways)
		switch rnd.IntN(4) {
		case 0:
			all[i].kill()
			start(i)
			harm.kills = append(harm.kills, machine())
		case 1, 2:
			if err := all[i].cmd.Process.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			pause := time.Duration(rnd.Int64N(int64(3 * oracleLease)))
			time.Sleep(pause)
			if err := all[i].cmd.Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			if harm.stops++; pause > oracleLease {
				harm.long = append(harm.long, machine())
			}
		case 3:
			cuts[i].cut()
			harm.cuts = append(harm.cuts, machine())
		}
	}
	// Beside other load eight processes get little done.
	for round := 0; ; round++ {
		for end := time.Now().Add(length); time.Now().Before(end); {
			harmOne()
		}
		killAll()
		for range all {
			harm.kills = append(harm.kills, machine())
		}
		if round == 3 || enough() {
			break
		}
		for i := range all {
			start(i)
		}
	}
	for _, k := range oracleKinds() {
		t.Run(k.def.Name, func(t *testing.T) { k.check(t, readOracleLogs(t, dir, k.def.Name), harm) })
	}
}
