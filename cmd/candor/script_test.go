package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/candor-gateway/candor/examples/digits"
	"github.com/candor-gateway/candor/examples/digits/modelserver"
	"github.com/candor-gateway/candor/store/postgres/pgtest"
)

// TestScripts runs the sessions in testdata/script. Beside candor itself they have
//
//	serve CONFIG     starts candor serve and waits until it listens; sets CANDOR_SERVER and HTTP
//	drain            interrupts it, and wants a clean end; not "stop", by which testscript itself ends a script as passed
//	play N [P=V...]  asks about the first N held-out digits, one prediction each, with these parameters; sets ACCEPTED, FALLBACK and DEFERRED to the
//	                 first prediction of each route, WITHHELD to the first
//	                 that a limit held back, SHED to the first that nobody could have judged in time, and ITEM to the deferred one's review item
//	field NAME PATH  sets a variable to a field of the JSON that the last command wrote, such as items.0.epoch
//	expand FILE      replaces $NAME in a file
//	status N ARGS    runs a program and wants that exit status
//	follow N ARGS    runs a program that doesn't end, until it has written so many lines, and interrupts it
//	heldout N FILE   writes the first N held-out digits as lines of inputs
//	moved STORE LOW HIGH ROUTE  wants that the changes in the JSON of the last command are the rows with a confidence of
//	                 the primary in [LOW,HIGH), all from ROUTE or all to it
//	tamper STORE     flips a bit in the seventh record of the decision log
func TestScripts(t *testing.T) {
	runScripts(t, "testdata/script", startModels(t), func() string { return "" })
}

// TestPostgresScripts does the same over a database, which is empty when a script begins: $DATABASE.
func TestPostgresScripts(t *testing.T) {
	pgtest.Skip(t)
	runScripts(t, "testdata/postgres", startModels(t), func() string { return pgtest.Database(t) })
}

func runScripts(t *testing.T, dir, models string, database func() string) {
	wantWhole(t, dir)
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("CANDOR_TOKEN", "")
			env.Setenv("CANDOR_SERVER", "")
			env.Setenv("NO_COLOR", "1")
			env.Setenv("MODELS", models)
			env.Setenv("DATABASE", database())
			env.Values[gatewayKey{}] = new(running)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serve": cmdServe, "drain": cmdDrain, "play": cmdPlay, "field": cmdField, "expand": cmdExpand, "status": cmdStatus,
			"tamper": cmdTamper, "follow": cmdFollow, "heldout": cmdHeldOut, "moved": cmdMoved,
		},
	})
}

// wantWhole fails when a script ends before its last line: testscript's stop and skip make it pass there, whatever follows, and go
// before commands of ours with the same name.
func wantWhole(t *testing.T, dir string) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no scripts (%v)", dir, err)
	}
	for _, file := range files {
		script, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(script.Comment), "\n") {
			if words := strings.Fields(line); len(words) > 0 && (words[0] == "stop" || words[0] == "skip") {
				t.Errorf("%s:%d: %s would end the script, and what follows wouldn't be tried", file, i+1, words[0])
			}
		}
	}
}

// startModels serves the digit models until the test ends, and answers where.
func startModels(t *testing.T) string {
	var loaded []*digits.Model
	for _, name := range digits.Names() {
		m, err := digits.LoadModel(name)
		if err != nil {
			t.Fatal(err)
		}
		loaded = append(loaded, m)
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := modelserver.New(loaded...)
	served := make(chan error, 1)
	go func() { served <- server.Serve(lis) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Errorf("model server: %v", err)
		}
	})
	return lis.Addr().String()
}

// running is a script's gateway; nil inside: none.
type running struct{ *process }

type gatewayKey struct{}

func gatewayOf(ts *testscript.TestScript) *running { return ts.Value(gatewayKey{}).(*running) }

func cmdServe(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: serve CONFIG")
	}
	p, err := startServe(ts.MkAbs(args[0]))
	ts.Check(err)
	gatewayOf(ts).process = p
	ts.Defer(p.kill)
	ts.Setenv("CANDOR_SERVER", p.grpc)
	ts.Setenv("HTTP", p.http)
}

func cmdDrain(ts *testscript.TestScript, neg bool, args []string) {
	p := gatewayOf(ts).process
	if neg || len(args) != 0 || p == nil {
		ts.Fatalf("usage: drain, after serve")
	}
	if err := p.interrupt(); err != nil {
		ts.Fatalf("candor serve: %v\n%s", err, p.log())
	}
}

func cmdExpand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: expand FILE")
	}
	text := os.Expand(ts.ReadFile(args[0]), ts.Getenv)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

func cmdField(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: field NAME PATH")
	}
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &v))
	for key := range strings.SplitSeq(args[1], ".") {
		switch at := v.(type) {
		case map[string]any:
			v = at[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i >= len(at) {
				ts.Fatalf("field %s: there is no %s", args[1], key)
			}
			v = at[i]
		}
	}
	if v == nil {
		ts.Fatalf("there is no field %s", args[1])
	}
	ts.Setenv(args[0], fmt.Sprint(v))
}

func cmdStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N PROGRAM ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	switch {
	case err == nil && want != 0:
		ts.Fatalf("status 0, not %d", want)
	case errors.As(err, &exit) && exit.ExitCode() != want:
		ts.Fatalf("status %d, not %d", exit.ExitCode(), want)
	case err != nil && exit == nil:
		ts.Fatalf("%v", err)
	}
}

func cmdFollow(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: follow N PROGRAM ARGS...")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[1], args[2:]...)
	cmd.Env = append(os.Environ(), "CANDOR_SERVER="+ts.Getenv("CANDOR_SERVER"), "CANDOR_TOKEN="+ts.Getenv("CANDOR_TOKEN"))
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	scanner := bufio.NewScanner(out)
	for i := 0; i < n && scanner.Scan(); i++ {
		fmt.Fprintln(ts.Stdout(), scanner.Text())
	}
	ts.Check(cmd.Process.Signal(os.Interrupt))
	_, err = io.Copy(io.Discard, out)
	ts.Check(err)
	ts.Check(cmd.Wait())
}

func cmdTamper(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: tamper STORE")
	}
	db, err := sql.Open("sqlite", ts.MkAbs(args[0]))
	ts.Check(err)
	defer db.Close()
	const seq = 7
	var data []byte
	if err := db.QueryRow(`SELECT data FROM log WHERE seq = ?`, seq).Scan(&data); err == nil {
		data[len(data)/2] ^= 1
		_, err = db.Exec(`UPDATE log SET data = ? WHERE seq = ?`, data, seq)
		ts.Check(err)
		return
	}
	// It lies in a run, each record behind its length and before its hash.
	var first, last, at int
	ts.Check(db.QueryRow(`SELECT first_seq, last_seq, records FROM log_runs WHERE first_seq <= ?1 AND last_seq >= ?1`, seq).Scan(&first, &last, &data))
	for ; ; first++ {
		size, n := binary.Uvarint(data[at:])
		if at += n; first == seq {
			data[at+int(size)/2] ^= 1
			break
		}
		at += int(size) + sha256.Size
	}
	_, err = db.Exec(`UPDATE log_runs SET records = ? WHERE last_seq = ?`, data, last)
	ts.Check(err)
}
