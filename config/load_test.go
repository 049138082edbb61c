package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

const exampleFile = "../examples/candor.yaml"

func TestExampleHasNoFaults(t *testing.T) {
	if _, faults := Check(exampleFile); len(faults) > 0 {
		t.Fatal(faults)
	}
	if _, err := Load(exampleFile); err != nil {
		t.Fatal(err)
	}
}

// The example is what people copy from, so it must show everything.
func TestExampleShowsEveryField(t *testing.T) {
	text, err := os.ReadFile(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	root := (&candorv1.Config{}).ProtoReflect().Descriptor()
	for _, message := range messages(root) {
		for _, name := range fieldNames(message) {
			if !regexp.MustCompile(`\b` + name + `:`).Match(text) {
				t.Errorf("%s.%s isn't shown", message.Name(), name)
			}
		}
	}
}

// An option that the example shows switched off works when it is switched on.
func TestExampleWithEveryOption(t *testing.T) {
	text, err := os.ReadFile(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	// "#key" or "#  key" is an option, "# Text" is prose.
	on := regexp.MustCompile(`(?m)^( *)#(  +)?([a-z"-])`).ReplaceAll(text, []byte("$1$2$3"))
	if string(on) == string(text) {
		t.Fatal("no option was switched on")
	}
	folder := t.TempDir()
	writeTLS(t, folder, "tls/server.crt", "tls/server.key")
	writeTLS(t, folder, "tls/client.crt", "tls/client.key")
	writeTLS(t, folder, "tls/clients.crt", "tls/clients.key")
	writeTLS(t, folder, "tls/servers.crt", "tls/servers.key")
	for _, name := range []string{"oidc.secret", "oncall.secret"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(folder, "candor.yaml")
	if err := os.WriteFile(file, on, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, faults := Check(file)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	if cfg.GetListen().GetTls() == nil || len(cfg.GetConsumers()) != 3 {
		t.Errorf("not every option is on: %v", cfg.GetListen())
	}
}

// writeTLS makes a certificate that is its own authority, and its key.
func writeTLS(t *testing.T, folder, cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		name = filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTLSFiles(t *testing.T) {
	folder := t.TempDir()
	writeTLS(t, folder, "a.crt", "a.key")
	writeTLS(t, folder, "b.crt", "b.key")
	if err := os.WriteFile(filepath.Join(folder, "notes.txt"), []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, listen, backend string
		want                  []string
	}{
		{"all there", "cert_file: a.crt, key_file: a.key, client_ca_file: b.crt", "ca_file: a.crt, cert_file: b.crt, key_file: b.key", nil},
		{"by full path", "cert_file: " + folder + "/a.crt, key_file: " + folder + "/a.key", "", nil},
		{"not there", "cert_file: x.crt, key_file: x.key", "ca_file: x.ca",
			[]string{`listen.tls.cert_file: can't read "x.crt": no such file`, `listen.tls.key_file: can't read "x.key"`, `backends.net.tls.ca_file: can't read "x.ca"`}},
		{"not a pair", "cert_file: a.crt, key_file: b.key", "", []string{"listen.tls.cert_file: can't be used with key_file"}},
		{"no certificate", "cert_file: a.crt, key_file: a.key, client_ca_file: notes.txt", "", []string{"listen.tls.client_ca_file: holds no certificate"}},
		{"a folder", "cert_file: ., key_file: a.key", "", []string{"listen.tls.cert_file: it is not a regular file"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			file := filepath.Join(folder, "candor.yaml")
			text := base(t, edit{`"127.0.0.1:0"`, `"127.0.0.1:0", tls: {` + tc.listen + `}`}, edit{"version: 7", "version: 7\n    tls: {" + tc.backend + "}"})
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Fatal(err)
			}
			_, faults := Check(file)
			expect(t, faults, tc.want)
		})
	}
}

func TestLoad(t *testing.T) {
	_, err := Load("testdata/mistakes.yaml")
	var faults Faults
	if !errors.As(err, &faults) || len(faults.Errors()) < 6 {
		t.Fatalf("got %v", err)
	}
	for _, f := range faults {
		if !strings.Contains(err.Error(), f.String()) {
			t.Errorf("the error doesn't say %q", f)
		}
	}
	if _, err := Load("testdata/nothing.yaml"); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("got %v for a file that isn't there", err)
	}
	if _, err := Load("testdata"); err == nil {
		t.Error("got no error for a folder")
	}
	// Warnings don't stop anybody.
	file := filepath.Join(t.TempDir(), "candor.yaml")
	if err := os.WriteFile(file, base(t, edit{"on_defer: default", "on_defer: withhold"}), 0o600); err != nil {
		t.Fatal(err)
	}
	if cfg, err := Load(file); err != nil || cfg.GetBackends()["net"].GetTimeout() == nil {
		t.Errorf("got %v, %v; want a configuration with defaults", cfg, err)
	}
}
