package backend

import (
	"crypto/tls"
	"os"
	"sync/atomic"
	"testing"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// When a model server's certificate comes from another authority, a changed ca_file is all that is needed. A file that is broken
// meanwhile does no harm.
func TestAuthoritiesAreRenewed(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t, dir, "ca.pem")
	first := ca.issue(t, dir, "server")
	var cert atomic.Pointer[tls.Certificate]
	cert.Store(&first)
	server := oiptest.StartWith(t, oiptest.Options{TLS: &tls.Config{
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return cert.Load(), nil },
	}}, digitsModel())
	cfg := digitsConfig(server.Addr())
	cfg.Tls = &candorv1.ClientTLS{CaFile: ca.file, ServerName: "model.test"}
	b := dial(t, cfg, Options{})
	// The first call after the model server was away may still meet the connection that died with it.
	ask := func() *Failure {
		_, f := infer(t, t.Context(), b, digitsRequest(t, 1))
		for deadline := time.Now().Add(10 * time.Second); f != nil && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			_, f = infer(t, t.Context(), b, digitsRequest(t, 1))
		}
		return f
	}
	if f := ask(); f != nil {
		t.Fatal(f)
	}

	if err := os.WriteFile(ca.file, []byte("half a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	server.Restart()
	if f := ask(); f != nil {
		t.Errorf("with a broken file: %v", f)
	}

	second := newAuthority(t, dir, "ca.pem").issue(t, dir, "server")
	cert.Store(&second)
	server.Kill()
	server.Restart()
	if f := ask(); f != nil {
		t.Errorf("with the new authority: %v", f)
	}
}
