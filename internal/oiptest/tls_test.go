package oiptest_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"

	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
)

func TestTLS(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	s := oiptest.StartWith(t, oiptest.Options{
		TLS: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}},
	}, oiptest.Model{Name: "m", Infer: oiptest.Const(1)})

	roots := x509.NewCertPool()
	roots.AddCert(cert)
	conn, err := grpc.NewClient(s.Addr(), grpc.WithTransportCredentials(credentials.NewClientTLSFromCert(roots, "")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := inference.NewGRPCInferenceServiceClient(conn).ModelInfer(bounded(t), twoRows(oiptest.RawForm)); err != nil {
		t.Fatal(err)
	}
	_, err = dial(t, s).ModelInfer(bounded(t), twoRows(oiptest.RawForm)) // plain text
	wantCode(t, err, codes.Unavailable)
}

func TestMessageLimit(t *testing.T) {
	s := oiptest.StartWith(t, oiptest.Options{MaxMessageBytes: 1024}, oiptest.Model{Name: "m", Infer: oiptest.Const(1)})
	big := oiptest.Request("m", "", oiptest.RawForm, oiptest.FP32("x", []int64{1, 1000}, make([]float32, 1000)...))
	_, err := dial(t, s).ModelInfer(bounded(t), big)
	wantCode(t, err, codes.ResourceExhausted)
	if s.Calls() != 0 {
		t.Errorf("%d calls recorded", s.Calls())
	}
}
