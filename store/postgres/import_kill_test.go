package postgres_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	process "os/exec"
	"strings"
	"testing"

	"github.com/candor-gateway/candor/store/postgres"
	"github.com/candor-gateway/candor/store/postgres/pgtest"
	"github.com/candor-gateway/candor/store/sqlite"
	"github.com/candor-gateway/candor/store/storetest"
)

// moveChild names, for the child process, the file to move and the database.
const moveChild = "CANDOR_TEST_MOVE"

// TestMoveChild is the process that TestMoveKilled kills.
func TestMoveChild(t *testing.T) {
	path, url, ok := strings.Cut(os.Getenv(moveChild), " ")
	if !ok {
		t.Skip("TestMoveKilled runs it in a process of its own")
	}
	from, err := sqlite.OpenExport(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = postgres.Import(t.Context(), url, from.Export, func(arrived postgres.ImportedTable) {
		if arrived.Name == "log" {
			fmt.Println("half")
			_, _ = io.Copy(io.Discard, os.Stdin) // until the kill
		}
	})
	t.Errorf("the move went on: %v", err)
}

// A move that is killed leaves nothing that could pass for a store: neither Init nor Open takes it, and the move can be done again.
func TestMoveKilled(t *testing.T) {
	url, path := pgtest.Database(t), sqliteStore(t)
	ctx := t.Context()
	old := openSQLite(t, path)
	rec, items := storetest.Deferral(old.Now(), "q", 3)
	if err := old.Record(ctx, rec, items); err != nil {
		t.Fatal(err)
	}
	if err := old.Close(ctx); err != nil {
		t.Fatal(err)
	}

	child := process.CommandContext(ctx, os.Args[0], "-test.run=^TestMoveChild$")
	child.Env = append(os.Environ(), moveChild+"="+path+" "+url)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines, said := bufio.NewScanner(out), ""
	for said != "half" && lines.Scan() {
		said = lines.Text()
	}
	_ = child.Process.Kill()
	_ = child.Wait()
	if said != "half" {
		t.Fatalf("the child said %q before it was killed", said)
	}

	var refused *postgres.OpenError
	if err := postgres.Init(ctx, url, identity); !errors.Is(err, postgres.ErrMoving) || !errors.As(err, &refused) || !strings.Contains(refused.Remedy, "candor migrate --from") {
		t.Errorf("Init of what is half moved: %v, want %v with the remedy", err, postgres.ErrMoving)
	}
	if _, err := postgres.Open(ctx, url, identity, postgres.Options{}); !errors.Is(err, postgres.ErrMoving) {
		t.Errorf("Open of what is half moved: %v, want %v", err, postgres.ErrMoving)
	}
	if _, err := move(ctx, path, url); err != nil {
		t.Fatalf("the move is done again: %v", err)
	}
	s := open(t, url, postgres.Options{})
	if it, err := s.Get(ctx, items[2].ID); err != nil || it.Payload == nil {
		t.Errorf("an item of the old store: %v", err)
	}
}

// After a move that failed without a kill it is the same, until somebody who wants an empty store drops the schema.
func TestMoveFailed(t *testing.T) {
	url := pgtest.Database(t)
	broken := errors.New("no disk")
	from := func(context.Context, func(string, []string, int64, iter.Seq2[[]any, error]) error) error {
		return broken
	}
	if _, err := postgres.Import(t.Context(), url, from, nil); !errors.Is(err, broken) {
		t.Fatalf("the move: %v, want %v", err, broken)
	}
	if err := postgres.Init(t.Context(), url, identity); !errors.Is(err, postgres.ErrMoving) {
		t.Errorf("Init: %v, want %v", err, postgres.ErrMoving)
	}
	exec(t, connect(t, url), `DROP SCHEMA candor CASCADE`)
	if err := postgres.Init(t.Context(), url, identity); err != nil {
		t.Errorf("Init after the schema was dropped: %v", err)
	}
}
