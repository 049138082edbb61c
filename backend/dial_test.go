package backend

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/oiptest"
)

func TestDialRefuses(t *testing.T) {
	dir := t.TempDir()
	noPEM := filepath.Join(dir, "empty.pem")
	if err := os.WriteFile(noPEM, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		edit  func(*candorv1.Backend)
		field string
	}{
		{func(c *candorv1.Backend) { c.Address = "localhost" }, "address: "},
		{func(c *candorv1.Backend) { c.Address = "http://localhost:8001" }, "address: "},
		{func(c *candorv1.Backend) { c.Address = ":8001" }, "address: "},
		{func(c *candorv1.Backend) { c.Address = "dns:///models" }, "address: "},
		{func(c *candorv1.Backend) { c.Addresses = []string{"a:1", "b:1"} }, "addresses: "},
		{func(c *candorv1.Backend) { c.Address, c.Addresses = "", []string{"a:1", "b"} }, "addresses[1]: "},
		{func(c *candorv1.Backend) { c.Address, c.Addresses = "", []string{"a:1", "a:1"} }, "addresses[1]: "},
		{func(c *candorv1.Backend) { c.Replicas = &candorv1.Replicas{} }, "replicas: "},
		{replicasWith(&candorv1.Replicas{ProbeEvery: durationpb.New(0)}), "replicas.probe_every: "},
		{replicasWith(&candorv1.Replicas{ResolveEvery: durationpb.New(1)}), "replicas.resolve_every: "},
		{replicasWith(&candorv1.Replicas{FailuresInARow: proto.Uint32(0)}), "replicas.failures_in_a_row: "},
		{replicasWith(&candorv1.Replicas{FailureMargin: proto.Float64(0)}), "replicas.failure_margin: "},
		{replicasWith(&candorv1.Replicas{MinCalls: proto.Uint32(0)}), "replicas.min_calls: "},
		{replicasWith(&candorv1.Replicas{Window: durationpb.New(1)}), "replicas.window: "},
		{replicasWith(&candorv1.Replicas{MaxEjection: durationpb.New(1)}), "replicas.max_ejection: "},
		{replicasWith(&candorv1.Replicas{MaxEjected: proto.Float64(2)}), "replicas.max_ejected: "},
		{replicasWith(&candorv1.Replicas{PanicThreshold: proto.Float64(-1)}), "replicas.panic_threshold: "},
		{replicasWith(&candorv1.Replicas{SlowRatio: proto.Float64(1.2)}), "replicas.slow_ratio: "},
		{replicasWith(&candorv1.Replicas{SlowCalls: proto.Uint32(2)}), "replicas.slow_calls: "},
		{replicasWith(&candorv1.Replicas{SlowBy: durationpb.New(-1)}), "replicas.slow_by: "},
		{func(c *candorv1.Backend) { c.Model = "" }, "model: "},
		{func(c *candorv1.Backend) { c.Version = "" }, "version: "},
		{func(c *candorv1.Backend) { c.Card = nil }, "card.created_at: "},
		{func(c *candorv1.Backend) { c.Card.Owner = "" }, "card.owner: "},
		{func(c *candorv1.Backend) { c.Timeout = durationpb.New(5 * time.Millisecond) }, "timeout: "},
		{func(c *candorv1.Backend) { c.Timeout = durationpb.New(-1) }, "timeout: "},
		{func(c *candorv1.Backend) { c.MaxInFlight = proto.Uint32(0) }, "max_in_flight: "},
		{func(c *candorv1.Backend) { c.Breaker.FailureRatio = proto.Float64(1.5) }, "breaker.failure_ratio: "},
		{func(c *candorv1.Backend) { c.Breaker.MinCalls = proto.Uint32(0) }, "breaker.min_calls: "},
		{func(c *candorv1.Backend) { c.Breaker.Probes = proto.Uint32(0) }, "breaker.probes: "},
		{func(c *candorv1.Backend) { c.Breaker.OpenFor = durationpb.New(0) }, "breaker.open_for: "},
		{func(c *candorv1.Backend) { c.Breaker.Window = durationpb.New(6 * time.Second) }, "breaker.window: "},
		{func(c *candorv1.Backend) { c.Tls = &candorv1.ClientTLS{CaFile: filepath.Join(dir, "absent")} }, "tls.ca_file: "},
		{func(c *candorv1.Backend) { c.Tls = &candorv1.ClientTLS{CaFile: noPEM} }, "tls.ca_file: "},
		{func(c *candorv1.Backend) { c.Tls = &candorv1.ClientTLS{CertFile: noPEM} }, "tls.key_file: "},
		{func(c *candorv1.Backend) { c.Tls = &candorv1.ClientTLS{KeyFile: noPEM} }, "tls.cert_file: "},
		{func(c *candorv1.Backend) { c.Tls = &candorv1.ClientTLS{CertFile: noPEM, KeyFile: noPEM} }, "tls.cert_file: "},
	} {
		cfg := digitsConfig("localhost:8001")
		test.edit(cfg)
		b, err := Dial("digits-a", cfg, Options{})
		if err == nil {
			_ = b.Close()
		}
		if err == nil || !strings.HasPrefix(err.Error(), "backends.digits-a."+test.field) {
			t.Errorf("want an error of %q, have: %v", test.field, err)
		}
	}
}

