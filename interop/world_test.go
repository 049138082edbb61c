// Package interop_test holds the gateway against clients that others wrote and that know nothing of Candor: tritonclient,
// open-inference-grpc and grpcurl. Everything is real: the digit models on sockets, the gateway with the example's
// configuration, the clients as they are published.
//
// The tests need Python packages, which run.sh installs; without CANDOR_INTEROP=1 they are skipped.
package interop_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/candor-gateway/candor/config"
	"github.com/candor-gateway/candor/examples/digits"
	"github.com/candor-gateway/candor/examples/digits/modelserver"
	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/store/sqlite"
)

const (
	// storeIdentity is store.identity of the example.
	storeIdentity = "digits-demo"
	// operatorToken is omar's, whose hash is in the example.
	operatorToken = "omar-digits-demo"
	modelName     = "digits"

	typedThreshold = 0.97
)

// required answers an environment variable of run.sh. Without CANDOR_INTEROP=1 the test is skipped; with it, a variable that is
// missing is a failure.
func required(t *testing.T, name string) string {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		t.Fatalf("%s is not set; run interop/run.sh, which makes what it names", name)
	}
	return v
}

func needsInterop(t *testing.T) {
	t.Helper()
	if os.Getenv("CANDOR_INTEROP") != "1" {
		t.Skip("CANDOR_INTEROP=1 is not set: the clients are Python packages and a Go tool, which interop/run.sh installs before it runs these tests")
	}
}

// world is the example, running.
type world struct {
	cfg *candorv1.Config
	// gateway and primary are host:port.
	gateway, primary string
}

// nobody is an address that refuses connections.
const nobody = "127.0.0.1:1"

// start runs the three model servers, but for those that are named down, and the gateway until the test ends.
func start(t *testing.T, down ...string) *world {
	t.Helper()
	return startWith(t, func(*candorv1.Config) {}, down...)
}

// startWith is start with a configuration that is changed before it is served.
func startWith(t *testing.T, change func(*candorv1.Config), down ...string) *world {
	t.Helper()
	dir := t.TempDir()
	edits := []string{"candor-data/digits.db", filepath.Join(dir, "digits.db"), "127.0.0.1:8433", "127.0.0.1:0", "127.0.0.1:8434", "127.0.0.1:0"}
	w := &world{}
	for i, name := range digits.Names() {
		addr := nobody
		if !slices.Contains(down, name) {
			addr = serveModel(t, name)
		}
		edits = append(edits, fmt.Sprintf("127.0.0.1:%d", 9001+i), addr)
		if i == 0 {
			w.primary = addr
		}
	}
	w.cfg = patched(t, dir, edits)
	change(w.cfg)
	w.gateway = serve(t, w.cfg)
	return w
}

// serveModel serves one model on a socket of its own.
func serveModel(t *testing.T, name string) string {
	t.Helper()
	m, err := digits.LoadModel(name)
	if err != nil {
		t.Fatal(err)
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := modelserver.New(m)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(lis) }()
	t.Cleanup(func() {
		srv.Stop()
		if err := <-done; err != nil {
			t.Errorf("model server %s: %v", name, err)
		}
	})
	return lis.Addr().String()
}

// patched is the example's configuration with other addresses and another store; edits are pairs of old and new text.
func patched(t *testing.T, dir string, edits []string) *candorv1.Config {
	t.Helper()
	text, err := os.ReadFile("../examples/digits/candor.yaml")
	if err != nil {
		t.Fatal(err)
	}
	yaml := string(text)
	// Comments name addresses too; they are no matter.
	for i := 0; i < len(edits); i += 2 {
		if !strings.Contains(yaml, edits[i]) {
			t.Fatalf("examples/digits/candor.yaml has no %q to replace", edits[i])
		}
		yaml = strings.ReplaceAll(yaml, edits[i], edits[i+1])
	}
	path := filepath.Join(dir, "candor.yaml")
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	// What a client sees of the promise depends on verdicts, and calls of many rows are none of its business. A typed threshold
	// says beforehand which route an image takes: the one that examples/digits/train --report names.
	cfg.Models[modelName].Policy.Accept = &candorv1.Accept{License: &candorv1.Accept_Threshold{
		Threshold: &candorv1.Threshold{At: &candorv1.Threshold_Probability{Probability: typedThreshold}},
	}}
	return cfg
}

// serve runs the gateway and answers its address.
func serve(t *testing.T, cfg *candorv1.Config) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	db := cfg.GetStore().GetSqlite().GetPath()
	if err := sqlite.Init(ctx, db, storeIdentity); err != nil {
		t.Fatal(err)
	}
	store, err := sqlite.Open(ctx, db, storeIdentity, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g, err := gateway.New(ctx, cfg, gateway.Deps{
		Ledger: store, Reviews: store, Limits: store, Artefacts: store, Webhooks: store, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Version: "interop",
	})
	if err != nil {
		t.Fatal(err)
	}
	ready, done := make(chan gateway.Addrs, 1), make(chan error, 1)
	go func() { done <- g.Run(ctx, func(a gateway.Addrs) { ready <- a }) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, g.Close(), store.Close(context.Background())); err != nil {
			t.Errorf("stopping the gateway: %v", err)
		}
	})
	select {
	case a := <-ready:
		return a.GRPC
	case err := <-done:
		done <- nil
		t.Fatal(err)
		return ""
	}
}
