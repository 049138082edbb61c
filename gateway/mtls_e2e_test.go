package gateway_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
)

// authority signs certificates and writes them into files.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key = a.sign("ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

// sign makes NAME.pem and NAME.key; the first is self-signed.
func (a *authority) sign(name string, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber, template.NotAfter = big.NewInt(time.Now().UnixNano()), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		a.t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(a.path(file), pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

func (a *authority) path(file string) string { return filepath.Join(a.dir, file) }

// client signs a client's certificate for a DNS name; empty: no certificate.
func (a *authority) client(dnsName string) []tls.Certificate {
	if dnsName == "" {
		return nil
	}
	cert, key := a.sign("client-"+dnsName, &x509.Certificate{DNSNames: []string{dnsName}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}
}

// Certificates identify by their subject alternative name, verified against our CA.
func TestMutualTLS(t *testing.T) {
	ca, stranger := newAuthority(t), newAuthority(t)
	ca.sign("server", &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	for _, anonymous := range []bool{true, false} {
		t.Run(fmt.Sprintf("anonymous %v", anonymous), func(t *testing.T) {
			edits := []string{
				"reflection: true", fmt.Sprintf("tls: {cert_file: %q, key_file: %q, client_ca_file: %q}", ca.path("server.pem"), ca.path("server.key"), ca.path("ca.pem")),
				"consumers:\n", "consumers:\n  batch: {identity: {mtls_san: batch.example.com}, models: [fraud]}\n",
				"  ann: {identity: {token_sha256: REVIEWER}, roles: [reviewer]}", "  ann: {identity: {mtls_san: ann.example.com}, roles: [reviewer]}",
			}
			if !anonymous {
				edits = append(edits, noAnonymous, "")
			}
			w := start(t, edits...)
			roots := x509.NewCertPool()
			roots.AddCert(ca.cert)
			as := func(certs []tls.Certificate) *grpc.ClientConn {
				conn, err := grpc.NewClient(w.addr.GRPC, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: roots, Certificates: certs})))
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = conn.Close() })
				return conn
			}
			infer := func(conn *grpc.ClientConn, ctx context.Context) (*inference.ModelInferResponse, error) {
				return inference.NewGRPCInferenceServiceClient(conn).ModelInfer(ctx, request([][4]float32{deferredRow}, "candor_route"))
			}
			resp, err := infer(as(ca.client("batch.example.com")), bounded(t, ""))
			if err != nil {
				t.Fatal(err)
			}
			item := resp.GetParameters()["candor_review_item"].GetStringParam()
			ann := candorv1.NewReviewServiceClient(as(ca.client("ann.example.com")))
			claimed, err := ann.ClaimReviewItem(bounded(t, ""), &candorv1.ClaimReviewItemRequest{Name: item})
			if err != nil || claimed.GetItem().GetHolder() != "ann" {
				t.Errorf("%v %v", claimed, err)
			}
			_, err = infer(as(ca.client("ann.example.com")), bounded(t, ""))
			wantError(t, err, codes.PermissionDenied, "PERMISSION_DENIED")
			_, err = infer(as(ca.client("old.example.com")), bounded(t, ""))
			wantError(t, err, codes.Unauthenticated, "UNAUTHENTICATED")
			// A token beside a certificate of no meaning is a credential of its own.
			if _, err := infer(as(ca.client("")), bounded(t, clientToken)); err != nil {
				t.Error(err)
			}
			// A certificate of a stranger's CA doesn't get through the handshake, whatever name is in it.
			if _, err := infer(as(stranger.client("batch.example.com")), bounded(t, "")); err == nil {
				t.Error("a stranger's certificate was believed")
			}
			_, err = infer(as(nil), bounded(t, ""))
			if anonymous && err != nil {
				t.Error(err)
			}
			if !anonymous {
				wantError(t, err, codes.Unauthenticated, "UNAUTHENTICATED")
			}
			// Plain text gets nowhere.
			if a := w.infer(t.Context(), request([][4]float32{sureRow})); a.err == nil {
				t.Error("plain text was served")
			}
		})
	}
}