// replicasWith makes a backend one of several replicas.
func replicasWith(r *candorv1.Replicas) func(*candorv1.Backend) {
	return func(c *candorv1.Backend) { c.Address, c.Addresses, c.Replicas = "", []string{"a:1", "b:1"}, r }
}

func TestDialDefaults(t *testing.T) {
	cfg := digitsConfig("localhost:8001")
	cfg.Breaker = nil
	s, err := compileSettings(cfg)
	if err != nil {
		t.Fatal(err)
	}
	want := settings{
		place: place{address: "localhost:8001"}, host: hosts{"localhost"}, model: "digits", version: "1",
		timeout: 5 * time.Second, minTimeout: 5 * time.Millisecond, maxInFlight: 256, adaptive: true, connections: 4,
		breaker: breakerSettings{failureRatio: 0.5, minCalls: 10, window: 30 * time.Second, openFor: 5 * time.Second, probes: 3},
		replicas: replicaSettings{
			probeEvery: 2 * time.Second, resolveEvery: 30 * time.Second, failuresInARow: 5, failureMargin: 0.3, minCalls: 20,
			window: 30 * time.Second, ejection: 10 * time.Second, maxEjection: 5 * time.Minute, maxEjected: 0.5, panicThreshold: 0.5,
			slowRatio: 5, slowCalls: 20, slowBy: 10 * time.Millisecond,
		},
		retry: retrySettings{attempts: 2, budget: 0.2},
	}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("\nhave %+v\nwant %+v", s, want)
	}
	b := dial(t, cfg, Options{})
	if b.Name() != "primary" || b.Model() != "digits" || b.Version() != "1" || b.Address() != "localhost:8001" || b.Timeout() != 5*time.Second {
		t.Errorf("%s %s %s %s %v", b.Name(), b.Model(), b.Version(), b.Address(), b.Timeout())
	}
}

func TestDialMutualTLS(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t, dir, "ca.pem")
	foreign := newAuthority(t, dir, "foreign.pem")
	serverCert := ca.issue(t, dir, "server")
	ca.issue(t, dir, "client")
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	server := oiptest.StartWith(t, oiptest.Options{TLS: &tls.Config{
		Certificates: []tls.Certificate{serverCert}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12,
	}}, digitsModel())

	full := &candorv1.ClientTLS{
		CaFile: ca.file, CertFile: filepath.Join(dir, "client.pem"), KeyFile: filepath.Join(dir, "client.key"), ServerName: "model.test",
	}
	for _, test := range []struct {
		name string
		edit func(*candorv1.ClientTLS)
		ok   bool
	}{
		{"mutual", func(*candorv1.ClientTLS) {}, true},
		{"no client certificate", func(c *candorv1.ClientTLS) { c.CertFile, c.KeyFile = "", "" }, false},
		{"another authority", func(c *candorv1.ClientTLS) { c.CaFile = foreign.file }, false},
		{"another name", func(c *candorv1.ClientTLS) { c.ServerName = "other.test" }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := digitsConfig(server.Addr())
			cfg.Tls = proto.CloneOf(full)
			test.edit(cfg.Tls)
			_, f := infer(t, t.Context(), dial(t, cfg, Options{}), digitsRequest(t, 1))
			if test.ok != (f == nil) {
				t.Fatalf("failure %v", f)
			}
			if f != nil && (f.Class != Failed || f.Source != candorv1.FailureSource_FAILURE_SOURCE_INFERRED) {
				t.Errorf("failure %+v", f)
			}
		})
	}
}

// authority is a certificate authority for one test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T, dir, name string) authority {
	t.Helper()
	a := authority{file: filepath.Join(dir, name)}
	a.key = newKey(t)
	der := sign(t, &x509.Certificate{IsCA: true, KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true}, nil, &a.key.PublicKey, a.key)
	var err error
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	writePEM(t, a.file, "CERTIFICATE", der)
	return a
}

// issue writes name.pem and name.key for the host model.test.
func (a authority) issue(t *testing.T, dir, name string) tls.Certificate {
	t.Helper()
	key := newKey(t)
	der := sign(t, &x509.Certificate{
		DNSNames: []string{"model.test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.cert, &key.PublicKey, a.key)
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, filepath.Join(dir, name+".pem"), "CERTIFICATE", der)
	writePEM(t, filepath.Join(dir, name+".key"), "EC PRIVATE KEY", secret)
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key"))
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sign makes a certificate of the template; a nil parent signs itself.
func sign(t *testing.T, template, parent *x509.Certificate, public *ecdsa.PublicKey, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func writePEM(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}
